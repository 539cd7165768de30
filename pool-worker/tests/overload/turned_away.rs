//! What is not accepted, or is accepted and not run.

use std::time::{Duration, Instant};

use pool_worker::overload::{Class, Codel, Control, Dagor, Level, WhyUnserved};
use pool_worker::{DelaySnapshot, Reason};

use crate::harness::*;

on_both! {
    what_nobody_waits_for_is_given_back
    what_expires_in_a_pause_is_given_back_without_another
    what_there_is_no_room_for_is_refused
    the_less_urgent_make_room
    what_has_expired_makes_room
    a_panic_of_who_gets_a_job_back_is_not_the_submitter_s
    a_closed_pool_refuses
    a_level_that_fell_refuses_the_less_urgent
    a_standing_queue_is_shed
    never_is_never
}

fn what_nobody_waits_for_is_given_back(build: Build) {
    let (pool, events, starts) = build(1, 100, Control::new());
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    let now = Instant::now();
    pool.submit(Class::new().deadline(now), job(1)).unwrap();
    let later = Class::new().deadline(now + LONG);
    pool.submit(later, job(2)).unwrap();
    // While the one worker is stuck.
    let back = events.wait_for(2);
    assert_eq!(back, [Ran(0), Back(1, WhyUnserved::Expired)]);
    drop(go);
    pool.close();
    assert_eq!(events.all()[2..], [Ran(2)]);
    let stats = pool.stats();
    assert_eq!((stats.total.expired, stats.total.ran), (1, 2));
}

fn what_expires_in_a_pause_is_given_back_without_another(build: Build) {
    let (pool, events, _starts) = build(1, 100, Control::new());
    pool.pause();
    let soon = Class::new().deadline(Instant::now() + Duration::from_millis(1));
    pool.submit(soon, job(0)).unwrap();
    assert_eq!(events.wait_for(1), [Back(0, WhyUnserved::Expired)]);
    assert!(pool.stats().classes[0].unserved_delay.max > Duration::ZERO);
    pool.close();
}

fn what_there_is_no_room_for_is_refused(build: Build) {
    let (pool, events, starts) = build(1, 1, Control::new());
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    pool.submit(Class::new(), job(1)).unwrap();
    let refused = pool.submit(Class::new().priority(3), job(2));
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::Full);
    assert!(refused.delay() > Some(Duration::ZERO), "as one waits");
    assert_eq!(refused.into_job().name, 2);
    drop(go);
    pool.close();
    assert_eq!(events.all(), [Ran(0), Ran(1)]);
    let stats = pool.stats();
    assert_eq!(stats.classes[0].accepted, 2);
    assert_eq!((stats.classes[1].priority, stats.classes[1].full), (3, 1));
}

/// A pool whose one worker is held, with a queue of one; the sender lets it go.
fn full_of(build: Build, class: Class) -> (Built, std::sync::mpsc::Sender<()>) {
    let built = build(1, 1, Control::new());
    let (pool, _events, starts) = &built;
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    pool.submit(class, job(1)).unwrap();
    (built, go)
}

fn the_less_urgent_make_room(build: Build) {
    let ((pool, events, _starts), go) = full_of(build, Class::new().priority(5));
    assert!(pool.submit(Class::new().priority(5), job(2)).is_err());
    pool.submit(Class::new().priority(4), job(3)).unwrap();
    assert_eq!(events.all(), [Ran(0), Back(1, WhyUnserved::Displaced)]);
    drop(go);
    pool.close();
    assert_eq!(events.all()[2..], [Ran(3)]);
    let stats = pool.stats();
    assert_eq!((stats.total.displaced, stats.total.ran), (1, 2));
    let displaced = stats.classes.iter().find(|class| class.priority == 5);
    let displaced = displaced.unwrap();
    assert_eq!((displaced.accepted, displaced.displaced), (1, 1));
    assert_ne!(displaced.unserved_delay, DelaySnapshot::default());
}

fn what_has_expired_makes_room(build: Build) {
    let expired = Class::new().deadline(Instant::now());
    let ((pool, events, _starts), go) = full_of(build, expired);
    pool.submit(Class::new().priority(63), job(2)).unwrap();
    drop(go);
    pool.close();
    let all = [Ran(0), Back(1, WhyUnserved::Expired), Ran(2)];
    assert_eq!(events.all(), all);
}

