//! One slot, one gate: their owner is at it while a sweeper comes.
#![cfg(loom_models)]

use loom::{cell::UnsafeCell, sync::Arc, thread};
use pool_object::parts::{Gate, Object, Slot, heavy};

type Marked = UnsafeCell<i32>;

fn mark(object: &Marked) {
    // SAFETY: who has the object is alone with it; if not, loom sees it.
    object.with_mut(|value| unsafe { *value += 1 });
}

fn open_slot_with_an_object() -> Arc<Slot> {
    let slot = Slot::new_closed();
    slot.open();
    slot.put(Object::from_box(Box::new(Marked::new(0))))
        .unwrap();
    Arc::new(slot)
}

fn into_box(object: Object) -> Box<Marked> {
    // SAFETY: all objects here are made from a `Box<Marked>`.
    unsafe { object.into_box() }
}

/// What a sweep does to one slot; how many objects it got.
fn sweep(slot: &Slot, unused: bool) -> usize {
    let Some(closed) = slot.close(unused) else {
        return 0;
    };
    heavy();
    match slot.settle(closed) {
        Some(object) => {
            mark(&into_box(object));
            1
        }
        None => 0,
    }
}

/// Takes and puts back, `uses` times; how often the slot refused the object, which a
/// pool then puts elsewhere.
fn take_and_put(slot: &Slot, uses: usize) -> usize {
    let mut refused = 0;
    for _ in 0..uses {
        if let Some(object) = slot.take() {
            let object = into_box(object);
            mark(&object);
            if let Err(object) = slot.put(Object::from_box(object)) {
                drop(into_box(object));
                refused += 1;
            }
        }
    }
    refused
}

fn one_slot(uses: usize, sweeps: usize, unused: bool) {
    loom::model(move || {
        let slot = open_slot_with_an_object();
        let owner = thread::spawn({
            let slot = Arc::clone(&slot);
            move || take_and_put(&slot, uses)
        });
        let swept: usize = (0..sweeps).map(|_| sweep(&slot, unused)).sum();
        let refused = owner.join().unwrap();
        let left = slot.retire().map(into_box).iter().count();
        assert_eq!(swept + refused + left, 1);
    });
}

/// Rules out that a sweeper and the owner both have the object, or neither.
///
/// Fails if either fence is left out, if the sweeper does not wait for the owner's
/// take, or if it takes the object though the owner has written over `CLOSED`.
#[test]
fn a_clear_races_two_takes() {
    one_slot(2, 1, false);
}

/// Rules out that a trim takes for unused what is used between its look and its take.
#[test]
fn two_trims_race_a_take() {
    one_slot(1, 2, true);
}

/// Rules out that owner and sweeper are behind a gate at once.
///
/// Fails if either fence is left out, if the sweeper does not wait, or if `open` or the
/// owner's leave is relaxed.
#[test]
fn a_gate_lets_one_in_at_a_time() {
    loom::model(|| {
        let behind = Arc::new((Gate::new(), Marked::new(0)));
        let owner = thread::spawn({
            let behind = Arc::clone(&behind);
            move || {
                for _ in 0..2 {
                    if let Some(_inside) = behind.0.enter() {
                        mark(&behind.1);
                    }
                }
            }
        });
        behind.0.shut();
        heavy();
        behind.0.wait();
        mark(&behind.1);
        behind.0.open();
        owner.join().unwrap();
        mark(&behind.1);
    });
}
