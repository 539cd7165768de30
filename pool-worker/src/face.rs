//! What the pools of both engines offer in the same words.

/// The methods that neither wait nor run a job, for a pool that has a
/// dispatcher.
macro_rules! face {
    ($pool:ty, [$($generics:tt)*], $self:ident => $dispatcher:expr) => {
        impl<$($generics)*> crate::AnyPool for $pool {
            fn core(&$self) -> &dyn crate::any_pool::Core {
                &$dispatcher
            }

            fn keep(&$self) -> Box<dyn crate::any_pool::Core> {
                Box::new(std::sync::Arc::clone(&$dispatcher))
            }
        }

        impl<$($generics)*> $pool {
            /// The name of the pool.
            pub fn name(&$self) -> &str {
                &$dispatcher.options.name
            }

            /// Whether the pool was closed.
            pub fn is_closed(&$self) -> bool {
                $dispatcher.queue.is_closed()
            }

            /// Opens the pool again after a close that has drained; figures go
            /// on from where they were. Answers to `Reboot` of `ants`.
            ///
            /// # Errors
            /// See [`ReopenError`](crate::ReopenError).
            pub fn reopen(&$self) -> Result<(), crate::ReopenError> {
                $dispatcher.reopen()
            }

            /// Changes how many jobs run at once, from now on. Raised, blocked
            /// submitters and queued jobs go on at once; lowered, no running
            /// job is touched, and once this has returned no further one is
            /// taken to run until fewer do. Does not block. Answers to `Tune` of
            /// `ants`.
            ///
            /// # Panics
            /// When `capacity` is 0, or above
            /// [`max_capacity`](crate::Builder::max_capacity).
            pub fn set_capacity(&$self, capacity: usize) {
                $dispatcher.set_capacity(capacity);
            }

            /// Lets no job be taken to run from now on. Those that run go on, and
            /// jobs are accepted while there is room; each worker may be about to
            /// start one that it has just taken. A close ends the pause, and a
            /// closed pool cannot be paused. Does not block.
            pub fn pause(&$self) {
                $dispatcher.pause();
            }

            /// Lets jobs start again.
            pub fn resume(&$self) {
                $dispatcher.resume();
            }

            /// Whether the pool is paused.
            pub fn is_paused(&$self) -> bool {
                $dispatcher.is_paused()
            }

            /// The schedule delay of every job whose turn came: from accepted to
            /// started; or to when it was dropped, if it had been cancelled by
            /// then, or made room for another.
            pub fn delay(&$self) -> crate::DelaySnapshot {
                $dispatcher.queued()
            }

            /// How long the oldest job that waits for a worker has waited by
            /// now; `None` if no job waits. This tells at once what no
            /// quantile of [`delay`](Self::delay) can: when workers are
            /// stalled, nothing starts, and so nothing is recorded. In a pool
            /// that does not record, it is zero.
            pub fn oldest_waiting(&$self) -> Option<std::time::Duration> {
                $dispatcher.oldest()
            }

            /// How long submitters were blocked; only those that were, whether
            /// their job was accepted in the end or not. No part of
            /// [`delay`](Self::delay).
            pub fn blocked(&$self) -> crate::DelaySnapshot {
                $dispatcher.blocked()
            }

            /// How long jobs ran, from their start to their end, waiting
            /// included; those that panicked or were cancelled meanwhile too.
            pub fn run_time(&$self) -> crate::DelaySnapshot {
                $dispatcher.ran()
            }

            /// The three above over the last while; see
            /// [`Window`](crate::Window).
            pub fn window(&$self, length: std::time::Duration) -> crate::Window {
                crate::Window::new(crate::AnyPool::keep($self), length)
            }

            /// The figures of the pool.
            pub fn stats(&$self) -> crate::Stats {
                $dispatcher.stats()
            }
        }
    };
}

pub(crate) use face;
