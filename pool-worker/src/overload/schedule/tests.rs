use super::*;

const MS: Duration = Duration::from_millis(1);

fn job(name: u32, priority: u8, key: u64) -> Waiting<u32> {
    Waiting {
        job: name,
        priority,
        key,
        cost: 1,
        accepted_at: Duration::ZERO,
        expires_at: None,
        nth: 0,
    }
}

fn names(schedule: &mut Schedule<u32>, now: Duration) -> Vec<u32> {
    std::iter::from_fn(|| schedule.pop(now))
        .map(|next| match next {
            Next::Run(job, _) | Next::Shed(job, _) | Next::Expired(job, _) => job.job,
        })
        .collect()
}

#[test]
fn the_urgent_go_first_and_equals_in_order() {
    let mut schedule = Schedule::new(Order::default());
    for (name, priority) in [(1, 2), (2, 0), (3, 1), (4, 0), (5, 2)] {
        schedule.push(job(name, priority, 0));
    }
    assert_eq!(names(&mut schedule, MS), [2, 4, 3, 1, 5]);
}

#[test]
fn a_priority_that_is_passed_over_rises() {
    let order = Order {
        ageing: Some(10 * MS),
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    schedule.push(job(100, 3, 0));
    let mut served_at = None;
    for at in 0..100 {
        let mut urgent = job(at, 0, 0);
        urgent.accepted_at = at * MS;
        schedule.push(urgent);
        if let Some(Next::Run(job, _)) = schedule.pop(at * MS) {
            served_at = (job.job == 100).then_some(at).or(served_at);
        }
    }
    assert_eq!(
        served_at,
        Some(30),
        "it rose three times, and was passed over for longest"
    );
}

#[test]
fn without_ageing_the_urgent_go_first_for_ever() {
    let mut schedule = Schedule::new(Order::default());
    schedule.push(job(100, 3, 0));
    for at in 0..100 {
        schedule.push(job(at, 0, 0));
        assert!(matches!(schedule.pop(at * MS), Some(Next::Run(job, _)) if job.job == at));
    }
}

#[test]
fn keys_take_turns_whatever_each_has() {
    let order = Order {
        fair: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    (0..4).for_each(|name| schedule.push(job(name, 0, 7)));
    (10..12).for_each(|name| schedule.push(job(name, 0, 8)));
    schedule.push(job(20, 0, 9));
    assert_eq!(names(&mut schedule, MS), [0, 10, 20, 1, 11, 2, 3]);
}

#[test]
fn a_costly_job_takes_as_many_turns() {
    let order = Order {
        fair: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    for name in 0..2 {
        let mut costly = job(name, 0, 7);
        costly.cost = 3;
        schedule.push(costly);
    }
    (10..16).for_each(|name| schedule.push(job(name, 0, 8)));
    assert_eq!(names(&mut schedule, MS), [10, 11, 0, 12, 13, 14, 1, 15]);
}

#[test]
fn without_fairness_keys_do_not_matter() {
    let mut schedule = Schedule::new(Order::default());
    for (name, key) in [(1, 7), (2, 7), (3, 8)] {
        schedule.push(job(name, 0, key));
    }
    assert_eq!(names(&mut schedule, MS), [1, 2, 3]);
}

#[test]
fn what_nobody_waits_for_is_not_run() {
    let mut schedule = Schedule::new(Order::default());
    let mut late = job(1, 0, 0);
    late.expires_at = Some(5 * MS);
    schedule.push(late);
    let next = schedule.pop(5 * MS);
    assert!(matches!(next, Some(Next::Expired(job, delay)) if (job.job, delay) == (1, 5 * MS)));
}

#[test]
fn under_overload_the_newest_go_first_once_the_oldest_are_shed() {
    let order = Order {
        codel: Some(Codel::new(5 * MS, 100 * MS)),
        newest_first: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    let (mut ran, mut shed) = (Vec::new(), Vec::new());
    for at in 0..400 {
        // Two come for each that can be served.
        for name in [2 * at, 2 * at + 1] {
            let mut waiting = job(name, 0, 0);
            waiting.accepted_at = at * MS;
            schedule.push(waiting);
        }
        loop {
            match schedule.pop(at * MS) {
                Some(Next::Run(job, _)) => break ran.push(job.job),
                Some(Next::Shed(job, _)) => shed.push(job.job),
                _ => unreachable!("one waits, and none expires"),
            }
        }
    }
    assert!(ran[..100].is_sorted());
    assert_eq!(ran.last(), Some(&799));
    assert!(shed.is_sorted() && shed.len() > 200);
}

#[test]
fn costly_jobs_of_many_keys_come_round_without_walking_through_what_they_save() {
    let order = Order {
        fair: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    for nth in 0..2000 {
        let mut costly = job(nth, 0, u64::from(nth % 1000));
        costly.cost = 255;
        schedule.push(costly);
    }
    let mut cheap = job(5000, 0, 5000);
    cheap.cost = 254;
    schedule.push(cheap);
    let names = names(&mut schedule, MS);
    assert_eq!(names[0], 5000);
    assert!(names[1..].is_sorted(), "each key once, and then again");
    assert_eq!(names.len(), 2001);
}

#[test]
fn the_least_urgent_makes_room_for_what_is_more_urgent_alone() {
    let mut schedule = Schedule::new(Order::default());
    for (name, priority) in [(1, 2), (2, 5), (3, 5), (4, 3)] {
        schedule.push(job(name, priority, 0));
    }
    let mut displaced = |by| schedule.take_less_urgent(MS, by).map(|job| job.job);
    assert_eq!(displaced(5), None);
    assert_eq!(displaced(4), Some(3), "the last to be served");
    assert_eq!(displaced(4), Some(2));
    assert_eq!(displaced(4), None);
    assert_eq!(displaced(0), Some(4));
    assert_eq!((schedule.len(), names(&mut schedule, MS)), (1, vec![1]));
}

#[test]
fn of_the_least_urgent_the_key_that_has_most_makes_room() {
    let order = Order {
        fair: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    for (name, key) in [(1, 8), (2, 7), (3, 7), (4, 9)] {
        schedule.push(job(name, 5, key));
    }
    let displaced = schedule.take_less_urgent(MS, 0);
    assert!(displaced.is_some_and(|job| job.job == 3));
}

#[test]
fn what_has_risen_does_not_make_room() {
    let order = Order {
        ageing: Some(10 * MS),
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    schedule.push(job(1, 3, 0));
    assert!(schedule.take_less_urgent(30 * MS, 0).is_none());
    assert!(schedule.take_less_urgent(29 * MS, 0).is_some());
}

#[test]
fn under_overload_the_oldest_makes_room_where_the_newest_go_first() {
    let order = Order {
        codel: Some(Codel::new(5 * MS, 100 * MS)),
        newest_first: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    for name in 0..5 {
        schedule.push(job(name, 7, 0));
    }
    let first = schedule.take_less_urgent(MS, 0);
    assert!(first.is_some_and(|job| job.job == 4));
    for at in [0, 101] {
        schedule.pop((1000 + at) * MS);
    }
    let then = schedule.take_less_urgent(1200 * MS, 0);
    assert!(then.is_some_and(|job| job.job == 2));
}

#[test]
fn what_has_expired_is_found_wherever_it_waits() {
    let order = Order {
        fair: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    for (name, priority, key, expires) in [
        (1, 0, 7, None),
        (2, 0, 7, Some(8 * MS)),
        (3, 0, 7, None),
        (4, 0, 8, Some(7 * MS)),
        (5, 3, 7, None),
        (6, 3, 9, Some(9 * MS)),
        (7, 3, 9, Some(20 * MS)),
    ] {
        let mut waiting = job(name, priority, key);
        waiting.expires_at = expires;
        schedule.push(waiting);
    }
    assert_eq!(schedule.next_deadline(), Some(7 * MS));
    let expired: Vec<_> = std::iter::from_fn(|| schedule.take_expired(10 * MS))
        .map(|job| job.job)
        .collect();
    assert_eq!(expired, [4, 2, 6]);
    assert_eq!(schedule.next_deadline(), Some(20 * MS));
    assert_eq!(names(&mut schedule, MS), [1, 3, 5, 7]);
    assert_eq!((schedule.len(), schedule.next_deadline()), (0, None));
}

#[test]
fn the_oldest_is_found_wherever_it_waits() {
    let order = Order {
        fair: true,
        ..Order::default()
    };
    let mut schedule = Schedule::new(order);
    assert_eq!(schedule.oldest(), None);
    for (at, priority, key) in [(7, 0, 1), (3, 2, 1), (5, 2, 2)] {
        let mut waiting = job(at, priority, key);
        waiting.accepted_at = at * MS;
        schedule.push(waiting);
    }
    assert_eq!(schedule.oldest(), Some(3 * MS));
    names(&mut schedule, 9 * MS);
    assert_eq!(schedule.oldest(), None);
}
