//! Any future as a job, in the job itself if it is [small](Room).

use std::any::TypeId;
use std::future::Future;
use std::marker::{PhantomData, PhantomPinned};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::handle::Report;
use crate::outcome::Outcome;
use crate::panic;
use crate::permits::Permit;
use crate::room::Room;
use crate::span::Name;

/// What a job is made of.
pub(super) trait Work: Future<Output = Outcome> + Send + 'static {
    /// Is dropped, to make room for another.
    fn displace(self);
}

/// What is done to a future of one type, wherever it lies.
struct Kind {
    /// Polls the future in its room, which is pinned from then on.
    poll: unsafe fn(&mut Room, &mut Context<'_>) -> Poll<Outcome>,
    /// Drops the future in its room.
    drop: unsafe fn(&mut Room),
    /// Moves the future out of its room, and drops it to make room for another.
    displace: unsafe fn(&mut Room),
    id: fn() -> TypeId,
}

/// A future that can be taken back as what it was, until it is pinned to run.
///
/// The room holds an `F`, where `kind` is that of `F`, until it is moved out,
/// which uses up the job.
pub(super) struct Job {
    kind: &'static Kind,
    room: Room,
    /// As the future, which lies in the room or in its box.
    _pinned: PhantomPinned,
    /// Neither `Sync` nor more than `Send`, as a box of the future.
    _work: PhantomData<Box<dyn Future<Output = Outcome> + Send>>,
}

struct Of<F>(PhantomData<F>);

impl<F: Work> Of<F> {
    const KIND: &'static Kind = &Kind {
        // SAFETY: whoever calls these answers for the future in the room, and for
        // the room: that it stays where it is once the future was polled.
        poll: |room, cx| unsafe { Pin::new_unchecked(room.get::<F>()) }.poll(cx),
        // SAFETY: as above; it is dropped where it lies.
        drop: |room| unsafe { room.clear::<F>() },
        // SAFETY: as above; it was not polled.
        displace: |room| unsafe { room.take::<F>() }.displace(),
        id: TypeId::of::<F>,
    };
}

impl Job {
    #[inline]
    pub(super) fn new<F: Work>(work: F) -> Self {
        Self {
            kind: Of::<F>::KIND,
            room: Room::of(work),
            _pinned: PhantomPinned,
            _work: PhantomData,
        }
    }

    /// Drops the future, to make room for another.
    pub(super) fn displace(self) {
        let mut taken = ManuallyDrop::new(self);
        // SAFETY: the kind is that of the future in the room, which was not polled,
        // as a job that was is pinned and not here by value; `taken` does not drop it.
        unsafe { (taken.kind.displace)(&mut taken.room) };
    }

    /// The future this was made of.
    pub(super) fn into_inner<F: 'static>(self) -> F {
        assert!(
            (self.kind.id)() == TypeId::of::<F>(),
            "a rejected job is the submitted one"
        );
        let mut taken = ManuallyDrop::new(self);
        // SAFETY: as in `displace`; the future is an `F`, as was just seen.
        unsafe { taken.room.take() }
    }
}

impl Future for Job {
    type Output = Outcome;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        // SAFETY: nothing is moved out of it here.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: the kind is that of the future in the room; the room is pinned with
        // the job, which is not `Unpin`, and so is the future until it is dropped.
        unsafe { (this.kind.poll)(&mut this.room, cx) }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // SAFETY: the kind is that of the future in the room; who moves it out
        // keeps this from running.
        unsafe { (self.kind.drop)(&mut self.room) };
    }
}

pin_project! {
    /// A future as it was submitted.
    pub(super) struct Plain<F> {
        #[pin]
        pub(super) future: F,
    }
}

impl<F: Future<Output = ()>> Future for Plain<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.project().future.poll(cx).map(|()| Outcome::Ran)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Work for Plain<F> {
    fn displace(self) {}
}

pin_project! {
    /// One of the others with a name.
    pub(super) struct Named<W> {
        #[pin]
        pub(super) work: W,
        pub(super) name: Name,
    }
}

impl<W: Work> Future for Named<W> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        let (work, name) = (this.work, this.name);
        match catch_unwind(AssertUnwindSafe(|| name.run(|| work.poll(cx)))) {
            Ok(polled) => polled.map(|outcome| outcome.of(name.job)),
            Err(payload) => Poll::Ready(Outcome::NamedPanicked(name.job, payload)),
        }
    }
}

