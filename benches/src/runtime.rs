//! The tokio runtime on which the contestants take turns.

use std::cell::RefCell;
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::contestant::Contestant;
use crate::slots::{Ledger, Slots};

/// Threads of the runtime.
pub(crate) const WORKERS: usize = 2;

thread_local! {
    /// One runtime for all contestants, which take turns on it.
    static RUNTIME: RefCell<Option<&'static Runtime>> = const { RefCell::new(None) };
}

/// A runtime with two workers.
///
/// # Panics
/// When the system refuses threads.
#[must_use]
pub fn runtime() -> &'static Runtime {
    RUNTIME.with_borrow_mut(|runtime| {
        *runtime.get_or_insert_with(|| {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            let runtime = builder.worker_threads(WORKERS).enable_all().build();
            Box::leak(Box::new(runtime.expect("threads")))
        })
    })
}

/// Lets a task on the runtime do the jobs of a turn; it returns when all are
/// submitted.
pub fn in_runtime<F>(who: &str, submit_all: impl Fn(Slots, usize) -> F + 'static) -> Contestant
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut ledger = Ledger::default();
    Contestant::new(who, move |count| {
        ledger.with(count, |slots| {
            let jobs = usize::try_from(count).expect("fits the memory");
            let start = Instant::now();
            let submitted = runtime().spawn(submit_all(slots, jobs));
            runtime().block_on(submitted).expect("no task panics");
            slots.wait();
            start.elapsed()
        })
    })
}
