//! What the controlled pools of both engines offer in the same words.

/// The methods that neither wait nor run a job.
macro_rules! controlled {
    ($pool:ident) => {
        impl<T: Send + 'static> $pool<T> {
            /// The options of a pool, as for a [`FuncPool`]; a bound on blocked
            /// submitters has no effect, and delays are always recorded.
            pub fn builder() -> Builder<Self> {
                Builder::new()
            }

            /// Accepts a job of this class, or refuses it at once.
            ///
            /// # Errors
            /// [`Reason::Refused`](crate::Reason::Refused) when its level is not let
            /// in, [`Reason::Full`](crate::Reason::Full) and
            /// [`Reason::Closed`](crate::Reason::Closed); with the job.
            pub fn submit(&self, class: Class, job: T) -> Result<(), SubmitError<T>> {
                let token = || self.tokens.try_submit(()).map_err(|error| error.reason());
                let submitted = self.desk.submit(class, job, token);
                submitted.map_err(|(reason, job)| {
                    SubmitError::new(&self.tokens.dispatcher.options.name, reason, job)
                })
            }

            /// What is less urgent than this is refused. To be told to callers, who
            /// then need not ask: compare it with [`Class::level`].
            pub fn level(&self) -> Level {
                self.desk.level()
            }

            /// What became of jobs, by their priority.
            pub fn stats(&self) -> ControlStats {
                self.desk.stats(self.tokens.stats())
            }

            /// The schedule delay of every job that was run: from accepted to started.
            pub fn delay(&self) -> crate::DelaySnapshot {
                self.desk.delay()
            }

            /// The name of the pool.
            pub fn name(&self) -> &str {
                self.tokens.name()
            }

            /// Whether the pool was closed.
            pub fn is_closed(&self) -> bool {
                self.tokens.is_closed()
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
        }

        impl<T: Send + 'static, R: Send + 'static> $pool<Call<T, R>> {
            /// Accepts the argument of a job of this class and gives its handle, or
            /// refuses it at once. What is accepted and not run is told to the handle,
            /// as [`JobError::Unserved`](crate::JobError::Unserved).
            ///
            /// # Errors
            /// As [`submit`](Self::submit).
            pub fn call(&self, class: Class, job: T) -> Result<Handle<R>, SubmitError<T>> {
                let (handle, report) = handle(self.tokens.dispatcher.address());
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