impl<W: Work> Work for Named<W> {
    fn displace(self) {
        self.work.displace();
    }
}

pin_project! {
    /// One of the others that has a place of a sub-pool, until it has ended and is counted, or
    /// is dropped before.
    pub(super) struct Limited<W> {
        // In the order of their drops: the place is free once the work is gone.
        #[pin]
        work: Option<W>,
        permit: Option<Permit>,
    }
}

impl<W: Work> Limited<W> {
    pub(super) fn new(work: W, permit: Permit) -> Self {
        let (work, permit) = (Some(work), Some(permit));
        Self { work, permit }
    }

    /// What it was made of.
    pub(super) fn into_work(self) -> W {
        self.work.expect("it was not polled")
    }
}

impl<W: Work> Future for Limited<W> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let work = this.work.as_mut().as_pin_mut().expect("it ends once");
            let outcome = ready!(work.poll(cx));
            // Here, as its drop may panic, which must not take the place along.
            this.work.set(None);
            Poll::Ready(outcome)
        }));
        let outcome = match polled {
            Ok(polled) => ready!(polled),
            Err(payload) => {
                panic::contain(|| this.work.set(None));
                Outcome::Panicked(Some(payload))
            }
        };
        let permit = this.permit.take().expect("it ends once");
        Poll::Ready(outcome.limited(permit))
    }
}

impl<W: Work> Work for Limited<W> {
    fn displace(self) {
        if let Some(work) = self.work {
            work.displace();
        }
    }
}

pin_project! {
    /// A future whose end is told to a handle.
    pub(super) struct Tracked<F, R> {
        #[pin]
        pub(super) future: F,
        pub(super) report: Report<R>,
    }
}

impl<F: Future> Future for Tracked<F, F::Output> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let this = self.project();
        if let Err(called_off) = this.report.run(Some(cx.waker())) {
            return Poll::Ready(called_off);
        }
        let polled = catch_unwind(AssertUnwindSafe(|| this.future.poll(cx)));
        let result = match polled {
            Ok(polled) => Ok(ready!(polled)),
            Err(payload) => Err(payload),
        };
        Poll::Ready(this.report.end(result))
    }
}

impl<F> Work for Tracked<F, F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn displace(self) {
        self.report.displaced();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::Waker;

    use super::*;

    async fn yields_once() {
        let mut yielded = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut yielded, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Futures that fit and that are too large, each with a share of what it holds.
    fn each_way(check: impl Fn(Job, &Arc<()>)) {
        let held = Arc::new(());
        let (small, large, room) = (Arc::clone(&held), Arc::clone(&held), [7usize; 12]);
        check(
            Job::new(Plain {
                future: async move { drop(small) },
            }),
            &held,
        );
        check(
            Job::new(Plain {
                future: async move {
                    yields_once().await;
                    assert_eq!(room[11], 7);
                    drop(large);
                },
            }),
            &held,
        );
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn a_job_runs_to_its_end_wherever_its_future_lies() {
        each_way(|job, held| {
            let shares = Arc::strong_count(held);
            let mut cx = Context::from_waker(Waker::noop());
            // Wherever it is moved to before.
            let job = Box::new(job);
            let mut job = pin!(*job);
            while job.as_mut().poll(&mut cx).is_pending() {}
            assert_eq!(Arc::strong_count(held), shares - 1);
        });
    }

    #[test]
    fn a_job_that_is_dropped_before_or_after_a_poll_drops_its_future() {
        each_way(|job, _held| drop(job));
        each_way(|job, _held| {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = pin!(job).poll(&mut cx);
        });
        each_way(|job, _held| job.displace());
    }

    #[test]
    fn a_future_comes_back_as_it_was() {
        fn there_and_back<F: Future<Output = ()> + Send + 'static>(future: F) -> F {
            Job::new(Plain { future }).into_inner::<Plain<F>>().future
        }
        let room = [2usize; 12];
        let back = pin!(there_and_back(async move { assert_eq!(room[3], 2) }));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(back.poll(&mut cx).is_ready());
    }

    #[test]
    #[should_panic(expected = "the submitted one")]
    fn a_job_is_not_given_out_as_something_else() {
        let job = Job::new(Plain { future: async {} });
        let Plain { future: _ } = job.into_inner::<Plain<std::future::Ready<()>>>();
    }
}
