//! What each policy is to hold.

use super::*;
use crate::overload::{Codel, Dagor, Elastic, Vegas};

const SEEDS: [u64; 3] = [1, 22, 333];
const CODEL: Codel = Codel::new(TARGET, INTERVAL);

/// One in five is urgent, and to be spared.
fn one_in_five_urgent(dice: &mut Dice) -> (bool, Class) {
    let urgent = dice.unit() < 0.2;
    let user = (dice.unit() * 1e6) as u64;
    let class = Class::new().priority(if urgent { 0 } else { 5 });
    (urgent, class.user(user))
}

/// Nobody knows who is urgent.
fn all_alike(dice: &mut Dice) -> (bool, Class) {
    (dice.unit() < 0.2, Class::new())
}

/// At twice the capacity more is urgent than can be served.
fn most_are_urgent(dice: &mut Dice) -> (bool, Class) {
    let urgent = dice.unit() < 0.75;
    (urgent, Class::new().priority(if urgent { 0 } else { 5 }))
}

/// A tenant has a tenth of the load, and is to be spared; another has the rest.
fn two_tenants(dice: &mut Dice) -> (bool, Class) {
    let small = dice.unit() < 0.1;
    (small, Class::new().key(u64::from(small)))
}

fn pool(control: Control) -> Pool {
    Pool {
        control,
        crowd: one_in_five_urgent,
        deadlines: false,
        queue: 100_000,
        even: false,
        heeds: false,
        behind: None,
    }
}

fn without_a_policy() -> Pool {
    Pool {
        crowd: all_alike,
        ..pool(Control::new())
    }
}

fn deadlines() -> Pool {
    Pool {
        deadlines: true,
        ..without_a_policy()
    }
}

fn bounded() -> Pool {
    Pool {
        queue: 5 * WORKERS,
        ..pool(Control::new())
    }
}

fn codel() -> Pool {
    pool(Control::new().codel(CODEL))
}

fn newest_first() -> Pool {
    pool(Control::new().codel(CODEL).newest_first())
}

fn dagor() -> Pool {
    pool(Control::new().dagor(Dagor::new(TARGET / 2).window(INTERVAL / 2, 400)))
}

fn codel_and_dagor() -> Pool {
    // CoDel comes and goes, for admission does most of the work: so it must be quicker
    // to come.
    let quick = Codel::new(TARGET, INTERVAL / 2);
    pool(dagor().control.codel(quick))
}

fn heeded() -> Pool {
    Pool {
        heeds: true,
        ..codel_and_dagor()
    }
}

fn ageing() -> Pool {
    Pool {
        crowd: most_are_urgent,
        ..pool(Control::new().codel(CODEL).ageing(TARGET / 10))
    }
}

fn fair() -> Pool {
    Pool {
        crowd: two_tenants,
        ..pool(Control::new().codel(CODEL).fair())
    }
}

fn elastic() -> Pool {
    pool(Control::new().elastic(Elastic::new(WORKERS, 4 * WORKERS).idle(INTERVAL)))
}

fn vegas() -> Pool {
    Pool {
        behind: Some(WORKERS),
        ..pool(Control::new().codel(CODEL).vegas(Vegas::new(1, 200)))
    }
}

/// At so many times the capacity: 99 in 100 of those served wait for at most three
/// times the target, nine tenths of the capacity are of use, none of the spared is
/// lost, some of the rest are served, and after the rush it takes less than two
/// intervals until nobody is turned away or waits for long.
fn holds(pool: Pool, load: f64) {
    recovers(pool, load, 2 * INTERVAL);
}

/// As above, but for how long it takes after the rush.
fn recovers(pool: Pool, load: f64, limit: Duration) {
    let seeds = if load == 2.0 { 3 } else { 1 };
    for &seed in &SEEDS[..seeds] {
        let outcome = pool.run(load, seed);
        let goodput = outcome.goodput();
        assert!(outcome.p99() <= 3 * TARGET, "{seed}: {:?}", outcome.p99());
        assert!(goodput > 0.9, "{seed}: {goodput:.2}");
        assert_eq!(outcome.lost[0], 0, "{seed}");
        assert!(outcome.served[1].len() > 1000, "{seed}");
        let recovered = outcome.recovered_after;
        assert!(recovered < limit, "{seed}: {recovered:?}");
    }
}

#[test]
fn what_the_workers_can_do_is_done_under_each_policy() {
    for (nth, pool) in [
        without_a_policy(),
        deadlines(),
        bounded(),
        codel(),
        newest_first(),
        dagor(),
        codel_and_dagor(),
        heeded(),
        ageing(),
        fair(),
        elastic(),
        vegas(),
    ]
    .into_iter()
    .enumerate()
    {
        let half = pool.run(0.5, SEEDS[0]);
        assert_eq!(half.lost, [0, 0], "{nth}: half of it");
        assert!(half.p99() < TARGET, "{nth}: {:?}", half.p99());
        let all = Pool { even: true, ..pool }.run(1.0, SEEDS[0]);
        assert_eq!(all.lost, [0, 0], "{nth}: what just fits");
        assert!(all.goodput() > 0.999, "{nth}: {}", all.goodput());
        // As it comes in truth there is now more to do, now less, which is lost.
        let lost = pool.run(1.0, SEEDS[0]).part_lost();
        assert!(lost < 0.1, "{nth}: {lost}");
    }
}

