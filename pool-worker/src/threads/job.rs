//! Any closure as a job, in the job itself if it is [small](Room).

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::handle::Report;
use crate::outcome::Outcome;
use crate::permits::Permit;
use crate::room::Room;
use crate::span::Name;

/// What a job is made of.
pub(super) trait Work: Send + 'static {
    fn run(self) -> Outcome;

    /// Is dropped, to make room for another.
    fn displace(self);
}

/// A closure as it was submitted.
pub(super) struct Plain<F>(pub(super) F);

impl<F: FnOnce() + Send + 'static> Work for Plain<F> {
    #[inline]
    fn run(self) -> Outcome {
        (self.0)();
        Outcome::Ran
    }

    fn displace(self) {}
}

/// One of the others with a name.
pub(super) struct Named<W> {
    pub(super) work: W,
    pub(super) name: Name,
}

impl<W: Work> Work for Named<W> {
    fn run(self) -> Outcome {
        let Self { work, mut name } = self;
        match catch_unwind(AssertUnwindSafe(|| name.run(|| work.run()))) {
            Ok(outcome) => outcome.of(name.job),
            Err(payload) => Outcome::NamedPanicked(name.job, payload),
        }
    }

    fn displace(self) {
        self.work.displace();
    }
}

/// One of the others that has a place of a sub-pool, until it has ended and is counted.
pub(super) struct Limited<W> {
    // In the order of their drops: the place is free once the work is gone.
    pub(super) work: W,
    pub(super) permit: Permit,
}

impl<W: Work> Work for Limited<W> {
    fn run(self) -> Outcome {
        let Self { work, permit } = self;
        let outcome = match catch_unwind(AssertUnwindSafe(|| work.run())) {
            Ok(outcome) => outcome,
            Err(payload) => Outcome::Panicked(Some(payload)),
        };
        outcome.limited(permit)
    }

    fn displace(self) {
        self.work.displace();
    }
}

/// A closure whose end is told to a handle.
pub(super) struct Tracked<F, R> {
    pub(super) closure: F,
    pub(super) report: Report<R>,
}

impl<F, R> Work for Tracked<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    fn run(self) -> Outcome {
        if let Err(called_off) = self.report.run(None) {
            return called_off;
        }
        let result = catch_unwind(AssertUnwindSafe(self.closure));
        self.report.end(result)
    }

    fn displace(self) {
        self.report.displaced();
    }
}

/// What is done to a closure of one type, wherever it lies.
struct Kind {
    /// Moves the closure out of its room and runs it.
    run: unsafe fn(&mut Room) -> Outcome,
    /// Drops the closure in its room.
    drop: unsafe fn(&mut Room),
    /// The same, and tells why.
    displace: unsafe fn(&mut Room),
    id: fn() -> TypeId,
}

/// Of a room whose closure was moved out.
static SPENT: Kind = Kind {
    run: |_empty| Outcome::Ran,
    drop: |_empty| (),
    displace: |_empty| (),
    id: TypeId::of::<()>,
};

/// A closure that can be taken back as what it was.
///
/// The room holds an `F`, where `kind` is that of `F`; until it is moved out,
/// which uses up the job or leaves it [spent](SPENT).
pub(super) struct Job {
    kind: &'static Kind,
    room: Room,
    /// Neither `Sync` nor more than `Send`, as a `Box<dyn FnOnce() + Send>`.
    _closure: PhantomData<Box<dyn FnOnce() + Send>>,
}

/// A job without its drop glue: whoever has it answers for the closure.
type Taken = ManuallyDrop<Job>;

struct Of<F>(PhantomData<F>);

impl<F: Work> Of<F> {
    const KIND: &'static Kind = &Kind {
        // SAFETY: whoever calls these answers for the closure in the room.
        run: |room| unsafe { room.take::<F>() }.run(),
        // SAFETY: as above.
        drop: |room| unsafe { room.clear::<F>() },
        // SAFETY: as above.
        displace: |room| unsafe { room.take::<F>() }.displace(),
        id: TypeId::of::<F>,
    };
}

impl Job {
    #[inline]
    pub(super) fn new<F: Work>(closure: F) -> Self {
        Self {
            kind: Of::<F>::KIND,
            room: Room::of(closure),
            _closure: PhantomData,
        }
    }

