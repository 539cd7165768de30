//! More calls than can be served, for a moment: who is served then, and why the others are
//! not.
//!
//! They go to a service of their own, so that no alarm suffers: a handler waits for 10 ms,
//! as one that asks a database does, so that what can be served does not hang on the
//! machine. It is controlled by priority and delay, like the others with `--control`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use errgroup::Group;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use pool_worker::overload::{Codel, Control, ControlStats, Dagor};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{CallError, CallOptions, Client};
use crate::quantiles::Quantiles;
use crate::server::{PoolOptions, Service};
use crate::urgency::{PRIORITY, USER};
use crate::wire::{Code, ContentType};

/// The service's name.
pub const NAME: &str = "Busy";
const METHOD: &str = "/rpcdemo.Busy/Wait";
const WORKERS: u32 = 20;
const COST: Duration = Duration::from_millis(10);
/// How long a caller waits.
const TIMEOUT: Duration = Duration::from_millis(100);
const USERS: u64 = 1000;

/// Calls a second that can be served, at most.
pub const CAPACITY: u32 = WORKERS * 100;
/// Calls a second that come.
pub const OFFERED: u32 = 2 * CAPACITY;

/// The priorities of calls, and what they are called here.
const CLASSES: [(u8, &str); 3] = [(5, "urgent"), (20, "usual"), (40, "background")];
/// Of ten calls: the class of each. One is urgent, four are usual.
const TURNS: [usize; 10] = [0, 1, 2, 1, 2, 1, 2, 1, 2, 2];

/// The service that has too much to do.
#[must_use]
pub fn service() -> Service {
    let pool = PoolOptions {
        capacity: WORKERS as usize,
        queue: 10_000,
    };
    // Looks ten times a second, for it does not last long.
    let dagor = Dagor::new(COST / 2).window(Duration::from_millis(100), 2000);
    let control = Control::new().codel(Codel::default()).dagor(dagor);
    Service::new(NAME, "rpcdemo.Busy")
        .controlled(pool, control)
        .raw("Wait", |_, body| async move {
            sleep(COST).await;
            Ok(body)
        })
}

/// What became of the calls, as their callers see it.
#[derive(Debug)]
pub struct Tally([Mutex<Class>; CLASSES.len()]);

#[derive(Debug)]
struct Class {
    calls: u64,
    served: Histogram<u64>,
    not_sent: u64,
    ended: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self(std::array::from_fn(|_| {
            let bounds = Histogram::new_with_bounds(1, 60_000_000_000, 3);
            Mutex::new(Class {
                calls: 0,
                served: bounds.expect("bounds in their order"),
                not_sent: 0,
                ended: 0,
            })
        }))
    }
}

impl Tally {
    /// Calls that have begun, were served in time, and have ended otherwise.
    #[must_use]
    pub fn now(&self) -> [u64; 3] {
        self.0.iter().fold([0; 3], |[begun, served, other], class| {
            let class = class.lock();
            let in_time = class.served.len();
            let (begun, other) = (begun + class.calls, other + class.ended - in_time);
            [begun, served + in_time, other]
        })
    }

    fn ended(&self, class: usize, took: Duration, result: Result<Bytes, CallError>) {
        let mut class = self.0[class].lock();
        class.ended += 1;
        match result.map_err(|error| error.code()) {
            Ok(_) if took <= TIMEOUT => {
                let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                class.served.saturating_record(nanos);
            }
            Err(Code::CLIENT_OVERLOAD) => class.not_sent += 1,
            _ => {}
        }
    }

    /// Everything, with what the service says of those that it has turned away.
    #[must_use]
    pub fn report(&self, service: Option<&ControlStats>) -> OverloadReport {
        let mut report = OverloadReport {
            offered_per_second: OFFERED,
            capacity_per_second: CAPACITY,
            ..OverloadReport::default()
        };
        for ((priority, name), class) in CLASSES.into_iter().zip(&self.0) {
            let class = class.lock();
            let at_service = service.iter().flat_map(|service| &service.classes);
            let there = { at_service }.find(|there| there.priority == priority);
            let there = there.copied().unwrap_or_default();
            let refused = Refused {
                not_sent: class.not_sent,
                not_let_in: there.refused,
                shed: there.shed,
                no_room: there.full + there.displaced,
            };
            let known = class.served.len() + refused.total();
            report.unanswered += class.calls - class.ended;
            let class = ClassReport {
                calls: class.calls,
                served: class.served.len(),
                latency_us: (&class.served).into(),
                refused,
                late: class.calls.saturating_sub(known),
            };
            report.classes.insert(name.to_owned(), class);
        }
        report
    }
}

