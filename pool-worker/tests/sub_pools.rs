//! What parts of a pool of tasks have beside those of threads: waits that are given up.
#![cfg(all(feature = "tokio", not(loom_models)))]

use std::sync::Arc;
use std::time::Duration;

use pool_worker::{Reason, tasks};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_sub_pool_of_tasks_gives_its_place_back_whatever_happens() {
    let pool = Arc::new(tasks::Pool::new(4));
    let part = tasks::SubPool::new(&pool, "part", 1);
    let (gate, open) = tokio::sync::oneshot::channel::<()>();
    part.submit(async { drop(open.await) }).await.unwrap();
    assert_eq!(part.try_submit(async {}).unwrap_err().pool(), "part");
    // Given up while it waits: nothing is lost with it.
    let given_up = tokio::time::timeout(Duration::ZERO, part.submit(async {})).await;
    assert!(given_up.is_err());
    drop(gate);
    part.submit(async { panic!("as intended") }).await.unwrap();
    part.submit(async {}).await.unwrap();
    part.wait_idle().await;
    pool.close(LONG).await.unwrap();
    let refused = part.submit(async {}).await.unwrap_err();
    assert_eq!((refused.reason(), part.taken()), (Reason::Closed, 0));
    assert_eq!((pool.stats().ran, pool.stats().panicked), (2, 1));
}
