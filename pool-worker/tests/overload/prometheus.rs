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
        r#"pool_worker_delay_count{pool="api",stage="queued"} 2"#,
        r#"pool_worker_delay_count{pool="api",stage="run"} 2"#,
        r#"pool_worker_admitted_level{pool="api"} 8191"#,
        r#"pool_worker_class_jobs_total{outcome="panicked",pool="api",priority="3"} 1"#,
        r#"pool_worker_class_jobs_total{outcome="expired",pool="api",priority="4"} 1"#,
        r#"pool_worker_class_jobs_total{outcome="closed",pool="api",priority="4"} 1"#,
        r#"pool_worker_class_delay_seconds{pool="api",priority="3",quantile="0.99",served="yes"}"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}
