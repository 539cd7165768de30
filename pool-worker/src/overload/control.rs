//! What a pool is to do about overload.

use std::time::Duration;

use super::codel::Codel;
use super::dagor::Dagor;
use super::elastic::{Elastic, Size};
use super::schedule::Order;
use super::vegas::{Limit, Vegas};

/// What a pool is to do about overload; nothing at first.
///
/// Deadlines and priorities of jobs always count, see [`Class`](super::Class).
///
/// ```
/// use pool_worker::overload::{Codel, Control, Dagor};
/// use std::time::Duration;
///
/// let control = Control::new()
///     .codel(Codel::default())
///     .dagor(Dagor::default())
///     .ageing(Duration::from_millis(100));
/// # let _ = control;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "it does nothing until a pool is built with it"]
pub struct Control {
    pub(super) order: Order,
    pub(super) dagor: Option<Dagor>,
    sizing: Sizing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sizing {
    /// The capacity of the pool.
    #[default]
    Fixed,
    Elastic(Elastic),
    Vegas(Vegas),
}

impl Control {
    /// Jobs in order of their priority, and nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sheds what waited for too long in a queue that stands. Each priority is
    /// watched by itself, so the urgent ones are not shed for the others.
    pub fn codel(mut self, codel: Codel) -> Self {
        self.order.codel = Some(codel);
        self
    }

    /// Refuses those of least priority at the door, before they wait.
    pub fn dagor(mut self, dagor: Dagor) -> Self {
        self.dagor = Some(dagor);
        self
    }

    /// Has a priority that was passed over for so long count as the next higher
    /// one, and so on, so that none starves.
    pub fn ageing(mut self, step: Duration) -> Self {
        self.order.ageing = Some(step);
        self
    }

    /// Has the [keys](super::Class::key) of one priority take turns, by the cost of
    /// their jobs (deficit round robin), so that none takes more than its share
    /// while others wait; of the queue neither. Where that is full, a job of a key that
    /// has fewer of its priority there has the newest make room of the key that has most.
    pub fn fair(mut self) -> Self {
        self.order.fair = true;
        self
    }

    /// Has the newest jobs go first while the queue is overloaded, as CoDel sees it:
    /// those are the ones that somebody still waits for. Has no effect without
    /// [`codel`](Self::codel).
    pub fn newest_first(mut self) -> Self {
        self.order.newest_first = true;
        self
    }

    /// Has the number of workers follow the delay. In place of
    /// [`vegas`](Self::vegas), and of the [capacity](crate::Builder::capacity) that the
    /// pool is given. Workers beyond the core leave when they had no job for as long as
    /// [`Elastic::idle`] says, unless the pool has an
    /// [idle timeout](crate::Builder::idle_timeout) of its own.
    pub fn elastic(mut self, elastic: Elastic) -> Self {
        self.sizing = Sizing::Elastic(elastic);
        self
    }

    /// Has the number of workers follow what is behind the pool. In place of
    /// [`elastic`](Self::elastic), and of the [capacity](crate::Builder::capacity) that
    /// the pool is given.
    pub fn vegas(mut self, vegas: Vegas) -> Self {
        self.sizing = Sizing::Vegas(vegas);
        self
    }

    pub(super) fn sizer(&self) -> Option<Sizer> {
        match self.sizing {
            Sizing::Fixed => None,
            Sizing::Elastic(elastic) => Some(Sizer::Elastic(Size::new(elastic))),
            Sizing::Vegas(vegas) => Some(Sizer::Vegas(Limit::new(vegas))),
        }
    }

    /// The capacity to begin with, and the most, where they are not fixed.
    pub(crate) fn sizes(&self) -> Option<(usize, usize)> {
        match self.sizing {
            Sizing::Fixed => None,
            Sizing::Elastic(elastic) => Some(elastic.sizes()),
            Sizing::Vegas(vegas) => Some(vegas.sizes()),
        }
    }

    /// How long a worker stays that has no job, and how many stay for ever; none when
    /// that is for the pool to say.
    pub(crate) fn stays(&self) -> Option<(Duration, usize)> {
        match self.sizing {
            Sizing::Elastic(elastic) => Some(elastic.stays()),
            Sizing::Fixed | Sizing::Vegas(_) => None,
        }
    }
}

/// Who sets the number of workers.
#[derive(Debug)]
pub(super) enum Sizer {
    Elastic(Size),
    Vegas(Limit),
}

impl Sizer {
    pub(super) fn get(&self) -> usize {
        match self {
            Self::Elastic(size) => size.get(),
            Self::Vegas(limit) => limit.get(),
        }
    }

    /// So many run from now on, and a job waits, or waited, for so long.
    pub(super) fn delayed(&mut self, now: Duration, delay: Duration, running: usize) {
        if let Self::Elastic(size) = self {
            size.sample(now, delay, running);
        }
    }

    /// A job that ran to its end, as one of so many, took so long.
    pub(super) fn ended(&mut self, took: Duration, running: usize) {
        if let Self::Vegas(limit) = self {
            limit.sample(took, running);
        }
    }
}
