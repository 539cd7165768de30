//! A task of a gather with its report, which learns the name of the task as that goes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::named;
use crate::panic::caught;
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
        fn drop(this: Pin<&mut Self>) {
            this.gone();
        }
    }
}

impl<F, T, E> Reported<F, T, E> {
    pub(crate) fn new(task: F, report: Unsent<T, E>) -> Self {
        let task = Some(task);
        Self { task, report }
    }

    /// Drops what is left of the task: the report, to be sent.
    pub(crate) fn gone(self: Pin<&mut Self>) -> &mut Unsent<T, E> {
        let mut this = self.project();
        if this.task.is_some() {
            let ((), name) = named::drops(|| this.task.set(None));
            this.report.name_it(name);
        }
        this.report
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
        self.gone();
        Poll::Ready(outcome)
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
