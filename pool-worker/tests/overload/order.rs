//! Who is next.

use pool_worker::overload::{Class, Control};

use crate::harness::*;

on_both! {
    the_urgent_overtake
    keys_take_turns
}

/// Submits jobs of these classes while the one worker is held, and lets it go.
fn order_of(build: Build, control: Control, classes: &[Class]) -> Vec<Event> {
    let (pool, events, starts) = build(1, 100, control);
    let (first, go) = held(1000);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    for (name, class) in (0..).zip(classes) {
        pool.submit(*class, job(name)).unwrap();
    }
    drop(go);
    pool.close();
    events.all().split_off(1)
}

fn the_urgent_overtake(build: Build) {
    let classes = [2, 0, 1, 0].map(|priority| Class::new().priority(priority));
    let order = order_of(build, Control::new(), &classes);
    assert_eq!(order, [Ran(1), Ran(3), Ran(2), Ran(0)]);
}

fn keys_take_turns(build: Build) {
    let classes = [7, 7, 7, 8].map(|key| Class::new().key(key));
    let order = order_of(build, Control::new().fair(), &classes);
    assert_eq!(order, [Ran(0), Ran(3), Ran(1), Ran(2)]);
}
