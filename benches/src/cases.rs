//! All there is to measure.

use crate::contestant::Case;
use crate::go::Go;
use crate::{errgroup, object, rpc, worker};

/// The names of all cases, in their order.
pub const NAMES: [&str; 20] = [
    "object/get_put/1t",
    "object/get_put/2t",
    "object/static/1t",
    "object/handoff",
    "object/buffer/4k",
    "worker/threads/pool",
    "worker/threads/pool/4s",
    "worker/threads/func",
    "worker/threads/wake",
    "worker/tasks/pool",
    "worker/tasks/func",
    "errgroup/limit2",
    "errgroup/limit64",
    "errgroup/unlimited",
    "rpc/echo/1x1",
    "rpc/echo/64x1",
    "rpc/echo/16x64/pooled",
    "rpc/echo/16x64/inline",
    "rpc/echo/64x1/16k",
    "rpc/idle",
];

/// A case by its name, with the Go originals where they can be had.
///
/// Its contestants (their threads, too) are made now and go with it.
#[must_use]
pub fn case(name: &'static str, go: Option<&Go>) -> Option<Case> {
    let families = [object::case, worker::case, errgroup::case];
    let case = families.into_iter().find_map(|family| family(name));
    let mut case = case.or_else(|| rpc::case(name, go))?;
    case.contestants
        .extend(go.into_iter().flat_map(|go| go.contestants(name)));
    Some(case)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_name_has_a_case() {
        for name in super::NAMES {
            let case = super::case(name, None).expect(name);
            assert_eq!(case.name, name);
            assert_eq!(case.contestants[0].who, "ours");
        }
    }
}
