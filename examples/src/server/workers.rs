//! The workers of a pooled service, and who of those that wait is next.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use pool_worker::overload::{Class, ControlStats, Unserved, WhyUnserved};
use pool_worker::tasks::{ControlledPool, FuncPool};
use pool_worker::{CloseError, DelaySnapshot};
use rustc_hash::FxHasher;

use super::failure::Failure;
use super::handle_param::{self, HandleParam, Param};
use super::service::{Dispatch, PoolOptions};
use super::stats::PoolLoad;
use crate::wire::{Code, RequestProtocol};

/// What a caller sends along (`trans_info`) to say how urgent its request is: a
/// number from 0 on, the most urgent. The least urgent when nothing is said.
pub const PRIORITY: &str = "priority";
/// And for which user it is: any bytes. The caller's name when nothing is said.
pub const USER: &str = "user";

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
                let stats = pool.stats();
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
        WhyUnserved::Expired => Code::SERVER_TIMEOUT,
        _ => Code::SERVER_OVERLOAD,
    };
    let message = format!("{} after {:?}", unserved.why, unserved.delay);
    unserved.job.refuse(Failure::framework(code, message));
}

/// How urgent a request is by what its caller says.
fn class_of(head: &RequestProtocol) -> Class {
    let told = |key: &str| head.trans_info.get(key).map(|value| &value[..]);
    let priority = told(PRIORITY).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let mut hasher = FxHasher::default();
    told(USER).unwrap_or(&head.caller).hash(&mut hasher);
    let class = Class::new().priority(priority.unwrap_or(u8::MAX));
    class.user(hasher.finish())
}

impl HandleParam {
    /// Of one that cannot be decoded it does not matter.
    fn class(&self) -> Class {
        let Some((head, until)) = self.head() else {
            return Class::new();
        };
        class_of(&head).deadline(until.into_std())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(info: &[(&str, &str)]) -> RequestProtocol {
        let mut head = RequestProtocol::default();
        for (key, value) in info {
            let value = value.as_bytes().to_vec();
            head.trans_info.insert((*key).to_owned(), value.into());
        }
        head
    }

    #[test]
    fn a_caller_says_how_urgent_its_request_is() {
        let class = class_of(&head(&[(PRIORITY, "3"), (USER, "me")]));
        assert_eq!(class.level().business(), 3);
        let other = class_of(&head(&[(PRIORITY, "3"), (USER, "you")]));
        assert_ne!(class.level(), other.level());
    }

    #[test]
    fn who_says_nothing_or_nonsense_is_least_urgent() {
        for info in [&[][..], &[(PRIORITY, "soon")], &[(PRIORITY, "-1")]] {
            assert_eq!(class_of(&head(info)).level().business(), 63);
        }
    }
}
