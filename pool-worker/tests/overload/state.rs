//! Workers of controlled pools that have a state.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc::channel;

use pool_worker::overload::{Class, Control};
use pool_worker::threads;

use crate::harness::LONG;

/// What is told when these come in turn to a worker that adds them up.
const SUMS: [(u32, Option<u32>); 4] = [(1, Some(1)), (2, Some(3)), (0, None), (4, Some(4))];

#[test]
fn a_state_stays_with_its_thread_until_a_job_panics() {
    let (tell, told) = channel();
    let pool = threads::ControlledPool::builder()
        .capacity(1)
        .build_with_state(
            Control::new(),
            || Rc::new(Cell::new(0)),
            move |sum: &mut Rc<Cell<u32>>, n: u32| {
                assert!(n > 0, "as intended");
                sum.set(sum.get() + n);
                tell.send(sum.get()).unwrap();
            },
            |unserved| unreachable!("{}", unserved.why),
        );
    for (n, _) in SUMS {
        pool.submit(Class::new(), n).unwrap();
    }
    pool.close(LONG).unwrap();
    assert!(told.try_iter().eq(SUMS.iter().filter_map(|(_, sum)| *sum)));
    let class = pool.stats().classes[0];
    assert_eq!((class.ran, class.panicked), (3, 1));
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_state_stays_with_its_task_until_a_job_panics() {
    let (tell, told) = channel();
    let pool = pool_worker::tasks::ControlledPool::builder()
        .capacity(1)
        .build_with_state(
            Control::new(),
            || 0,
            move |sum: u32, n: u32| {
                let tell = tell.clone();
                async move {
                    tokio::task::yield_now().await;
                    assert!(n > 0, "as intended");
                    tell.send(sum + n).unwrap();
                    sum + n
                }
            },
            |unserved| unreachable!("{}", unserved.why),
        );
    for (n, _) in SUMS {
        pool.submit(Class::new(), n).unwrap();
    }
    pool.close(LONG).await.unwrap();
    assert!(told.try_iter().eq(SUMS.iter().filter_map(|(_, sum)| *sum)));
    let class = pool.stats().classes[0];
    assert_eq!((class.ran, class.panicked), (3, 1));
}