fn a_panic_of_who_gets_a_job_back_is_not_the_submitter_s(build: Build) {
    let built = build(1, 1, Control::new());
    let (pool, events, starts) = &built;
    let (first, go) = held(0);
    pool.submit(Class::new(), first).unwrap();
    starts.recv().unwrap();
    pool.submit(Class::new().priority(5), job(666)).unwrap();
    pool.submit(Class::new(), job(2)).unwrap();
    drop(go);
    pool.close();
    let all = [Ran(0), Back(666, WhyUnserved::Displaced), Ran(2)];
    assert_eq!(events.all(), all);
}

fn a_closed_pool_refuses(build: Build) {
    let (pool, events, _starts) = build(1, 1, Control::new());
    pool.close();
    let refused = pool.submit(Class::new(), job(1));
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::Closed);
    assert_eq!(refused.into_job().name, 1);
    assert_eq!(events.all(), []);
    let stats = pool.stats();
    assert_eq!(stats.classes[0].closed, 1);
    assert_eq!(stats.total.rejected_by.closed, 1);
}

fn a_level_that_fell_refuses_the_less_urgent(build: Build) {
    // Any wait is too long, and two jobs are a window.
    let dagor = Dagor::new(Duration::ZERO).window(LONG, 2);
    let (pool, _events, _starts) = build(1, 10, Control::new().dagor(dagor));
    let class = Class::new().priority(40).user(5);
    assert_eq!(pool.level(), Level::ALL);
    for name in 0..2 {
        pool.submit(class, job(name)).unwrap();
        pool.wait_idle();
    }
    let refused = pool.submit(class, job(2));
    let refused = refused.unwrap_err();
    assert_eq!(refused.reason(), Reason::Refused);
    assert!(refused.delay() > Some(Duration::ZERO), "as the last waited");
    assert_eq!(refused.into_job().name, 2);
    assert!(pool.level() < class.level());
    pool.submit(Class::new().priority(39), job(3)).unwrap();
    let stats = pool.stats();
    let refused = stats.classes.iter().find(|class| class.priority == 40);
    assert_eq!(refused.map(|class| class.refused), Some(1));
    assert_eq!(stats.total.rejected_by.refused, 1);
    pool.close();
}

fn a_standing_queue_is_shed(build: Build) {
    // Any wait is too long; an interval is much shorter than what waits.
    let codel = Codel::new(Duration::ZERO, Duration::from_micros(100));
    let (pool, events, _starts) = build(1, 10_000, Control::new().codel(codel));
    let mut submitted = 0;
    while pool.stats().classes.iter().all(|class| class.shed == 0) {
        pool.pause();
        for _ in 0..10_000 {
            pool.submit(Class::new(), job(submitted)).unwrap();
            submitted += 1;
        }
        pool.resume();
        pool.wait_idle();
    }
    let class = pool.stats().classes[0];
    assert_eq!(class.started + class.shed, u64::from(submitted));
    assert_eq!(class.unserved_delay.count, class.shed);
    let events = events.all();
    let shed = |event: &&Event| matches!(event, Back(_, WhyUnserved::Shed));
    assert_eq!(events.iter().filter(shed).count() as u64, class.shed);
    pool.close();
}

/// The longest time, for "never", wherever a time can be told.
fn never_is_never(build: Build) {
    use pool_worker::overload::Elastic;
    let never = Duration::MAX;
    for control in [
        Control::new().codel(Codel::new(never, never)),
        Control::new().codel(Codel::new(Duration::ZERO, never)),
        Control::new().dagor(Dagor::new(never).window(never, 1)),
        Control::new().ageing(never),
        Control::new().elastic(Elastic::new(1, 2).target(never).pace(never).idle(never)),
        Control::new().elastic(Elastic::new(1, 2).target(Duration::ZERO).pace(never)),
    ] {
        let (pool, events, _starts) = build(1, 100, control);
        for name in 0..100 {
            let far = Instant::now() + LONG;
            pool.submit(Class::new().deadline(far), job(name)).unwrap();
        }
        pool.close();
        assert_eq!(events.all().len(), 100);
        assert_eq!(pool.stats().total.ran, 100);
    }
}
