//! What only pools of threads can be told.

use std::num::NonZero;
use std::sync::Arc;

use super::{ControlledPool, FuncPool, Pool};
use crate::dispatcher::{Launch, NotLaunched};
use crate::options::{Buildable, Builder, sealed::Sealed};
use crate::sync;
use crate::worker::Worker;

#[derive(Default)]
pub struct Settings {
    stack_size: Option<usize>,
}

impl Sealed for Pool {}
impl<T: Send + 'static> Sealed for FuncPool<T> {}
impl<T: Send + 'static> Sealed for ControlledPool<T> {}

impl Buildable for Pool {
    type Settings = Settings;

    fn default_capacity() -> usize {
        default_capacity()
    }
}

impl<T: Send + 'static> Buildable for FuncPool<T> {
    type Settings = Settings;

    fn default_capacity() -> usize {
        default_capacity()
    }
}

impl<T: Send + 'static> Buildable for ControlledPool<T> {
    type Settings = Settings;

    fn default_capacity() -> usize {
        default_capacity()
    }
}

fn default_capacity() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl<P: Buildable<Settings = Settings>> Builder<P> {
    /// The stack of a worker, in bytes; the standard library's default
    /// otherwise.
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.settings.stack_size = Some(bytes);
        self
    }
}

impl Settings {
    /// Starts a thread of this name for each worker, which is driven there.
    pub(super) fn launch<J, F>(self, name: &str, drive: F) -> Launch<J>
    where
        J: Send + 'static,
        F: Fn(Worker<J>) + Send + Sync + 'static,
    {
        let drive = Arc::new(drive);
        let name = name.replace('\0', "");
        Box::new(move |worker| {
            let mut thread = sync::thread::Builder::new().name(name.clone());
            if let Some(bytes) = self.stack_size {
                thread = thread.stack_size(bytes);
            }
            let drive = Arc::clone(&drive);
            match thread.spawn(move || drive(worker)) {
                Ok(_detached) => Ok(()),
                Err(refused) => Err(NotLaunched(refused)),
            }
        })
    }
}
