//! An engine for the models: its workers are taken away with the job that they have, as
//! by a runtime that is shut down.

use std::sync::Arc;

use crate::block_on::block_on;
use crate::dispatcher::Dispatcher;
use crate::options::Builder;
use crate::span::Carried;
use crate::stats::Stats;
use crate::sync::thread;
use crate::threads::FuncPool;
use crate::wait::{End, until};

/// A pool with one worker, that goes with its first job, and room for one job more.
pub struct Abandoned(Arc<Dispatcher<Carried<()>>>);

impl Default for Abandoned {
    fn default() -> Self {
        let options = Builder::<FuncPool<()>>::new().capacity(1).queue(1).options;
        Self(Dispatcher::new(
            options,
            Box::new(|mut worker| {
                thread::spawn(move || {
                    worker.begin_work();
                    worker.next(&mut None);
                });
                Ok(())
            }),
        ))
    }
}

impl Abandoned {
    /// Whether the job was accepted.
    pub fn try_submit(&self) -> bool {
        self.0.offer(Carried::new(())).is_ok()
    }

    pub fn wait_idle(&self) {
        block_on(&mut until(&self.0, End::Idle), None);
    }

    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}
