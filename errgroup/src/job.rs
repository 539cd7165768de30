//! A boxed task, and how its box is used again.
//!
//! The thread that spawns would allocate each box and the threads that run would
//! free it: the dearest way through an allocator, and for a small task as much as a
//! third of all it costs. So the box of a task that is done waits, empty, for the
//! next task of the same type.

use std::any::Any;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use crossbeam_queue::ArrayQueue;

/// A task that can wait for a slot.
pub(crate) type Job<E> = Pin<Box<dyn Boxed<E>>>;

/// A task, or the room for one of its type.
pub(crate) trait Boxed<E>: Future<Output = Result<(), E>> + Send {
    /// Drops the task. Not to be polled until there is another one.
    fn empty(self: Pin<&mut Self>);

    /// Takes the task out of `task` if that is an `Option` of this one's type.
    fn refill(self: Pin<&mut Self>, task: &mut dyn Any) -> bool;
}

pin_project_lite::pin_project! {
    struct Room<F> {
        #[pin]
        task: Option<F>,
    }
}

impl<F: Future> Future for Room<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let task = self.project().task.as_pin_mut();
        task.expect("an empty box is not polled").poll(cx)
    }
}

impl<F, E> Boxed<E> for Room<F>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    fn empty(self: Pin<&mut Self>) {
        self.project().task.set(None);
    }

    fn refill(self: Pin<&mut Self>, task: &mut dyn Any) -> bool {
        let Some(task) = task.downcast_mut::<Option<F>>() else {
            return false;
        };
        self.project().task.set(task.take());
        true
    }
}

/// Empty boxes that a group keeps.
const MOST_SPARE: usize = 64;
/// Bytes of the largest box that is kept.
const LARGEST_SPARE: usize = 1024;
/// A group that has had no more tasks than this keeps none: room for them costs more than
/// the boxes.
const FEW: usize = 4;

/// The empty boxes of a group, for whoever spawns next.
pub(crate) struct Spares<E> {
    boxes: OnceLock<ArrayQueue<Job<E>>>,
    /// Tasks so far, about, as long as they are few.
    tasks: AtomicUsize,
}

impl<E: 'static> Spares<E> {
    pub(crate) const fn new() -> Self {
        Self {
            boxes: OnceLock::new(),
            tasks: AtomicUsize::new(0),
        }
    }

    /// Boxes a task, in a spare box if it was of a task of this type.
    #[inline]
    pub(crate) fn pin<F>(&self, task: F) -> Job<E>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let mut task = Some(task);
        match self.boxes.get() {
            Some(boxes) => {
                if let Some(mut spare) = boxes.pop()
                    && spare.as_mut().refill(&mut task)
                {
                    return spare;
                }
            }
            None => self.count_task(),
        }
        Box::pin(Room { task })
    }

    #[inline]
    fn count_task(&self) {
        let tasks = self.tasks.load(Relaxed);
        if tasks <= FEW {
            self.tasks.store(tasks + 1, Relaxed);
        }
    }

    /// Keeps the box of a task that is gone.
    #[inline]
    pub(crate) fn keep(&self, empty: Job<E>) {
        if size_of_val(&*empty) > LARGEST_SPARE || self.tasks.load(Relaxed) <= FEW {
            return;
        }
        // Only now: as long as no task is done, who spawns has nowhere to look.
        let boxes = self.boxes.get_or_init(|| ArrayQueue::new(MOST_SPARE));
        // There are enough of them if it does not go in.
        let _ = boxes.push(empty);
    }

    /// Frees them: handles may outlive the group's end by long.
    pub(crate) fn clear(&self) {
        while self.boxes.get().is_some_and(|boxes| boxes.pop().is_some()) {}
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.boxes.get().map_or(0, ArrayQueue::len)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;
    use std::task::Waker;

    use super::*;

    fn address<E>(job: &Job<E>) -> *const () {
        std::ptr::from_ref(&**job).cast()
    }

    /// Of a group that has had so many tasks that boxes are kept.
    fn spares<E: 'static + Send>() -> Spares<E> {
        let spares = Spares::new();
        for _ in 0..=FEW {
            let mut job = spares.pin(pending());
            job.as_mut().empty();
            assert_eq!(spares.count(), 0);
        }
        spares
    }

    /// A task of one type, whatever it holds.
    async fn task(held: Arc<u32>) -> Result<(), u32> {
        Err(*held)
    }

    fn end_of(job: &mut Job<u32>) -> Poll<Result<(), u32>> {
        job.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_box_is_used_again_by_a_task_of_its_type_and_holds_nothing_meanwhile() {
        let spares = spares();
        let held = Arc::new(7);
        let mut job = spares.pin(task(Arc::clone(&held)));
        let first = address(&job);
        assert_eq!(end_of(&mut job), Poll::Ready(Err(7)));
        job.as_mut().empty();
        assert_eq!(Arc::strong_count(&held), 1);
        spares.keep(job);

        let mut again = spares.pin(task(Arc::new(8)));
        assert_eq!(address(&again), first);
        assert_eq!(end_of(&mut again), Poll::Ready(Err(8)));
    }

    #[test]
    fn a_task_of_another_type_gets_a_box_of_its_own() {
        let spares = spares();
        let mut job = spares.pin(pending());
        job.as_mut().empty();
        spares.keep(job);
        let mut other = spares.pin(ready(Err(9)));
        assert_eq!(end_of(&mut other), Poll::Ready(Err(9)));
    }

    #[test]
    fn a_large_box_is_not_kept_and_the_rest_is_bounded() {
        let spares = spares::<u32>();
        let large = [0_u8; LARGEST_SPARE + 1];
        let mut job = spares.pin(async move { Err(large.len() as u32) });
        job.as_mut().empty();
        spares.keep(job);
        assert_eq!(spares.count(), 0);

        let jobs: Vec<_> = (0..MOST_SPARE + 5).map(|_| spares.pin(pending())).collect();
        for mut job in jobs {
            job.as_mut().empty();
            spares.keep(job);
        }
        assert_eq!(spares.count(), MOST_SPARE);
        spares.clear();
        assert_eq!(spares.count(), 0);
    }
}
