//! The workers of a pooled service, and who of those that wait is next.

use std::time::Duration;

use pool_worker::overload::{Class, ControlStats, Level, Unserved, WhyUnserved};
use pool_worker::tasks::{ControlledPool, FuncPool};
use pool_worker::{CloseError, DelaySnapshot};

use super::failure::Failure;
use super::handle_param::{self, HandleParam, Param};
use super::service::{Dispatch, PoolOptions};
use super::stats::PoolLoad;
use crate::urgency;
use crate::wire::Code;

pub(super) enum Workers {
    /// First come, first served.
    InOrder(FuncPool<Param>),
    /// By priority and delay. Knows so from the head of a request, which is decoded
    /// once more for it.
    Controlled(ControlledPool<Param>),
}

impl Workers {
    /// None for a service that is handled in line.
    pub(super) fn new(name: &str, dispatch: Dispatch) -> Option<Self> {
        match dispatch {
            Dispatch::Inline => None,
            Dispatch::Pooled(PoolOptions { capacity, queue }) => {
                let builder = FuncPool::builder().name(name);
                let builder = builder.capacity(capacity).queue(queue);
                Some(Self::InOrder(builder.build(handle_param::handle)))
            }
            Dispatch::Controlled(PoolOptions { capacity, queue }, control) => {
                let builder = ControlledPool::builder().name(name);
                let builder = builder.capacity(capacity).queue(queue);
                let pool = builder.build(control, handle_param::handle, turn_away);
                Some(Self::Controlled(pool))
            }
        }
    }

    /// Hands a request over, or tells its caller that there is no place for it.
    pub(super) fn hand_over(&self, param: Param) {
        let submitted = match self {
            Self::InOrder(pool) => pool.try_submit(param),
            Self::Controlled(pool) => pool.submit(param.class(), param),
        };
        if let Err(rejected) = submitted {
            let message = rejected.reason().to_string();
            let failure = Failure::framework(Code::SERVER_OVERLOAD, message);
            rejected.into_job().refuse(failure);
        }
    }

    pub(super) fn delay(&self) -> DelaySnapshot {
        match self {
            Self::InOrder(pool) => pool.delay(),
            Self::Controlled(pool) => pool.delay(),
        }
    }

    pub(super) fn load(&self) -> PoolLoad {
        let (queued, running, capacity) = match self {
            Self::InOrder(pool) => {
                let stats = pool.stats();
                (stats.queued, stats.running, stats.capacity)
            }
            Self::Controlled(pool) => {
                let stats = pool.stats().total;
                (stats.queued, stats.running, stats.capacity)
            }
        };
        PoolLoad {
            queued,
            running,
            capacity,
        }
    }

    pub(super) fn control(&self) -> Option<ControlStats> {
        match self {
            Self::InOrder(_) => None,
            Self::Controlled(pool) => Some(pool.stats()),
        }
    }

    /// What is let in; what is less urgent is refused.
    #[inline]
    pub(super) fn admitted(&self) -> Level {
        match self {
            Self::InOrder(_) => Level::ALL,
            Self::Controlled(pool) => pool.level(),
        }
    }

    pub(super) async fn close(&self, limit: Duration) -> Result<(), CloseError> {
        match self {
            Self::InOrder(pool) => pool.close(limit).await,
            Self::Controlled(pool) => pool.close(limit).await,
        }
    }
}

/// Tells the caller why its request was accepted and is not handled after all.
fn turn_away(mut unserved: Unserved<Param>) {
    let code = match unserved.why {
        WhyUnserved::Expired => match unserved.job.head() {
            Some((_, until)) => until.over().code,
            None => Code::SERVER_TIMEOUT,
        },
        _ => Code::SERVER_OVERLOAD,
    };
    let message = format!("{} after {:?}", unserved.why, unserved.delay);
    unserved.job.refuse(Failure::framework(code, message));
}

impl HandleParam {
    /// Of one that cannot be decoded it does not matter.
    fn class(&self) -> Class {
        let Some((head, until)) = self.head() else {
            return Class::new();
        };
        urgency::class_of(&head.trans_info, &head.caller).deadline(until.at.into_std())
    }
}
