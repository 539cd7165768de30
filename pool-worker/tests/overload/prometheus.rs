//! The figures of a controlled pool as metrics.

use std::time::{Duration, Instant};

use pool_worker::PoolCollector;
use pool_worker::overload::{Class, Control, Unserved};
use pool_worker::threads::ControlledPool;
use prometheus::{Registry, TextEncoder};

#[test]
fn a_pool_tells_what_became_of_jobs_by_priority() {
    let pool = ControlledPool::builder().name("api").capacity(1).build(
        Control::new(),
        |job: u32| assert_ne!(job, 666, "as intended"),
        |_: Unserved<u32>| (),
    );
    let registry = Registry::new();
    let collector = PoolCollector::new().pool(&pool);
    registry.register(Box::new(collector)).unwrap();
    pool.submit(Class::new().priority(3), 1).unwrap();
    pool.submit(Class::new().priority(3), 666).unwrap();
    let late = Class::new().priority(4).deadline(Instant::now());
    pool.submit(late, 2).unwrap();
    pool.close(Duration::from_secs(60)).unwrap();
    pool.submit(Class::new().priority(4), 3).unwrap_err();
    let text = TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    for line in [
        r#"pool_worker_submitted_total{pool="api"} 3"#,
        r#"pool_worker_jobs_total{outcome="ran",pool="api"} 1"#,
        r#"pool_worker_jobs_total{outcome="panicked",pool="api"} 1"#,
        r#"pool_worker_jobs_total{outcome="expired",pool="api"} 1"#,
        r#"pool_worker_rejected_total{pool="api",reason="closed"} 1"#,
        r#"pool_worker_delay_seconds_count{pool="api",stage="queued"} 2"#,
        r#"pool_worker_delay_seconds_count{pool="api",stage="run"} 2"#,
        r#"pool_worker_admitted_level{pool="api"} 8191"#,
        r#"pool_worker_class_jobs_total{outcome="panicked",pool="api",priority="3"} 1"#,
        r#"pool_worker_class_jobs_total{outcome="expired",pool="api",priority="4"} 1"#,
        r#"pool_worker_class_jobs_total{outcome="closed",pool="api",priority="4"} 1"#,
        r#"pool_worker_class_delay_seconds_count{pool="api",priority="3",served="yes"} 2"#,
        r#"pool_worker_class_delay_seconds_count{pool="api",priority="4",served="yes"} 0"#,
        r#"pool_worker_class_delay_seconds_count{pool="api",priority="4",served="no"} 1"#,
        r#"pool_worker_class_delay_seconds_bucket{pool="api",priority="4",served="no",le="+Inf"} 1"#,
        "# TYPE pool_worker_class_delay_seconds histogram",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("quantile"), "{text}");
}

/// Of pools of one name the delays are summed, and a pool that had no job tells none.
#[test]
fn pools_of_one_name_are_one() {
    let pools = [(); 2].map(|()| {
        let run = |_: u32| ();
        let builder = ControlledPool::builder().name("api").capacity(1);
        builder.build(Control::new(), run, |_: Unserved<u32>| ())
    });
    let collect = || {
        let registry = Registry::new();
        let collector = PoolCollector::new().pool(&pools[0]).pool(&pools[1]);
        registry.register(Box::new(collector)).unwrap();
        let encoder = TextEncoder::new();
        encoder.encode_to_string(&registry.gather()).unwrap()
    };
    assert!(!collect().contains("class_delay"));
    for pool in &pools {
        pool.submit(Class::new().priority(3), 1).unwrap();
        pool.close(Duration::from_secs(60)).unwrap();
    }
    let line = r#"pool_worker_class_delay_seconds_count{pool="api",priority="3",served="yes"} 2"#;
    let text = collect();
    assert!(text.contains(line), "{line} in\n{text}");
}
