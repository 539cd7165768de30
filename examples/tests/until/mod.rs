//! Waiting for what others do and tell nobody: it is looked at until it is so.
#![allow(dead_code)] // each test file uses a part of it

use std::panic::Location;
use std::time::{Duration, Instant};

/// Far longer than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// From one look to the next.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits until it is so.
#[track_caller]
pub fn until(mut done: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let wait = Wait::new();
    async move {
        while !done() {
            wait.go_on();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The same, where there is no runtime.
#[track_caller]
pub fn until_blocking(mut done: impl FnMut() -> bool) {
    let wait = Wait::new();
    while !done() {
        wait.go_on();
        std::thread::sleep(PAUSE);
    }
}

struct Wait {
    since: Instant,
    caller: &'static Location<'static>,
}

impl Wait {
    #[track_caller]
    fn new() -> Self {
        Self {
            since: Instant::now(),
            caller: Location::caller(),
        }
    }

    fn go_on(&self) {
        let Self { since, caller } = self;
        assert!(since.elapsed() < PATIENCE, "waited in vain at {caller}");
    }
}
