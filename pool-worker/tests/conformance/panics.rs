//! A panic costs neither a worker nor a slot.

use std::sync::Mutex;
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
    static TOLD: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

    let text = format!("from {}", std::any::type_name::<P>());
    let mut options = Options::new(1, 0);
    options.panic_handler = |panic| {
        let message = panic.message().unwrap().to_owned();
        TOLD.lock().unwrap().push((panic.pool.to_owned(), message));
    };
    let pool = P::build(options);
    let message = text.clone();
    pool.submit(Box::new(move || panic!("{message}"))).unwrap();
    assert_still_works(&pool, 1);
    assert!(TOLD.lock().unwrap().contains(&("suite".to_owned(), text)));
}

fn a_panic_of_the_handler_costs_no_worker<P: Pool>() {
    let mut options = Options::new(1, 0);
    options.panic_handler = |_| panic!("the handler, as intended");
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
