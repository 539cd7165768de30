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
    // A new one is at the end of a round, where nothing is lent.
    let object = slot.take().unwrap();
    slot.put(object).unwrap();
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

/// Uses the object in its place, `uses` times, and takes it out after the last; whether
/// there was one.
fn use_in_place(slot: &Slot, uses: usize, take_out: bool) -> usize {
    for left in (0..uses).rev() {
        let Some((lent, before)) = slot.lend_often() else {
            continue;
        };
        assert!(slot.take().is_none(), "it is lent");
        // SAFETY: lent, and made from a `Box<Marked>`.
        mark(unsafe { lent.object().place::<Marked>().as_ref() });
        if take_out && left == 0 {
            mark(&into_box(lent.take()));
            return 1;
        }
        lent.end(before);
    }
    0
}

/// The owner does `uses`, which says how many objects it got rid of, while sweeps come.
fn one_slot(
    uses: impl Fn(&Slot) -> usize + Copy + Send + Sync + 'static,
    sweeps: usize,
    unused: bool,
) {
    loom::model(move || {
        let slot = open_slot_with_an_object();
        let owner = thread::spawn({
            let slot = Arc::clone(&slot);
            move || uses(&slot)
        });
        let swept: usize = (0..sweeps).map(|_| sweep(&slot, unused)).sum();
        let used_up = owner.join().unwrap();
        if !slot.is_full() {
            // Whatever came about it is open again.
            let object = Object::from_box(Box::new(Marked::new(0)));
            assert!(slot.put(object).is_ok(), "closed");
            drop(slot.take().map(into_box));
        }
        let left = slot.retire().map(into_box);
        left.iter().for_each(|object| mark(object));
        assert_eq!(swept + used_up + left.iter().count(), 1);
    });
}

/// Rules out that a sweeper and the owner both have the object, or neither.
///
/// Fails if either fence is left out, if the sweeper does not wait for the owner's
/// take, or if it takes the object though the owner has written over `CLOSED`.
#[test]
fn a_clear_races_two_takes() {
    one_slot(|slot| take_and_put(slot, 2), 1, false);
}

/// Rules out that a trim takes for unused what is used between its look and its take.
///
/// Fails if a slot that a sweep found empty is left closed.
#[test]
fn two_trims_race_a_take() {
    one_slot(|slot| take_and_put(slot, 1), 2, true);
}

/// Rules out that a sweeper has an object that its owner uses where it is, or that either
/// misses what the other did to it.
///
/// Fails if either fence is left out, if the sweeper takes what is lent, if it waits for
/// its end (the model does not end), if it leaves the slot closed, or if its look at the
/// owner's state or the owner's end is relaxed.
#[test]
fn a_clear_races_two_uses_in_place() {
    one_slot(|slot| use_in_place(slot, 2, false), 1, false);
}

/// The same if the owner takes it out in the end: the sweeper finds no place to put it
/// back to.
///
/// Fails if the sweeper puts it back over whatever is there.
#[test]
fn a_clear_races_an_object_that_is_taken_out_of_its_place() {
    one_slot(|slot| use_in_place(slot, 1, true), 1, false);
    one_slot(|slot| use_in_place(slot, 2, true), 2, false);
}

/// Rules out that a trim takes for unused what is used in its place meanwhile.
#[test]
fn two_trims_race_a_use_in_place() {
    one_slot(|slot| use_in_place(slot, 1, false), 2, true);
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