/// What became of the calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OverloadReport {
    /// Calls a second that came.
    pub offered_per_second: u32,
    /// Calls a second that can be served, at most.
    pub capacity_per_second: u32,
    /// By how urgent they were.
    pub classes: BTreeMap<String, ClassReport>,
    /// Calls that have not ended.
    pub unanswered: u64,
}

impl OverloadReport {
    /// The classes, the most urgent first.
    pub fn by_urgency(&self) -> impl Iterator<Item = (&'static str, &ClassReport)> {
        let classes = CLASSES.into_iter();
        classes.filter_map(|(_, name)| Some((name, self.classes.get(name)?)))
    }
}

/// What became of the calls of a class: each was served, refused or late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ClassReport {
    /// Calls.
    pub calls: u64,
    /// Answered in time.
    pub served: u64,
    /// How long those took.
    pub latency_us: Quantiles,
    /// Turned away.
    pub refused: Refused,
    /// Neither answered nor refused in time.
    pub late: u64,
}

/// Calls that were turned away, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// By their own client, which had been told that they would be: code 124.
    pub not_sent: u64,
    /// Less urgent than what is let in: code 22, as the others.
    pub not_let_in: u64,
    /// They had waited for too long.
    pub shed: u64,
    /// The queue was full, or they made room for more urgent ones.
    pub no_room: u64,
}

impl Refused {
    fn total(self) -> u64 {
        self.not_sent + self.not_let_in + self.shed + self.no_room
    }
}

/// Calls the service at its [`OFFERED`] rate for so long, or until `stop` completes;
/// returns when every call that was begun has ended.
pub async fn drive(
    client: Client,
    run: Duration,
    tally: Arc<Tally>,
    stop: impl Future<Output = ()>,
) {
    let calls = Group::<Infallible>::new();
    let (start, rate) = (Instant::now(), f64::from(OFFERED));
    let send = async {
        for nth in 0..(rate * run.as_secs_f64()) as u64 {
            let due = start + Duration::from_secs_f64(nth as f64 / rate);
            // The timer's step is a millisecond: several may be due.
            if due > Instant::now() {
                sleep_until(due).await;
            }
            calls.spawn(call(client.clone(), nth, Arc::clone(&tally)));
        }
    };
    tokio::select! {
        () = stop => {}
        () = send => {}
    }
    let Ok(()) = calls.wait().await;
}

async fn call(client: Client, nth: u64, tally: Arc<Tally>) -> Result<(), Infallible> {
    let class = TURNS[(nth % 10) as usize];
    tally.0[class].lock().calls += 1;
    let begun = Instant::now();
    let said = [
        (PRIORITY, u64::from(CLASSES[class].0)),
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
    let answer = client.call_raw(METHOD, ContentType::RAW, body, &options);
    let answer = answer.await;
    tally.ended(class, begun.elapsed(), answer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientOptions;
    use crate::server::{Server, ServerOptions};

    #[tokio::test]
    async fn each_call_is_served_refused_or_late_and_none_is_left() {
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(service(), "127.0.0.1:0").await.unwrap();
        let client = Client::new(addr, ClientOptions::default());
        let (tally, never) = (Arc::<Tally>::default(), std::future::pending());
        let run = Duration::from_millis(250);
        drive(client, run, Arc::clone(&tally), never).await;
        let handle = server.stats_handle();
        let drained = server.shutdown(Duration::from_secs(60)).await;
        assert_eq!(drained.lost, 0);
        let stats = handle.stats();
        let control = stats.services[0].control.as_ref();
        let report = tally.report(control);
        assert_eq!(report.unanswered, 0);
        let classes: Vec<_> = report.by_urgency().collect();
        let calls = |nth: usize| (classes[nth].0, classes[nth].1.calls);
        let all = [calls(0), calls(1), calls(2)];
        assert_eq!(all, [("urgent", 100), ("usual", 400), ("background", 500)]);
        for (name, class) in classes {
            let ends = class.served + class.refused.total() + class.late;
            assert_eq!(ends, class.calls, "{name}: {class:?}");
            assert_eq!(class.latency_us.count, class.served);
        }
        let [begun, served, other] = tally.now();
        assert_eq!(begun, served + other);
    }

    #[test]
    fn who_is_told_too_late_is_not_served() {
        let tally = Tally::default();
        let ok = || Ok(Bytes::new());
        tally.0[0].lock().calls = 3;
        tally.ended(0, TIMEOUT, ok());
        tally.ended(0, TIMEOUT + Duration::from_nanos(1), ok());
        tally.ended(0, Duration::ZERO, Err(CallError::Timeout));
        let report = tally.report(None);
        let urgent = &report.classes["urgent"];
        assert_eq!((urgent.served, urgent.late), (1, 2));
    }
}
