//! Many threads, random moves, and an account that must balance.

use pool_object::Pool;
use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

const BUDGET: usize = if cfg!(debug_assertions) {
    20_000
} else {
    400_000
};

/// An object that knows whether somebody has it.
#[derive(Default)]
struct Marked {
    out: AtomicBool,
}

impl Marked {
    fn take(&self) {
        assert!(!self.out.swap(true, Ordering::Relaxed), "handed out twice");
    }

    fn give_back(&self) {
        assert!(self.out.swap(false, Ordering::Relaxed), "given back twice");
    }
}

/// A small generator, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn nothing_is_handed_out_twice_and_the_figures_add_up() {
    const THREADS: usize = 8;
    for max_idle in [1, 10, 100, 1000] {
        let gone = AtomicUsize::new(0);
        let pool = Pool::with_reset(
            || CountDrop(Marked::default(), &gone),
            |object| {
                object.0.give_back();
                true
            },
        )
        .max_idle(max_idle);
        let (sent, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let returned = AtomicUsize::new(0);
        let handles: Vec<_> = (0..THREADS).map(|_| mpsc::channel()).collect();
        let (senders, receivers): (Vec<_>, Vec<_>) = handles.into_iter().unzip();
        thread::scope(|scope| {
            for (seed, mailbox) in receivers.into_iter().enumerate() {
                let senders = senders.clone();
                let (pool, sent, taken, returned) = (&pool, &sent, &taken, &returned);
                scope.spawn(move || {
                    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (seed as u64 + 1));
                    let mut held = Vec::new();
                    for _ in 0..BUDGET / THREADS {
                        match dice.roll(10) {
                            0..=3 => {
                                let object = pool.get();
                                object.0.take();
                                taken.fetch_add(1, Ordering::Relaxed);
                                held.push(object);
                            }
                            4..=7 => {
                                if held.pop().is_some() {
                                    returned.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                            8 => {
                                // To another thread, which drops it there.
                                if let Some(object) = held.pop() {
                                    let to = dice.roll(THREADS as u64) as usize;
                                    sent.fetch_add(1, Ordering::Relaxed);
                                    if senders[to].send(object).is_err() {
                                        returned.fetch_add(1, Ordering::Relaxed);
                                    }
                                }
                            }
                            _ => {
                                returned.fetch_add(mailbox.try_iter().count(), Ordering::Relaxed);
                                match dice.roll(150) {
                                    0 => pool.trim(),
                                    1 => pool.clear(),
                                    2 => pool.set_max_idle(max_idle),
                                    _ => {}
                                }
                            }
                        }
                    }
                    returned.fetch_add(held.len(), Ordering::Relaxed);
                    drop(held);
                    drop(senders);
                    returned.fetch_add(mailbox.iter().count(), Ordering::Relaxed);
                });
            }
            drop(senders);
        });
        let stats = pool.stats();
        let taken = taken.into_inner() as u64;
        assert_eq!(returned.into_inner() as u64, taken, "all came back");
        assert_eq!(stats.hits.total() + stats.misses, taken);
        assert_eq!(stats.returned() + stats.dropped.full, taken);
        assert!(stats.idle <= max_idle as u64);
        assert_eq!(
            stats.misses,
            stats.idle + gone.load(Ordering::Relaxed) as u64
        );
        drop(pool);
        assert_eq!(gone.into_inner() as u64, stats.misses, "each dropped once");
    }
}

/// The slots in front of a static pool are emptied from outside while their threads use
/// them, also as these end.
#[test]
fn sweeps_and_uses_of_a_static_pool_lose_nothing() {
    static GONE: AtomicUsize = AtomicUsize::new(0);
    pool_object::static_pool! {
        static OBJECTS: Pool<CountDrop<'static>> =
            Pool::from_fn(|| CountDrop(Marked::default(), &GONE)).max_idle(40);
    }
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let users: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for round in 0..BUDGET / 40 {
                        let one = OBJECTS.get();
                        one.0.take();
                        if round % 4 == 0 {
                            let other = OBJECTS.get();
                            other.0.take();
                            other.0.give_back();
                        }
                        one.0.give_back();
                        drop(one);
                        if round % 100 == 0 {
                            // Its thread ends with an object in its front.
                            scope.spawn(|| drop(OBJECTS.get()));
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            // Once after the users have ended, for it may not run before.
            let mut more = true;
            while more {
                more = running.load(Ordering::Relaxed);
                OBJECTS.trim();
                OBJECTS.clear();
            }
        });
        users.into_iter().for_each(|user| user.join().unwrap());
        running.store(false, Ordering::Relaxed);
    });
    let stats = OBJECTS.stats();
    assert_eq!(
        stats.misses,
        stats.idle + GONE.load(Ordering::Relaxed) as u64
    );
    assert_eq!(stats.dropped.total(), GONE.load(Ordering::Relaxed) as u64);
    assert!(stats.dropped.aged > 0 && stats.hits.thread > 0, "{stats:?}");
    assert!(stats.idle <= 40);
}

struct CountDrop<'a>(Marked, &'a AtomicUsize);

impl Drop for CountDrop<'_> {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_thousand_threads_on_many_pools_stay_within_the_bounds() {
    const MAX_IDLE: usize = 64;
    let (threads, pools) = if cfg!(debug_assertions) {
        (200, 20)
    } else {
        (1000, 100)
    };
    let pools: Vec<_> = (0..pools)
        .map(|_| Pool::new(|| 0u64).max_idle(MAX_IDLE))
        .collect();
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            thread::Builder::new()
                .stack_size(128 * 1024)
                .spawn_scoped(scope, || {
                    for pool in &pools {
                        drop((pool.get(), pool.get(), pool.get()));
                    }
                    // All threads are alive here, each with its caches.
                    if barrier.wait().is_leader() {
                        for pool in &pools {
                            let idle = pool.stats().idle as usize;
                            assert!((1..=MAX_IDLE).contains(&idle), "{idle}");
                        }
                    }
                    barrier.wait();
                })
                .unwrap();
        }
    });
    for pool in &pools {
        let stats = pool.stats();
        assert!(stats.idle as usize <= MAX_IDLE);
        assert_eq!(stats.hits.total() + stats.misses, 3 * threads as u64);
        assert_eq!(stats.returned() + stats.dropped.full, 3 * threads as u64);
    }
}
