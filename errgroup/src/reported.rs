//! A task of a gather with its report, which learns the name of the task as that goes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::named;
use crate::panic::{Panic, caught};
use crate::report::{Outcome, Unsent};

pin_project_lite::pin_project! {
    /// A task that is polled, or a job that is called, and what will be told of it,
    /// whatever becomes of it.
    pub(crate) struct Reported<F, T, E> {
        // None once it is gone.
        #[pin]
        task: Option<F>,
        pub(crate) report: Unsent<T, E>,
    }

    impl<F, T, E> PinnedDrop for Reported<F, T, E> {
        fn drop(mut this: Pin<&mut Self>) {
            if let Err(panic) = this.as_mut().drop_task() {
                this.project().report.send(Outcome::Panicked(panic));
            }
        }
    }
}

impl<F, T, E> Reported<F, T, E> {
    pub(crate) fn new(task: F, report: Unsent<T, E>) -> Self {
        let task = Some(task);
        Self { task, report }
    }

    /// Drops what is left of the task, which has come to `outcome`: the report, to be sent,
    /// and what to send.
    pub(crate) fn end(
        mut self: Pin<&mut Self>,
        outcome: Outcome<T, E>,
    ) -> (Outcome<T, E>, &mut Unsent<T, E>) {
        let outcome = match (self.as_mut().drop_task(), outcome) {
            // The first panic is the one that is told.
            (Ok(()), outcome) | (Err(_), outcome @ Outcome::Panicked(_)) => outcome,
            (Err(panic), _) => Outcome::Panicked(panic),
        };
        (outcome, self.project().report)
    }

    fn drop_task(self: Pin<&mut Self>) -> Result<(), Panic> {
        let mut this = self.project();
        if this.task.is_none() {
            return Ok(());
        }
        let (dropped, name) = named::drops(|| caught(|| this.task.set(None)));
        this.report.name_it(name);
        dropped
    }

    /// The task until it has ended, when it is gone.
    pub(crate) fn poll_outcome(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome<T, E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let this = self.as_mut().project();
        this.report.start();
        let mut task = this.task;
        let ended = caught(|| {
            let task = task.as_mut().as_pin_mut();
            task.expect("not ready before").poll(cx)
        });
        let outcome = match ended {
            Ok(polled) => Outcome::of(Ok(ready!(polled))),
            Err(panic) => Outcome::of(Err(panic)),
        };
        Poll::Ready(self.end(outcome).0)
    }

    /// The job, done.
    pub(crate) fn call(&mut self) -> Outcome<T, E>
    where
        F: FnOnce() -> Result<T, E>,
    {
        self.report.start();
        let job = self.task.take().expect("not called before");
        let (ended, name) = named::calls(|| caught(job));
        self.report.name_it(name);
        Outcome::of(ended)
    }
}