    /// Runs the closure out of the room where it lies. A second time there is
    /// nothing left to run.
    #[inline]
    pub(super) fn run(&mut self) -> Outcome {
        let kind = mem::replace(&mut self.kind, &SPENT);
        // SAFETY: the kind is that of the closure in the room, which is still
        // there; as it is no longer the job's, nobody uses it after this.
        unsafe { (kind.run)(&mut self.room) }
    }

    /// Drops the closure, to make room for another.
    pub(super) fn displace(mut self) {
        let kind = mem::replace(&mut self.kind, &SPENT);
        // SAFETY: as in `run`.
        unsafe { (kind.displace)(&mut self.room) };
    }

    /// The closure this was made of.
    pub(super) fn into_inner<F: 'static>(self) -> F {
        assert!(
            (self.kind.id)() == TypeId::of::<F>(),
            "a rejected job is the submitted one"
        );
        let mut taken = Taken::new(self);
        // SAFETY: the closure in the room is an `F`, as was just seen, and
        // `Taken` does not drop it again.
        unsafe { taken.room.take() }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Spares the call, most often.
        if !std::ptr::eq(self.kind, &raw const SPENT) {
            // SAFETY: the kind is that of the closure in the room; who moves
            // it out keeps this from running, or leaves the job spent.
            unsafe { (self.kind.drop)(&mut self.room) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    /// Closures that fit, that are too large, and that are aligned too much.
    fn each_way(check: impl Fn(Job, &Arc<AtomicUsize>)) {
        #[repr(align(64))]
        struct Aligned(u8);

        let ran = Arc::new(AtomicUsize::new(0));
        let (small, large, aligned) = (Arc::clone(&ran), Arc::clone(&ran), Arc::clone(&ran));
        let (room, wide) = ([1usize; 12], Aligned(1));
        check(
            Job::new(Plain(move || _ = small.fetch_add(1, Relaxed))),
            &ran,
        );
        check(
            Job::new(Plain(move || _ = large.fetch_add(room[11], Relaxed))),
            &ran,
        );
        check(
            Job::new(Plain(move || {
                let wide = &wide;
                assert!(std::ptr::from_ref(wide).addr().is_multiple_of(64));
                aligned.fetch_add(wide.0.into(), Relaxed);
            })),
            &ran,
        );
        assert_eq!(Arc::strong_count(&ran), 1);
    }

    #[test]
    fn a_job_runs_once_wherever_it_lies() {
        each_way(|job, ran| {
            let before = ran.load(Relaxed);
            // Wherever it is moved to.
            let mut job = Box::new(job);
            job.run();
            assert_eq!(ran.load(Relaxed), before + 1);
            job.run();
            drop(job);
            assert_eq!(ran.load(Relaxed), before + 1);
        });
    }

    #[test]
    fn a_job_that_is_dropped_drops_its_closure_and_does_not_run() {
        each_way(|job, ran| {
            drop(job);
            assert_eq!(ran.load(Relaxed), 0);
        });
    }

    #[test]
    fn a_closure_comes_back_as_it_was() {
        fn there_and_back<F: FnOnce() + Send + 'static>(closure: F) -> F {
            Job::new(Plain(closure)).into_inner::<Plain<F>>().0
        }
        let ran = Arc::new(AtomicUsize::new(0));
        let (small, large) = (Arc::clone(&ran), Arc::clone(&ran));
        let room = [2usize; 12];
        there_and_back(move || _ = small.fetch_add(1, Relaxed))();
        there_and_back(move || _ = large.fetch_add(room[0], Relaxed))();
        assert_eq!((ran.load(Relaxed), Arc::strong_count(&ran)), (3, 1));
    }

    #[test]
    #[should_panic(expected = "the submitted one")]
    fn a_job_is_not_given_out_as_something_else() {
        fn back_as<F: FnOnce() + Send + 'static>(job: Job, _other: &F) -> F {
            job.into_inner::<Plain<F>>().0
        }
        back_as(Job::new(Plain(|| ())), &|| println!("something else"))();
    }

    #[test]
    fn a_closure_that_panics_is_dropped_once() {
        let held = Arc::new(());
        let inside = Arc::clone(&held);
        let mut job = Job::new(Plain(move || {
            let _inside = inside;
            panic!("as intended");
        }));
        let run = std::panic::AssertUnwindSafe(|| job.run());
        assert!(std::panic::catch_unwind(run).is_err());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
