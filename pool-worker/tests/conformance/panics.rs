//! A panic costs neither a worker nor a slot.

use std::sync::Arc;
use std::sync::mpsc::channel;

use crate::harness::{LONG, Options, Pool, soon};

over_all_pools! {
    panics_cost_no_worker,
    the_handler_is_told_pool_and_payload,
    a_panic_of_the_handler_costs_no_worker,
    a_payload_that_panics_as_it_drops_costs_no_worker,
}

/// With one worker and no queue, a lost worker or slot would end the test in
/// a refusal or a hang.
fn assert_still_works<P: Pool>(pool: &P, panicked: u64) {
    let (ran, seen) = channel();
    pool.submit(Box::new(move || ran.send(()).unwrap()))
        .unwrap();
    soon(&seen);
    pool.close(LONG).unwrap();
    assert_eq!((pool.stats().panicked, pool.stats().ran), (panicked, 1));
}

fn panics_cost_no_worker<P: Pool>() {
    let pool = P::new(1, 0);
    for _ in 0..20 {
        pool.submit(Box::new(|| panic!("as intended"))).unwrap();
        assert!(pool.stats().workers <= 1);
    }
    assert_still_works(&pool, 20);
}

fn the_handler_is_told_pool_and_payload<P: Pool>() {
    let (tell, told) = channel();
    let mut options = Options::new(1, 0);
    options.panic_handler = Arc::new(move |panic| {
        let message = panic.message().unwrap().to_owned();
        tell.send((panic.pool.to_owned(), message)).unwrap();
    });
    let pool = P::build(options);
    pool.submit(Box::new(|| panic!("as intended"))).unwrap();
    assert_still_works(&pool, 1);
    let expected = ("suite".to_owned(), "as intended".to_owned());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [expected]);
}

fn a_panic_of_the_handler_costs_no_worker<P: Pool>() {
    let mut options = Options::new(1, 0);
    options.panic_handler = Arc::new(|_| panic!("the handler, as intended"));
    let pool = P::build(options);
    pool.submit(Box::new(|| panic!("as intended"))).unwrap();
    assert_still_works(&pool, 1);
}

fn a_payload_that_panics_as_it_drops_costs_no_worker<P: Pool>() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the payload, as intended");
        }
    }

    let pool = P::new(1, 0);
    pool.submit(Box::new(|| std::panic::panic_any(Bomb)))
        .unwrap();
    assert_still_works(&pool, 1);
}
