//! What a pool is made with, the same for both engines.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A job that panicked, for a panic handler.
#[derive(Debug)]
#[non_exhaustive]
pub struct PanicInfo<'a> {
    /// Name of the pool.
    pub pool: &'a str,
    /// What it panicked with.
    pub payload: &'a (dyn Any + Send),
}

impl PanicInfo<'_> {
    /// The message, if it panicked with one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        let text = self.payload.downcast_ref::<&str>().copied();
        text.or_else(|| self.payload.downcast_ref::<String>().map(String::as_str))
    }
}

pub(crate) type PanicHandler = Arc<dyn Fn(&PanicInfo<'_>) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) name: String,
    pub(crate) capacity: usize,
    pub(crate) queue: usize,
    pub(crate) panic_handler: Option<PanicHandler>,
}

impl Default for Options {
    /// As many workers as there are CPUs, and a queue of 1,024.
    fn default() -> Self {
        Self {
            name: "pool".to_owned(),
            capacity: std::thread::available_parallelism().map_or(1, usize::from),
            queue: 1024,
            panic_handler: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// The methods of every builder that both engines have.
macro_rules! option_methods {
    () => {
        /// Names the pool: in thread names, in errors, for the panic handler.
        /// `pool` when nothing is said.
        #[must_use]
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.options.name = name.into();
            self
        }

        /// Bounds how many jobs run at once (ants: the size). As many as
        /// there are CPUs when nothing is said. Workers are made when they
        /// are needed, and stay.
        ///
        /// # Panics
        /// When it is 0: nothing would ever run.
        #[must_use]
        pub fn capacity(mut self, jobs: usize) -> Self {
            assert!(jobs > 0, "a pool without capacity would run nothing");
            self.options.capacity = jobs;
            self
        }

        /// Bounds how many accepted jobs wait for a worker; 1,024 when
        /// nothing is said. With 0 a job is accepted only when a worker is
        /// free for it, as in ants.
        #[must_use]
        pub fn queue(mut self, jobs: usize) -> Self {
            self.options.queue = jobs;
            self
        }

        /// Is called on the worker with every panic of a job (ants:
        /// `WithPanicHandler`). The worker goes on in any case; a panic of
        /// the handler itself is ignored. Beside it the process's panic hook
        /// has been called, as always.
        #[must_use]
        pub fn panic_handler(
            mut self,
            handler: impl Fn(&crate::PanicInfo<'_>) + Send + Sync + 'static,
        ) -> Self {
            self.options.panic_handler = Some(std::sync::Arc::new(handler));
            self
        }
    };
}
pub(crate) use option_methods;
