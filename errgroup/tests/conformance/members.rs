//! What both kinds of groups offer, and how a body is run over each.

use std::time::Instant;

use errgroup::{Group, Handle, Scope, Stats, scope};
use tokio::runtime::{Builder, Handle as Runtime};
use tokio::task::block_in_place;

pub(crate) type Task = Box<dyn FnOnce(&dyn Members) -> Result<(), String> + Send>;

/// What both kinds offer.
pub(crate) trait Members {
    fn spawn(&self, task: Task);
    /// Whether there was a slot.
    fn try_spawn(&self, task: Task) -> bool;
    /// Whether it was spawned.
    fn spawn_wait(&self, task: Task) -> bool;
    fn cancel(&self);
    fn is_cancelled(&self) -> bool;
    fn wait_cancelled(&self);
    fn cause(&self) -> Option<String>;
    fn set_limit(&self, limit: usize);
    fn set_backlog(&self, tasks: usize);
    fn stats(&self) -> Stats;
}

impl Members for Handle<String> {
    fn spawn(&self, task: Task) {
        let handle = self.clone();
        Handle::spawn(self, async move { task(&handle) });
    }

    fn try_spawn(&self, task: Task) -> bool {
        let handle = self.clone();
        Handle::try_spawn(self, async move { task(&handle) }).is_ok()
    }

    fn spawn_wait(&self, task: Task) -> bool {
        let handle = self.clone();
        let spawned = Handle::spawn_wait(self, async move { task(&handle) });
        block_in_place(|| Runtime::current().block_on(spawned)).is_ok()
    }

    fn cancel(&self) {
        Handle::cancel(self);
    }

    fn is_cancelled(&self) -> bool {
        Handle::is_cancelled(self)
    }

    fn wait_cancelled(&self) {
        block_in_place(|| Runtime::current().block_on(self.cancelled()));
    }

    fn cause(&self) -> Option<String> {
        self.with_cause(ToString::to_string)
    }

    fn set_limit(&self, limit: usize) {
        Handle::set_limit(self, limit);
    }

    fn set_backlog(&self, tasks: usize) {
        Handle::set_backlog(self, tasks);
    }

    fn stats(&self) -> Stats {
        Handle::stats(self)
    }
}

impl Members for Scope<'_, '_, String> {
    fn spawn(&self, task: Task) {
        let scope = self.clone();
        Scope::spawn(self, move || task(&scope));
    }

    fn try_spawn(&self, task: Task) -> bool {
        let scope = self.clone();
        Scope::try_spawn(self, move || task(&scope)).is_ok()
    }

    fn spawn_wait(&self, task: Task) -> bool {
        let scope = self.clone();
        Scope::spawn_wait(self, move || task(&scope)).is_ok()
    }

    fn cancel(&self) {
        Scope::cancel(self);
    }

    fn is_cancelled(&self) -> bool {
        Scope::is_cancelled(self)
    }

    fn wait_cancelled(&self) {
        Scope::wait_cancelled(self);
    }

    fn cause(&self) -> Option<String> {
        self.with_cause(ToString::to_string)
    }

    fn set_limit(&self, limit: usize) {
        Scope::set_limit(self, limit);
    }

    fn set_backlog(&self, tasks: usize) {
        Scope::set_backlog(self, tasks);
    }

    fn stats(&self) -> Stats {
        Scope::stats(self)
    }
}

/// Runs `body` beside its tasks, and waits for them.
pub(crate) type Run = fn(&dyn Fn(&dyn Members)) -> Result<(), String>;

/// With more workers than any test has tasks that block, however many processors there
/// are.
fn runtime() -> tokio::runtime::Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(4).enable_time().build().unwrap()
}

pub(crate) fn on_tasks(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    let runtime = runtime();
    let _entered = runtime.enter();
    let group = Group::new();
    body(&group.handle());
    runtime.block_on(group.wait())
}

pub(crate) fn on_threads(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        body(scope);
        Ok(())
    })
}

pub(crate) fn due_tasks(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    let runtime = runtime();
    let _entered = runtime.enter();
    let group = Group::new().deadline(tokio::time::Instant::now(), "late".to_owned());
    body(&group.handle());
    runtime.block_on(group.wait())
}

pub(crate) fn due_threads(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        scope.deadline(Instant::now(), "late".to_owned());
        body(scope);
        Ok(())
    })
}

pub(crate) fn caught_on_tasks(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    let runtime = runtime();
    let _entered = runtime.enter();
    let group = Group::new().panics_as_errors(|panic| panic.to_string());
    body(&group.handle());
    runtime.block_on(group.wait())
}

pub(crate) fn caught_on_threads(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        scope.panics_as_errors(|panic| panic.to_string());
        body(scope);
        Ok(())
    })
}
