//! Who is given a job back is not waited for by itself.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Weak};
use std::time::Instant;

use pool_worker::CloseReason;
use pool_worker::overload::{Class, Control};
use pool_worker::threads::ControlledPool;

use crate::harness::LONG;

/// A pool that starts nothing until it closes, which who is given a job back does; and what
/// that comes to.
fn closed_by_the_owner() -> (Arc<ControlledPool<()>>, Receiver<CloseReason>) {
    let (tell, told) = channel();
    let pool = Arc::new_cyclic(|pool: &Weak<ControlledPool<()>>| {
        let pool = Weak::clone(pool);
        let builder = ControlledPool::builder().capacity(1).queue(1);
        let unserved = move |_unserved| {
            let pool = pool.upgrade().expect("the test has it");
            tell.send(pool.close(LONG).unwrap_err().reason()).unwrap();
        };
        builder.build(Control::new(), |()| {}, unserved)
    });
    pool.pause();
    (pool, told)
}

#[test]
fn a_close_by_who_is_told_of_a_deadline_is_nested() {
    let (pool, told) = closed_by_the_owner();
    let late = Class::new().deadline(Instant::now());
    pool.submit(late, ()).unwrap();
    assert_eq!(told.recv(), Ok(CloseReason::Nested));
}

#[test]
fn a_close_by_who_made_room_is_nested() {
    let (pool, told) = closed_by_the_owner();
    for priority in [1, 1, 0] {
        pool.submit(Class::new().priority(priority), ()).unwrap();
    }
    assert_eq!(told.try_recv(), Ok(CloseReason::Nested));
    assert!(pool.is_closed());
}
