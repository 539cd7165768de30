//! What a pool tells of its jobs.

use std::time::{Duration, Instant};

use pool_worker::overload::{Class, ClassStats, Codel, Control, Dagor, Elastic};

use crate::harness::*;

on_both! {
    a_panic_costs_its_job_alone
    delays_are_told_as_of_any_pool
    the_oldest_that_waits_is_told
    a_pool_opens_again
    each_job_is_accounted_for_once
}

fn a_panic_costs_its_job_alone(build: Build) {
    let (pool, events, _starts) = build(1, 10, Control::new());
    pool.submit(Class::new(), job(666)).unwrap();
    pool.submit(Class::new(), job(1)).unwrap();
    pool.close();
    assert_eq!(events.all(), [Ran(666), Ran(1)]);
    let stats = pool.stats();
    assert_eq!(stats.total.running, 0);
    assert_eq!((stats.classes[0].panicked, stats.classes[0].ran), (1, 1));
    assert_eq!((stats.total.panicked, stats.total.ran), (1, 1));
}

fn delays_are_told_as_of_any_pool(build: Build) {
    let (pool, _events, _starts) = build(2, 10, Control::new());
    let mut window = pool.window(LONG);
    for name in 0..5 {
        pool.submit(Class::new(), job(name)).unwrap();
        pool.wait_idle();
    }
    assert_eq!((pool.delay().count, pool.run_time().count), (5, 5));
    let recent = window.read();
    assert_eq!((recent.delay.count, recent.run_time.count), (5, 5));
    assert_eq!(recent.blocked.count, 0);
    pool.close();
}

fn the_oldest_that_waits_is_told(build: Build) {
    let (pool, _events, starts) = build(1, 10, Control::new());
    assert_eq!(pool.oldest_waiting(), None);
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    assert_eq!(pool.oldest_waiting(), None);
    pool.submit(Class::new().priority(9), job(1)).unwrap();
    let then = pool.oldest_waiting().unwrap();
    pool.submit(Class::new(), job(2)).unwrap();
    assert!(pool.oldest_waiting() >= Some(then));
    drop(go);
    pool.close();
    assert_eq!(pool.oldest_waiting(), None);
}

fn a_pool_opens_again(build: Build) {
    let (pool, events, _starts) = build(1, 10, Control::new());
    assert!(pool.reopen().is_err());
    pool.submit(Class::new(), job(0)).unwrap();
    pool.close();
    pool.reopen().unwrap();
    pool.submit(Class::new(), job(1)).unwrap();
    pool.close();
    assert_eq!(events.all(), [Ran(0), Ran(1)]);
    assert_eq!(pool.stats().total.submitted, 2);
}

fn each_job_is_accounted_for_once(build: Build) {
    let control = Control::new()
        .codel(Codel::new(Duration::ZERO, Duration::from_micros(50)))
        .dagor(Dagor::new(Duration::from_micros(10)).window(LONG, 100))
        .ageing(Duration::from_micros(20))
        .fair()
        .newest_first()
        .elastic(Elastic::new(1, 4).target(Duration::ZERO));
    let (pool, events, _starts) = build(2, 200, control);
    let mut refused = 0;
    std::thread::scope(|scope| {
        let (pool, refused) = (&*pool, &mut refused);
        let submitters: Vec<_> = (0..4)
            .map(|part| {
                scope.spawn(move || {
                    let submit = |nth: u32| {
                        let name = 10_000 + part * 1000 + nth;
                        let class = Class::new()
                            .priority((nth % 7) as u8)
                            .user(u64::from(nth * 31))
                            .key(u64::from(nth % 3))
                            .cost((nth % 4) as u8);
                        let soon = Instant::now() + Duration::from_micros(300);
                        let class = if nth.is_multiple_of(5) {
                            class.deadline(soon)
                        } else {
                            class
                        };
                        pool.submit(class, job(name)).is_err()
                    };
                    (0..1000).filter(|&nth| submit(nth)).count()
                })
            })
            .collect();
        for submitter in submitters {
            *refused += submitter.join().unwrap();
        }
    });
    pool.close();
    let mut names: Vec<_> = events
        .all()
        .iter()
        .map(|event| match event {
            Ran(name) | Back(name, _) => *name,
        })
        .collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "twice");
    assert_eq!(names.len() + refused, 4000);
    let stats = pool.stats();
    let sum = |count: fn(&ClassStats) -> u64| -> usize {
        stats.classes.iter().map(count).sum::<u64>() as usize
    };
    assert_eq!(sum(|class| class.accepted), names.len());
    assert_eq!(sum(|class| class.refused + class.full), refused);
    assert_eq!(
        sum(|class| class.ran + class.shed + class.expired + class.displaced),
        names.len()
    );
    let total = stats.total;
    assert_eq!(
        total.submitted,
        total.ran + total.shed + total.expired + total.displaced
    );
    assert_eq!(total.rejected as usize, refused);
    assert_eq!((stats.total.queued, stats.total.running), (0, 0));
}
