//! The figures on a registry that others use too.
#![cfg(all(feature = "prometheus", feature = "bytes"))]

use pool_object::{BufferPool, Policy, Pool, PoolCollector};
use prometheus::{
    Registry, TextEncoder,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::collections::BTreeMap;

/// One that says nothing of what it collects, as some do.
struct Silent;

impl Collector for Silent {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }
    fn collect(&self) -> Vec<MetricFamily> {
        Vec::new()
    }
}

/// Numbers below 10, which weigh what they say; 0 is refused.
struct Weighed;

impl Policy<usize> for Weighed {
    fn create(&self) -> usize {
        1
    }
    fn reset(&self, number: &mut usize) -> bool {
        *number > 0
    }
    fn weigh(&self, number: &usize) -> usize {
        assert!(*number < 10);
        *number
    }
}

/// What a scrape shows: each line's value by its name and labels.
fn scrape(registry: &Registry) -> BTreeMap<String, u64> {
    let text = TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_string(), value.parse().unwrap()))
        .collect()
}

#[test]
fn it_shares_a_registry_with_other_collectors() {
    let registry = Registry::new();
    registry.register(Box::new(Silent)).unwrap();
    let part = |name| PoolCollector::new().label("part", name);
    registry.register(Box::new(part("front"))).unwrap();
    let back = part("back").pool("lines", pool_object::Stats::default);
    registry.register(Box::new(back)).unwrap();
    assert!(registry.register(Box::new(part("back"))).is_err(), "twice");
    let scraped = scrape(&registry);
    assert_eq!(scraped[r#"pool_object_idle{part="back",pool="lines"}"#], 0);
}

#[test]
fn every_family_and_reason_is_shown() {
    static NUMBERS: Pool<usize, Weighed> = Pool::new(Weighed).max_idle(10);
    static BUFFERS: BufferPool = BufferPool::new().max_idle_bytes(13 * 4096);
    let registry = Registry::new();
    let collector = PoolCollector::new()
        .pool("numbers", || NUMBERS.stats())
        .pool("buffers", || BUFFERS.stats());
    assert_eq!(collector.desc().len(), 7);
    registry.register(Box::new(collector)).unwrap();

    assert_eq!(NUMBERS.prewarm(3), 3);
    // Three hits in shards, one miss; four come back, of which one is refused.
    let mut out = [(); 4].map(|()| NUMBERS.get());
    *out[0] = 0;
    drop(out);
    drop(NUMBERS.get());
    NUMBERS.put(9);
    NUMBERS.put(8);
    (0..20).for_each(|_| NUMBERS.put(1));
    assert!(std::panic::catch_unwind(|| NUMBERS.put(10)).is_err());
    NUMBERS.set_max_idle(5);
    NUMBERS.put(1);
    NUMBERS.clear();
    drop([(); 2].map(|()| BUFFERS.get(4096)));
    drop(BUFFERS.get(2 << 20));

    let scraped = scrape(&registry);
    let stats = NUMBERS.stats();
    let hits = |place: &str| {
        scraped[&format!(r#"pool_object_hits_total{{pool="numbers",where="{place}"}}"#)]
    };
    assert_eq!(
        [hits("thread"), hits("shard"), hits("stolen")],
        [stats.hits.thread, stats.hits.shard, stats.hits.stolen]
    );
    assert!(
        stats.hits.thread > 0 && stats.hits.total() == 4,
        "{stats:?}"
    );
    let dropped = |reason: &str, pool: &str| {
        scraped[&format!(r#"pool_object_dropped_total{{pool="{pool}",reason="{reason}"}}"#)]
    };
    let reasons = [
        "full",
        "byte_budget",
        "refused",
        "panicked",
        "lowered",
        "aged",
    ];
    for reason in reasons {
        assert!(dropped(reason, "numbers") > 0, "{reason} {stats:?}");
    }
    assert_eq!(
        reasons
            .map(|reason| dropped(reason, "numbers"))
            .iter()
            .sum::<u64>(),
        stats.dropped.total()
    );
    assert_eq!(dropped("oversized", "buffers"), 1);
    assert_eq!(dropped("byte_budget", "buffers"), 1);
    let of =
        |family: &str, pool: &str| scraped[&format!(r#"pool_object_{family}{{pool="{pool}"}}"#)];
    assert_eq!(of("misses_total", "numbers"), stats.misses);
    assert_eq!(of("misses_total", "buffers"), 3);
    assert_eq!(of("prewarmed_total", "numbers"), 3);
    assert_eq!(of("returned_total", "numbers"), stats.returned());
    assert_eq!(
        (of("idle", "buffers"), of("idle_weight", "buffers")),
        (1, 4096)
    );
    assert_eq!(
        (of("idle", "numbers"), of("idle_weight", "numbers")),
        (0, 0)
    );
}