#[test]
fn without_a_policy_twice_the_capacity_serves_nobody_in_time() {
    for seed in SEEDS {
        let outcome = without_a_policy().run(2.0, seed);
        assert!(outcome.goodput() < 0.1, "{seed}: {:.2}", outcome.goodput());
        assert!(outcome.p99() > 100 * TARGET, "{seed}: {:?}", outcome.p99());
        let recovered = outcome.recovered_after;
        assert!(recovered > 10 * INTERVAL, "{seed}: {recovered:?}");
    }
}

/// Nothing is run that nobody waits for; but what is begun a moment before its
/// deadline ends after it, and so does most of it.
#[test]
fn deadlines_alone_bound_the_wait_and_save_little() {
    for seed in SEEDS {
        let outcome = deadlines().run(2.0, seed);
        assert!(outcome.p99() <= PATIENCE, "{seed}: {:?}", outcome.p99());
        let goodput = outcome.goodput();
        assert!((0.1..0.5).contains(&goodput), "{seed}: {goodput:.2}");
        let recovered = outcome.recovered_after;
        assert!(recovered < 10 * INTERVAL, "{seed}: {recovered:?}");
    }
}

#[test]
fn a_short_queue_holds_where_the_less_urgent_make_room() {
    holds(bounded(), 2.0);
}

#[test]
fn codel_and_priorities_hold() {
    holds(codel(), 1.5);
    holds(codel(), 2.0);
    holds(codel(), 4.0);
}

#[test]
fn newest_first_holds_and_serves_sooner() {
    holds(newest_first(), 2.0);
    holds(newest_first(), 4.0);
    for seed in SEEDS {
        let p99 = newest_first().run(2.0, seed).p99();
        assert!(p99 < 2 * TARGET, "{seed}: {p99:?}");
    }
}

#[test]
fn admission_by_priority_holds_where_codel_sheds_what_was_let_in() {
    holds(codel_and_dagor(), 1.5);
    holds(codel_and_dagor(), 2.0);
}

/// Those who are refused are not seen then. It takes some windows more until it is sure
/// that they are gone, and in a rush it does not let in all of them for want of seeing any.
#[test]
fn admission_holds_where_callers_heed_the_level() {
    recovers(heeded(), 1.5, 10 * INTERVAL);
    recovers(heeded(), 2.0, 10 * INTERVAL);
}

/// Alone it does not shed what it let in before it knew, so that waits to be served,
/// and those behind it with it; until then nothing is as it should.
#[test]
fn admission_by_priority_alone_takes_its_time() {
    for seed in SEEDS {
        let outcome = dagor().run(2.0, seed);
        assert!(outcome.goodput() > 0.8, "{seed}: {:.2}", outcome.goodput());
        let urgent = outcome.served[0].len() + outcome.lost[0] as usize;
        assert!((outcome.lost[0] as usize) < urgent / 100, "{seed}");
        assert!(outcome.p99() > 3 * TARGET, "{seed}: {:?}", outcome.p99());
        let recovered = outcome.recovered_after;
        assert!(recovered < 2 * INTERVAL, "{seed}: {recovered:?}");
    }
}

#[test]
fn ageing_serves_some_of_those_that_starve_without() {
    let without = pool(Control::new().codel(CODEL));
    let without = Pool {
        crowd: most_are_urgent,
        ..without
    };
    for seed in SEEDS {
        let starved = without.run(2.0, seed).served[1].len();
        assert!(starved < 100, "{seed}: {starved}");
        let outcome = ageing().run(2.0, seed);
        let served = outcome.served[1].len();
        assert!(served > 1000, "{seed}: {served}");
        assert!(outcome.goodput() > 0.9, "{seed}: {:.2}", outcome.goodput());
        assert!(outcome.p99() <= 3 * TARGET, "{seed}: {:?}", outcome.p99());
    }
}

#[test]
fn a_tenant_within_its_share_loses_nothing_to_one_that_floods() {
    holds(fair(), 2.0);
    holds(fair(), 4.0);
    let unfair = Pool {
        control: Control::new().codel(CODEL),
        ..fair()
    };
    assert!(unfair.run(2.0, SEEDS[0]).lost[0] > 1000);
}

/// With nothing but a short queue, which one of them would have to itself.
#[test]
fn a_tenant_within_its_share_has_its_place_in_a_short_queue_too() {
    let short = Pool {
        queue: 5 * WORKERS,
        control: Control::new().fair(),
        ..fair()
    };
    holds(short, 2.0);
    let unfair = Pool {
        control: Control::new(),
        ..short
    };
    assert!(unfair.run(2.0, SEEDS[0]).lost[0] > 1000);
}

#[test]
fn an_elastic_size_takes_in_what_fixed_workers_cannot_and_gives_way_again() {
    for seed in SEEDS {
        let outcome = elastic().run(2.0, seed);
        assert_eq!(outcome.lost, [0, 0], "{seed}");
        assert!(outcome.goodput() > 1.9, "{seed}: {:.2}", outcome.goodput());
        assert!(outcome.p99() <= TARGET, "{seed}: {:?}", outcome.p99());
        let (most, left) = outcome.sizes;
        assert!((2 * WORKERS..=4 * WORKERS).contains(&most), "{seed}");
        assert!(left <= WORKERS + 2, "{seed}: {left}");
        let calm = elastic().run(0.5, seed).sizes;
        assert!(calm.0 <= WORKERS + 2, "{seed}: {calm:?}");
    }
}

#[test]
fn a_limit_finds_what_is_borne_behind_the_pool() {
    holds(vegas(), 2.0);
    for seed in SEEDS {
        let (most, _) = vegas().run(2.0, seed).sizes;
        assert!((WORKERS..=8 * WORKERS).contains(&most), "{seed}: {most}");
    }
}
