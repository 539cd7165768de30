//! What both kinds of groups offer, and how a body is run over each.

use std::pin::Pin;
use std::time::Instant;

use errgroup::{Group, Handle, Joined, Reason, Scope, Stats, scope};
use tokio::runtime::{Builder, Handle as Runtime};
use tokio::task::block_in_place;

pub(crate) type Valued = Box<dyn FnOnce() -> Result<u32, String> + Send>;
pub(crate) type Event = Pin<Box<dyn Future<Output = ()> + Send>>;
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
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool;
    fn reason(&self) -> Option<Reason>;
    fn error(&self) -> Option<String>;
    fn spawn_value(&self, task: Valued) -> Joined<u32>;
    fn on_cancel(&self, act: Box<dyn FnOnce() + Send>);
    /// Runs `body` beside the tasks of a child, whose failure escalates or not, and waits
    /// for them.
    fn child(&self, escalates: bool, body: &dyn Fn(&dyn Members)) -> Result<(), String>;
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

    fn len(&self) -> usize {
        Handle::len(self)
    }

    fn is_empty(&self) -> bool {
        Handle::is_empty(self)
    }

    fn reason(&self) -> Option<Reason> {
        Handle::reason(self)
    }

    fn error(&self) -> Option<String> {
        Handle::error(self)
    }

    fn spawn_value(&self, task: Valued) -> Joined<u32> {
        Handle::spawn_value(self, async { task() })
    }

    fn on_cancel(&self, act: Box<dyn FnOnce() + Send>) {
        Handle::on_cancel(self, act);
    }

    fn child(&self, escalates: bool, body: &dyn Fn(&dyn Members)) -> Result<(), String> {
        let mut child = Handle::child(self);
        if escalates {
            child = child.escalate_to(self);
        }
        body(&child.handle());
        block_in_place(|| Runtime::current().block_on(child.wait()))
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

    fn len(&self) -> usize {
        Scope::len(self)
    }

    fn is_empty(&self) -> bool {
        Scope::is_empty(self)
    }

    fn reason(&self) -> Option<Reason> {
        Scope::reason(self)
    }

    fn error(&self) -> Option<String> {
        Scope::error(self)
    }

    fn spawn_value(&self, task: Valued) -> Joined<u32> {
        Scope::spawn_value(self, task)
    }

    fn on_cancel(&self, act: Box<dyn FnOnce() + Send>) {
        Scope::on_cancel(self, act);
    }

    fn child(&self, escalates: bool, body: &dyn Fn(&dyn Members)) -> Result<(), String> {
        Scope::child(self, |child| {
            if escalates {
                child.escalate_to(self);
            }
            body(child);
            Ok(())
        })
    }
}

/// Runs `body` beside its tasks, and waits for them.
pub(crate) type Run = fn(&dyn Fn(&dyn Members)) -> Result<(), String>;

pub(crate) fn on_tasks(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    with_tasks(|group| group, body)
}

fn with_tasks(
    set_up: impl FnOnce(Group<String>) -> Group<String>,
    body: &dyn Fn(&dyn Members),
) -> Result<(), String> {
    // More workers than any test has tasks that block.
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let group = set_up(Group::new());
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
    let due = |group: Group<_>| group.deadline(tokio::time::Instant::now(), "late".to_owned());
    with_tasks(due, body)
}

pub(crate) fn due_threads(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        scope.deadline(Instant::now(), "late".to_owned());
        body(scope);
        Ok(())
    })
}

pub(crate) fn caught_on_tasks(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    with_tasks(
        |group| group.panics_as_errors(|panic| panic.to_string()),
        body,
    )
}

pub(crate) fn caught_on_threads(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        scope.panics_as_errors(|panic| panic.to_string());
        body(scope);
        Ok(())
    })
}

/// As `Run`, with an event that cancels.
pub(crate) type RunWith = fn(Event, &dyn Fn(&dyn Members)) -> Result<(), String>;

pub(crate) fn until_tasks(event: Event, body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    with_tasks(|group| group.cancel_when(event), body)
}

pub(crate) fn until_threads(event: Event, body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        scope.cancel_when(event);
        body(scope);
        Ok(())
    })
}

pub(crate) fn going_on_tasks(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    with_tasks(Group::go_on, body)
}

pub(crate) fn going_on_threads(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        scope.go_on();
        body(scope);
        Ok(())
    })
}

pub(crate) fn ignoring_tasks(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    with_tasks(Group::ignore_errors, body)
}

pub(crate) fn ignoring_threads(body: &dyn Fn(&dyn Members)) -> Result<(), String> {
    scope(|scope| {
        scope.ignore_errors();
        body(scope);
        Ok(())
    })
}
