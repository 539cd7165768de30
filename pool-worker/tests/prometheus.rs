//! The figures of pools as a registry gives them.
#![cfg(all(feature = "tokio", feature = "prometheus", not(loom_models)))]

use std::sync::mpsc::channel;
use std::time::Duration;

use pool_worker::{PoolCollector, tasks, threads};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Error, Registry, TextEncoder};

const LONG: Duration = Duration::from_secs(60);

fn text(registry: &Registry) -> String {
    let encoder = TextEncoder::new();
    encoder.encode_to_string(&registry.gather()).unwrap()
}

/// What the line of this name and labels says.
fn value(text: &str, line: &str) -> f64 {
    let found = text.lines().find_map(|l| l.strip_prefix(line));
    let found = found.unwrap_or_else(|| panic!("no {line} in {text}"));
    found.trim().parse().unwrap()
}

/// One that does not say what it collects.
struct Silent;

impl Collector for Silent {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        Vec::new()
    }
}

#[test]
fn a_collector_says_what_it_collects_and_lives_beside_others() {
    let pool = threads::Pool::new(1);
    let collector = PoolCollector::new().pool(&pool);
    let mut said: Vec<_> = collector.desc().iter().map(|d| d.fq_name.clone()).collect();
    let collected = collector.collect();
    let mut collected: Vec<_> = collected.iter().map(|f| f.name().to_owned()).collect();
    said.sort();
    collected.sort();
    assert_eq!(said, collected);

    let registry = Registry::new();
    registry.register(Box::new(Silent)).unwrap();
    registry.register(Box::new(collector)).unwrap();
    assert!(!registry.gather().is_empty());
    let again = registry.register(Box::new(PoolCollector::new()));
    assert!(matches!(again, Err(Error::AlreadyReg)));
    registry.unregister(Box::new(PoolCollector::new())).unwrap();
    assert!(registry.gather().is_empty());
}

#[tokio::test]
async fn what_became_of_jobs_is_told_by_pool_and_reason() {
    let cpu = threads::Pool::builder()
        .name("cpu")
        .capacity(1)
        .queue(0)
        .build();
    let io = tasks::Pool::builder().name("io").build();
    let registry = Registry::new();
    let collector = PoolCollector::new().pool(&cpu).pool(&io);
    registry.register(Box::new(collector)).unwrap();

    let (gate, closed) = channel::<()>();
    cpu.submit(move || assert!(closed.recv().is_err())).unwrap();
    cpu.try_submit(|| ()).unwrap_err();
    cpu.submit_timeout(|| (), Duration::ZERO).unwrap_err();
    drop(gate);
    cpu.submit(|| panic!("as intended")).unwrap();
    cpu.close(LONG).unwrap();
    cpu.submit(|| ()).unwrap_err();
    io.submit(async {}).await.unwrap();
    io.wait_idle().await;

    let text = text(&registry);
    let jobs = |pool, outcome| {
        let labels = format!(r#"{{outcome="{outcome}",pool="{pool}"}}"#);
        value(&text, &format!("pool_worker_jobs_total{labels}"))
    };
    assert_eq!((jobs("cpu", "ran"), jobs("cpu", "panicked")), (1.0, 1.0));
    assert_eq!((jobs("io", "ran"), jobs("io", "panicked")), (1.0, 0.0));
    for (reason, expected) in [
        ("full", 1.0),
        ("timeout", 1.0),
        ("closed", 1.0),
        ("crowded", 0.0),
        ("nested", 0.0),
        ("refused", 0.0),
    ] {
        let line = format!(r#"pool_worker_rejected_total{{pool="cpu",reason="{reason}"}}"#);
        assert_eq!(value(&text, &line), expected, "{reason}");
    }
    let workers = r#"pool_worker_level{of="workers",pool="cpu"}"#;
    assert_eq!(value(&text, workers), 0.0);
}

#[test]
fn the_oldest_is_that_of_the_pools_of_a_name_and_levels_are_their_sum() {
    let pools = [(); 2].map(|()| {
        let pool = threads::Pool::builder().name("twin").capacity(1).build();
        let (gate, closed) = channel::<()>();
        let job = move || assert!(closed.recv().is_err());
        pool.submit(job).unwrap();
        (pool, gate)
    });
    let [(first, _), (second, _)] = &pools;
    first.submit(|| ()).unwrap();
    let registry = Registry::new();
    let collector = PoolCollector::new().pool(first).pool(second);
    registry.register(Box::new(collector)).unwrap();
    while pools.iter().any(|(pool, _)| pool.stats().running == 0) {
        std::thread::yield_now();
    }
    let age = first.oldest_waiting().unwrap().as_secs_f64();
    let text = text(&registry);
    let oldest = r#"pool_worker_oldest_waiting_seconds{pool="twin"}"#;
    assert!(value(&text, oldest) >= age);
    for (of, sum) in [
        ("running", 2.0),
        ("queued", 1.0),
        ("capacity", 2.0),
        ("workers", 2.0),
    ] {
        let line = format!(r#"pool_worker_level{{of="{of}",pool="twin"}}"#);
        assert_eq!(value(&text, &line), sum, "{of}");
    }
    let submitted = r#"pool_worker_submitted_total{pool="twin"}"#;
    assert_eq!(value(&text, submitted), 3.0);
    for (_, gate) in pools {
        drop(gate);
    }
}

#[test]
fn delays_are_a_histogram_over_all_pools_of_a_name() {
    let pools = [(); 2].map(|()| threads::Pool::builder().name("twin").capacity(1).build());
    let registry = Registry::new();
    let collector = pools.iter().fold(PoolCollector::new(), PoolCollector::pool);
    registry.register(Box::new(collector)).unwrap();
    for pool in &pools {
        for _ in 0..50 {
            pool.submit(|| ()).unwrap();
        }
        pool.wait_idle();
    }
    let text = text(&registry);
    let line = |of: &str| format!(r#"pool_worker_delay_seconds{of}"#);
    let labels = r#"pool="twin",stage="queued""#;
    let bucket = |le: &str| value(&text, &line(&format!(r#"_bucket{{{labels},le="{le}"}}"#)));
    assert_eq!(value(&text, &line(&format!("_count{{{labels}}}"))), 100.0);
    assert_eq!((bucket("+Inf"), bucket("100")), (100.0, 100.0));
    let bounds = ["0.000001", "0.0001", "0.01", "1", "100"].map(bucket);
    assert!(bounds.is_sorted());
    // No job waited for longer than the longest, nor did all together for less.
    let longest = pools.iter().map(|pool| pool.delay().max).max().unwrap();
    let sum = value(&text, &line(&format!("_sum{{{labels}}}")));
    assert!(sum > 0.0 && sum <= longest.as_secs_f64() * 100.0 * 1.02);
    let blocked = r#"pool_worker_delay_seconds_count{pool="twin",stage="blocked"}"#;
    assert_eq!(value(&text, blocked), 0.0);
}
