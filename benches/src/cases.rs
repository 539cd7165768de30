//! All there is to measure.

use crate::contestant::Case;
use crate::go::Go;
use crate::{errgroup, flow, object, rpc, sleepers, worker};

/// The names of all cases, in their order.
pub const NAMES: [&str; 27] = [
    "object/get_put/1t",
    "object/get_put/2t",
    "object/static/1t",
    "object/handoff",
    "object/buffer/4k",
    "worker/threads/pool",
    "worker/threads/pool/4s",
    "worker/threads/func",
    "worker/threads/wake",
    "worker/threads/trickle",
    "worker/delay_cost",
    "worker/tasks/pool",
    "worker/tasks/func",
    "worker/sleepers",
    "errgroup/limit2",
    "errgroup/limit64",
    "errgroup/unlimited",
    "errgroup/scoped",
    "flow/chain3",
    "flow/fan100",
    "rpc/echo/1x1",
    "rpc/echo/64x1",
    "rpc/echo/1000x1",
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
    let families = [object::case, worker::case, errgroup::case, flow::case];
    let in_process = families.into_iter().find_map(|family| family(name));
    let processes = || sleepers::case(name, go).or_else(|| rpc::case(name, go));
    let mut case = in_process.or_else(processes)?;
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
