//! Controlled pools, many as one.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use pool_worker::overload::{Class, Control, Unserved};
use pool_worker::{MultiPool, Reason, Strategy, TrySubmit, threads};

use crate::harness::LONG;

#[test]
fn a_full_pool_has_another_take_the_job() {
    let (tell, told) = channel();
    let (go, held) = channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let pools = MultiPool::new(2, Strategy::RoundRobin, |_nth| {
        let (tell, held) = (tell.clone(), Arc::clone(&held));
        let run = move |job: u32| {
            tell.send(job).unwrap();
            let _ = held.lock().unwrap().recv();
        };
        let builder = threads::ControlledPool::builder().capacity(1).queue(0);
        builder.build(Control::new(), run, |_: Unserved<u32>| ())
    });
    let pools = pools.unwrap();
    // The first is busy, and it is its turn again.
    pools.pools()[0].submit(Class::new(), 0).unwrap();
    assert_eq!(told.recv(), Ok(0));
    pools.try_submit((Class::new().priority(2), 1)).unwrap();
    assert_eq!(told.recv(), Ok(1));
    let full = pools.try_submit((Class::new(), 2)).unwrap_err();
    assert_eq!(full.reason(), Reason::Full);
    assert_eq!(full.into_job().1, 2);
    drop(go);
    pools.close(LONG).unwrap();
    let total = pools.stats();
    assert_eq!((total.submitted, total.ran, total.rejected), (2, 2, 1));
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn pools_of_tasks_are_waited_for_and_closed_together() {
    use pool_worker::tasks::ControlledPool;
    let pools = MultiPool::new(3, Strategy::LeastLoaded, |_nth| {
        let run = |_: u32| tokio::task::yield_now();
        ControlledPool::builder().build(Control::new(), run, |_: Unserved<u32>| ())
    });
    let pools = pools.unwrap();
    for job in 0..30 {
        pools.by_key(&job).submit(Class::new(), job).unwrap();
    }
    pools.wait_idle().await;
    assert_eq!(pools.stats().ran, 30);
    pools.close(LONG).await.unwrap();
}
