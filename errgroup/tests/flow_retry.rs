//! Options of a node: retry, timeout, fallback, condition.

#![cfg(feature = "flow")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use errgroup::flow::{Flow, OnFailure, Retry};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// The pauses between the attempts of two nodes that fail until they give up.
async fn pauses(retry: Retry) -> [Vec<Duration>; 2] {
    let mut flow = Flow::<&str>::new().on_failure(OnFailure::SkipDescendants);
    let calls = [(); 2].map(|()| {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&calls);
        let always_fails = move |()| {
            noted.lock().unwrap().push(Instant::now());
            async { Err::<(), _>("always") }
        };
        flow.step("fails", (), always_fails).retry(retry).add();
        calls
    });
    flow.run().await;
    calls.map(|calls| {
        let calls = calls.lock().unwrap();
        calls.windows(2).map(|two| two[1] - two[0]).collect()
    })
}

/// What tokio's timer may add to a pause.
const TICK: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn pauses_grow_up_to_the_longest_and_lie_between_half_and_the_whole() {
    let pauses = pauses(Retry::times(6).pause(SECOND, 5 * SECOND)).await;
    for pauses in pauses {
        assert_eq!(pauses.len(), 6);
        for (pause, nominal) in pauses.into_iter().zip([1, 2, 4, 5, 5, 5]) {
            let nominal = nominal * SECOND;
            assert!(pause >= nominal / 2 && pause <= nominal + TICK, "{pause:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_pause_bounds_the_first_too() {
    for pauses in pauses(Retry::times(2).pause(9 * SECOND, SECOND).factor(3.0)).await {
        assert!(pauses.iter().all(|pause| *pause <= SECOND + TICK));
    }
}

#[tokio::test(start_paused = true)]
async fn two_who_fail_together_do_not_come_back_together() {
    let retry = Retry::times(8).pause(1000 * SECOND, 1000 * SECOND);
    let [one, other] = pauses(retry).await;
    assert_ne!(one, other);
    // And another run comes back at other times again.
    let [again, _] = pauses(retry).await;
    assert_ne!(one, again);
}

#[tokio::test(start_paused = true)]
async fn a_factor_of_one_keeps_the_pause() {
    let [pauses, _] = pauses(Retry::times(5).pause(SECOND, 99 * SECOND).factor(1.0)).await;
    assert!(pauses.iter().all(|pause| *pause <= SECOND + TICK));
}
