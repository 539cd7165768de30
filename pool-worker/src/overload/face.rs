//! What the controlled pools of both engines offer in the same words.

/// The methods that neither wait nor run a job.
macro_rules! controlled {
    ($pool:ident) => {
        impl<T: Send + 'static> crate::AnyPool for $pool<T> {
            fn core(&self) -> &dyn crate::any_pool::Core {
                &self.controlled
            }

            fn keep(&self) -> Box<dyn crate::any_pool::Core> {
                Box::new(self.controlled.clone())
            }
        }

        /// A job goes with its class; so pools of a [`MultiPool`](crate::MultiPool)
        /// take it.
        impl<T: Send + 'static> crate::TrySubmit<(Class, T)> for $pool<T> {
            fn try_submit(&self, (class, job): (Class, T)) -> Result<(), SubmitError<(Class, T)>> {
                let submitted = self.submit(class, job);
                submitted.map_err(|error| error.map(|job| (class, job)))
            }

            fn offer(&self, (class, job): (Class, T)) -> Result<(), SubmitError<(Class, T)>> {
                let offered = self.controlled.offer(class, job);
                offered.map_err(|error| error.map(|job| (class, job)))
            }
        }

        impl<T: Send + 'static> $pool<T> {
            /// The options of a pool, as for a [`FuncPool`]; a bound on blocked
            /// submitters has no effect, and delays are always recorded. A size that
            /// is [elastic](Control::elastic), or a [limit](Control::vegas) that is
            /// looked for, comes in place of the capacity.
            pub fn builder() -> Builder<Self> {
                Builder::new()
            }

            /// Accepts a job of this class, or refuses it at once. Jobs that have
            /// expired by then are given back first, wherever they wait. If the queue is
            /// full all the same, the least urgent makes room, if it is less urgent than
            /// this, or else, where shares are [fair](Control::fair), a job of the key
            /// that has more there than this one's; that is given back too.
            ///
            /// # Errors
            /// [`Reason::Refused`](crate::Reason::Refused) when its level is not let
            /// in, [`Reason::Full`](crate::Reason::Full) and
            /// [`Reason::Closed`](crate::Reason::Closed); with the job, and with how
            /// long others [waited](SubmitError::delay).
            pub fn submit(&self, class: Class, job: T) -> Result<(), SubmitError<T>> {
                self.controlled.submit(class, job)
            }

            /// What is less urgent than this is refused. To be told to callers, who
            /// then need not ask: compare it with [`Class::level`]. It follows the time
            /// though nothing is submitted: whoever looks first after the end of a window
            /// takes the lock of the queue; all others, where there is a
            /// [level](Control::dagor) at all, look at the clock.
            pub fn level(&self) -> Level {
                self.controlled.desk.level()
            }

            /// What became of jobs, by their priority and in all.
            pub fn stats(&self) -> ControlStats {
                self.controlled.stats()
            }

            /// The schedule delay of every job that was run: from accepted to started.
            pub fn delay(&self) -> crate::DelaySnapshot {
                let [_, delay, _] = self.controlled.recorded();
                delay.snapshot(1.0)
            }

            /// How long jobs ran, from their start to their end, waiting included;
            /// those that panicked too.
            pub fn run_time(&self) -> crate::DelaySnapshot {
                let [_, _, run_time] = self.controlled.recorded();
                run_time.snapshot(1.0)
            }

            /// How long the oldest job that waits has waited by now; `None` if no job
            /// waits. When workers are stalled this grows, and nothing else does.
            pub fn oldest_waiting(&self) -> Option<Duration> {
                self.controlled.oldest()
            }

            /// The delays over the last while; see [`Window`](crate::Window).
            pub fn window(&self, length: Duration) -> crate::Window {
                crate::Window::new(crate::AnyPool::keep(self), length)
            }

            /// The name of the pool.
            pub fn name(&self) -> &str {
                self.tokens.name()
            }

            /// Whether the pool was closed.
            pub fn is_closed(&self) -> bool {
                self.tokens.is_closed()
            }

            /// Opens the pool again after a close that has drained; figures go on from
            /// where they were.
            ///
            /// # Errors
            /// See [`ReopenError`](crate::ReopenError).
            pub fn reopen(&self) -> Result<(), crate::ReopenError> {
                self.tokens.reopen()
            }

            /// Changes how many jobs run at once, as [`FuncPool::set_capacity`] does. Has
            /// no effect where the number is not for the pool to say, but [elastic](Control::elastic) or a
            /// [limit](Control::vegas) that is looked for.
            ///
            /// # Panics
            /// When `capacity` is 0, or above
            /// [`max_capacity`](crate::Builder::max_capacity).
            pub fn set_capacity(&self, capacity: usize) {
                self.controlled.set_capacity(capacity);
            }

            /// Lets no job start from now on; those that wait grow older, and may
            /// be shed for it. A close ends the pause.
            pub fn pause(&self) {
                self.tokens.pause();
            }

            /// Lets jobs start again.
            pub fn resume(&self) {
                self.tokens.resume();
            }

            /// Whether the pool is paused.
            pub fn is_paused(&self) -> bool {
                self.tokens.is_paused()
            }
        }

        impl<T: Send + 'static, R: Send + 'static> $pool<Call<T, R>> {
            /// Accepts the argument of a job of this class and gives its handle, or
            /// refuses it at once. What is accepted and not run is told to the handle,
            /// as [`JobFailure::Unserved`](crate::JobFailure::Unserved).
            ///
            /// # Errors
            /// As [`submit`](Self::submit).
            pub fn call(&self, class: Class, job: T) -> Result<Handle<R>, SubmitError<T>> {
                let (handle, report) = handle(&self.tokens.dispatcher.identity, None);
                let submitted = self.submit(class, Call { job, report });
                submitted.map_err(|error| error.map(|call| call.job))?;
                Ok(handle)
            }
        }

        impl<T: Send + 'static> fmt::Debug for $pool<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($pool))
                    .field("name", &self.name())
                    .field("stats", &self.stats())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use controlled;
