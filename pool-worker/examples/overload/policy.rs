//! The policies, and what is told of requests under each.

use std::time::{Duration, Instant};

use pool_worker::overload::{Class, Codel, Control, Dagor, Elastic, Vegas};

use crate::{INTERVAL, TARGET, WORKERS};

pub struct Policy {
    pub name: &'static str,
    pub control: Control,
    /// How many something behind the pool bears at once; any number where there is none.
    pub behind: Option<usize>,
    tells: Tells,
}

/// Beside the deadline.
enum Tells {
    /// Not even that.
    Nothing,
    Deadline,
    /// The few are urgent.
    Priority,
    /// The few are those of a tenant.
    Tenant,
}

impl Policy {
    pub fn class(&self, few: bool, nth: u64, deadline: Instant) -> Class {
        let class = Class::new().user(nth.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32);
        match self.tells {
            Tells::Nothing => class,
            Tells::Deadline => class.deadline(deadline),
            Tells::Priority => class.deadline(deadline).priority(if few { 0 } else { 5 }),
            Tells::Tenant => class.deadline(deadline).key(u64::from(few)),
        }
    }
}

pub fn all() -> Vec<Policy> {
    let codel = Codel::new(TARGET, INTERVAL);
    let quick = Codel::new(TARGET, INTERVAL / 2);
    let dagor = Dagor::new(TARGET / 2).window(INTERVAL / 2, 2000);
    let elastic = Elastic::new(WORKERS, 4 * WORKERS)
        .target(TARGET / 2)
        .pace(Duration::from_millis(2))
        .idle(INTERVAL);
    let control = Control::new();
    let policy = |name, tells, control| Policy {
        name,
        control,
        behind: None,
        tells,
    };
    vec![
        policy("none", Tells::Nothing, control),
        policy("deadlines", Tells::Deadline, control),
        policy("priorities", Tells::Priority, control),
        policy("codel", Tells::Priority, control.codel(codel)),
        policy(
            "newest first",
            Tells::Priority,
            control.codel(codel).newest_first(),
        ),
        policy(
            "ageing",
            Tells::Priority,
            control.codel(codel).ageing(TARGET),
        ),
        policy("fair", Tells::Tenant, control.codel(codel).fair()),
        policy("dagor", Tells::Priority, control.dagor(dagor)),
        policy(
            "codel and dagor",
            Tells::Priority,
            control.codel(quick).dagor(dagor),
        ),
        policy("elastic", Tells::Priority, control.elastic(elastic)),
        Policy {
            behind: Some(WORKERS),
            ..policy(
                "vegas and codel",
                Tells::Priority,
                control.codel(codel).vegas(Vegas::new(1, 8 * WORKERS)),
            )
        },
    ]
}
