//! A runner of a scope: a thread that holds one slot and runs job after job in it.

use std::thread;

use crate::attempt;
use crate::current;
use crate::engine::Engine;
use crate::scope::{Job, Scope};
use crate::state::{Next, State};
use crate::word::{Asker, Was};

/// Looks for a task that a thread takes before it goes; a new thread costs more
/// than all of them.
const LOOKS: u8 = 64;

impl<'scope, E: Send + 'scope> Scope<'scope, '_, E> {
    /// Holds a slot, and runs task after task in it.
    fn run(&self) {
        // From one task to the next, too: `start_runner` asks.
        let _entered = current::enter(self.number());
        let state = &self.shared.state;
        let (mut was, mut looks) = (Was::New, LOOKS);
        loop {
            let asker = Asker {
                was,
                may_linger: looks > 0,
                makes_way: false,
            };
            let start = match state.next(asker) {
                Next::Run { job, start } => {
                    // Before the job, which may take long.
                    if start {
                        self.start_runner();
                    }
                    self.settle(attempt::call(job, self.number()));
                    (was, looks) = (Was::Busy, LOOKS);
                    continue;
                }
                Next::Grow => unreachable!("no thread makes way for another one"),
                Next::Linger => {
                    (was, looks) = (Was::Idle, looks - 1);
                    thread::yield_now();
                    continue;
                }
                Next::Gone { start } => start,
            };
            if !start {
                return;
            }
            // The slot given up comes back: a limit was raised meanwhile.
            (was, looks) = (Was::New, LOOKS);
        }
    }
}

impl<'scope, E: Send + 'scope> Engine for Scope<'scope, '_, E> {
    type Job = Job<'scope, E>;
    type Error = E;

    fn state(&self) -> &State<Self::Job, E> {
        &self.shared.state
    }

    fn escalate(&self) {
        self.shared.escalations.call();
    }

    fn start_runner(&self) {
        let runner = self.clone();
        let thread = thread::Builder::new().spawn_scoped(self.threads, move || runner.run());
        if thread.is_ok() {
            return;
        }
        // The system has no thread left. Whoever asked for one lends its own, so no
        // task is lost; one that runs tasks anyway comes for the next by itself.
        if current::is(self.number()) {
            self.shared.state.drop_runner(Was::New);
        } else {
            self.run();
        }
    }
}
