//! What only pools of tasks can be told.

use std::future::Future;
use std::num::NonZero;
use std::time::Duration;

use tokio::runtime::Handle;

use super::work::Work;
use super::{ControlledPool, FuncPool, Pool};
use crate::dispatcher::Launch;
use crate::options::{Buildable, Builder, sealed::Sealed};
use crate::outcome::Outcome;
use crate::span::Carried;

#[derive(Default)]
pub struct Settings {
    runtime: Option<Handle>,
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

/// Tasks wait most of the time, so there may be more of them than CPUs.
fn default_capacity() -> usize {
    64 * std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl<P: Buildable<Settings = Settings>> Builder<P> {
    /// The runtime of the workers; by default the one that `build` is called
    /// in.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.settings.runtime = Some(runtime);
        self
    }
}

impl Settings {
    /// The runtime of the workers.
    ///
    /// # Panics
    /// Outside of a runtime, when none was given.
    pub(super) fn runtime(&self) -> Handle {
        self.runtime.clone().unwrap_or_else(Handle::current)
    }

    /// Starts a task for each worker, which runs the function that `make` makes
    /// for it.
    ///
    /// # Panics
    /// Outside of a runtime, when none was given; when workers are to leave
    /// after a time and the runtime has none.
    pub(super) fn launch<T, M, F, Fut>(self, make: M, has_timeout: bool) -> Launch<Carried<T>>
    where
        T: Send + 'static,
        M: Fn() -> F + Send + Sync + 'static,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output: Into<Outcome>> + Send + 'static,
    {
        let runtime = self.runtime();
        if has_timeout {
            // Panics here rather than in each worker.
            let _inside = runtime.enter();
            drop(tokio::time::sleep(Duration::ZERO));
        }
        Box::new(move |worker| {
            drop(runtime.spawn(Work::new(worker, make())));
            Ok(())
        })
    }
}
