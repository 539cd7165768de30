//! More calls than can be served, for a moment: who is served then, and why the others are
//! not.
//!
//! They go to a service of their own, so that no alarm suffers: a handler waits for 10 ms,
//! as one that asks a database does, so that what can be served does not hang on the
//! machine. Calls come when they are due, whether or not earlier ones have ended.

mod report;
mod tally;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use errgroup::Group;
use pool_worker::overload::{Codel, Control, Dagor};
use tokio::time::{Instant, sleep, sleep_until};

pub use report::{ClassReport, OverloadReport, TurnedAway};
pub use tally::Tally;

use crate::client::{CallError, CallOptions, Client};
use crate::server::{PoolOptions, Service};
use crate::urgency::{PRIORITY, USER};
use crate::wire::ContentType;

/// The service's name.
pub const NAME: &str = "Busy";
const METHOD: &str = "/rpcdemo.Busy/Wait";
/// Calls that are served at a time.
pub const WORKERS: u32 = 20;
const COST: Duration = Duration::from_millis(10);
/// How long a caller waits.
const TIMEOUT: Duration = Duration::from_millis(100);
const USERS: u64 = 1000;

/// Calls a second that can be served, at most.
pub const CAPACITY: u32 = WORKERS * 100;

/// The priorities of calls, and what they are called here.
const CLASSES: [(u8, &str); 3] = [(5, "urgent"), (20, "usual"), (40, "background")];
/// Of ten calls: the class of each. One is urgent, four are usual.
const TURNS: [usize; 10] = [0, 1, 2, 1, 2, 1, 2, 1, 2, 2];

const POOL: PoolOptions = PoolOptions {
    capacity: WORKERS as usize,
    queue: 10_000,
};

/// The service that has too much to do, controlled by priority and delay, as others are
/// with `--control`.
#[must_use]
pub fn controlled() -> Service {
    // Looks ten times a second, for it does not last long.
    let dagor = Dagor::new(COST / 2).window(Duration::from_millis(100), 2000);
    let control = Control::new().codel(Codel::default()).dagor(dagor);
    waiting(Service::new(NAME, "rpcdemo.Busy").controlled(POOL, control))
}

/// The same, first come, first served.
#[must_use]
pub fn uncontrolled() -> Service {
    waiting(Service::new(NAME, "rpcdemo.Busy").pooled(POOL))
}

fn waiting(service: Service) -> Service {
    service.raw("Wait", |_, body| async move {
        sleep(COST).await;
        Ok(body)
    })
}

/// How many calls come.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls a second.
    pub per_second: f64,
    /// For how long.
    pub run: Duration,
    /// The part of that in which things settle: what is due in it is not counted.
    pub settles: Duration,
}

impl Load {
    /// Twice the capacity, for so long.
    #[must_use]
    pub fn double(run: Duration) -> Self {
        Self {
            per_second: f64::from(2 * CAPACITY),
            run,
            settles: Duration::ZERO,
        }
    }
}

/// Calls the service until the run is over, or `stop` completes; returns when every call
/// that was begun has ended.
pub async fn drive(client: Client, load: Load, tally: Arc<Tally>, stop: impl Future<Output = ()>) {
    let calls = Group::<Infallible>::new();
    let start = Instant::now();
    let send = async {
        for nth in 0..(load.per_second * load.run.as_secs_f64()) as u64 {
            let since_start = Duration::from_secs_f64(nth as f64 / load.per_second);
            let due = start + since_start;
            // The timer's step is a millisecond: several may be due.
            if due > Instant::now() {
                sleep_until(due).await;
            }
            let counted = (since_start >= load.settles).then(|| Arc::clone(&tally));
            let client = client.clone();
            calls.spawn(async move {
                if let Some(tally) = &counted {
                    tally.begun(class(nth));
                }
                let answer = call(&client, nth).await;
                if let Some(tally) = counted {
                    tally.ended(class(nth), due.elapsed(), answer);
                }
                Ok(())
            });
        }
    };
    tokio::select! {
        () = stop => {}
        () = send => {}
    }
    let Ok(()) = calls.wait().await;
}

/// The `nth` call.
///
/// # Errors
/// As of any call.
pub async fn call(client: &Client, nth: u64) -> Result<Bytes, CallError> {
    let said = [
        (PRIORITY, u64::from(CLASSES[class(nth)].0)),
        // Ten calls in a row are of different users.
        (USER, nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) % USERS),
    ];
    let said = said.map(|(key, value)| (key.to_owned(), value.to_string().into()));
    let options = CallOptions {
        timeout: TIMEOUT,
        meta: said.into(),
        ..CallOptions::default()
    };
    let body = Bytes::from_static(b"busy");
    client
        .call_raw(METHOD, ContentType::RAW, body, &options)
        .await
}

fn class(nth: u64) -> usize {
    TURNS[(nth % 10) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientOptions;
    use crate::server::{Server, ServerOptions};

    #[tokio::test]
    async fn each_call_has_one_end_and_the_service_knows_of_each_that_was_sent() {
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(controlled(), "127.0.0.1:0").await.unwrap();
        let client = Client::new(addr, ClientOptions::default());
        let (tally, never) = (Arc::<Tally>::default(), std::future::pending());
        let load = Load::double(Duration::from_millis(250));
        drive(client, load, Arc::clone(&tally), never).await;
        let handle = server.stats_handle();
        let drained = server.shutdown(Duration::from_secs(60)).await;
        assert_eq!(drained.lost, 0);
        let stats = handle.stats();
        let control = stats.services[0].control.as_ref().unwrap();
        let report = tally.report(load, Some(control));
        assert_eq!(report.unanswered, 0);
        let classes: Vec<_> = report.by_urgency().collect();
        let calls = |nth: usize| (classes[nth].0, classes[nth].1.calls);
        let all = [calls(0), calls(1), calls(2)];
        assert_eq!(all, [("urgent", 100), ("usual", 400), ("background", 500)]);
        for (name, class) in classes {
            let ends = class.served + class.not_sent + class.refused + class.late;
            assert_eq!((ends, class.failed), (class.calls, 0), "{name}: {class:?}");
            assert_eq!(class.latency_us.count, class.served);
            // What the callers were told, the service has said. It has said more to some
            // who did not wait for it.
            let TurnedAway {
                not_let_in,
                shed,
                no_room,
                expired,
            } = class.by_service;
            let said = not_let_in + shed + no_room + expired;
            let heard = class.refused..=class.refused + class.late;
            assert!(heard.contains(&said), "{name}: {class:?}");
        }
        let [begun, served, other] = tally.now();
        assert_eq!(begun, served + other);
    }

    #[tokio::test]
    async fn what_is_due_while_things_settle_is_not_counted() {
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(uncontrolled(), "127.0.0.1:0").await.unwrap();
        let client = Client::new(addr, ClientOptions::default());
        let (tally, never) = (Arc::<Tally>::default(), std::future::pending());
        let load = Load {
            per_second: 1000.0,
            run: Duration::from_millis(50),
            settles: Duration::from_millis(30),
        };
        drive(client, load, Arc::clone(&tally), never).await;
        assert_eq!(tally.now()[0], 20);
        assert_eq!(server.shutdown(Duration::from_secs(60)).await.lost, 0);
    }
}
