//! The alarm system as a whole while its webhook is down, hangs or flaps: Check answers, the
//! other channels deliver, and each alarm has an outcome that is told.

mod address;
mod notifier;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use address::address;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use clap::Parser;
use notifier::{OPEN, spec, until};
use rpc_demo::admin::Admin;
use rpc_demo::alarm::message::{CheckReply, CheckRequest, Point};
use rpc_demo::alarm::policy::ChannelKind;
use rpc_demo::alarm::service::CHECK;
use rpc_demo::alarm::store::{PolicyStore, StoreBuilder};
use rpc_demo::cli::Cli;
use rpc_demo::client::{CallOptions, Client, ClientOptions};
use rpc_demo::config::Settings;
use rpc_demo::http::HttpServer;
use rpc_demo::listen::Listen;
use rpc_demo::stack::{Stack, StackFigures};
use rpc_demo::traceparent::TraceParent;
use rpc_demo::wire::Code;
use tokio::sync::Semaphore;

const ALARMS: u64 = 40;

/// Answers when it is let, with errors at first.
#[derive(Clone)]
struct Receiver {
    let_in: Arc<Semaphore>,
    errors: Arc<AtomicU32>,
    received: Arc<AtomicU64>,
}

impl Receiver {
    fn new(open: bool, errors: u32) -> Self {
        let permits = if open { Semaphore::MAX_PERMITS } else { 0 };
        Self {
            let_in: Arc::new(Semaphore::new(permits)),
            errors: Arc::new(errors.into()),
            received: Arc::default(),
        }
    }

    async fn start(&self, addr: SocketAddr) -> HttpServer {
        let router = Router::new().route("/", post(receive));
        let router = router.with_state(self.clone());
        HttpServer::start(addr, router).await.unwrap()
    }
}

async fn receive(
    State(to): State<Receiver>,
    Json(batch): Json<Vec<serde_json::Value>>,
) -> StatusCode {
    let _let_in = to.let_in.acquire().await;
    let left = |left: u32| left.checked_sub(1);
    if to.errors.fetch_update(Relaxed, Relaxed, left).is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    to.received.fetch_add(batch.len() as u64, Relaxed);
    StatusCode::NO_CONTENT
}

/// A stack with one policy, told on all channels, and the receiver of its webhook.
struct System {
    folder: tempfile::TempDir,
    receiver: Receiver,
    /// None while the receiver is down.
    server: Option<HttpServer>,
    addr: SocketAddr,
    stack: Stack,
}

impl System {
    async fn start(receiver: Receiver) -> Self {
        Self::start_with(receiver, 1, |_| ()).await
    }

    /// With so many policies that are the same, and other settings.
    async fn start_with(receiver: Receiver, same: usize, other: fn(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addr = address();
        let server = receiver.start(addr).await;
        let mut settings = Cli::parse_from(["rpc-demo"]).options.settle().unwrap();
        settings.listen = Listen::FREE;
        settings.alarm_log = folder.path().join("alarms.log");
        settings.webhook = Some(format!("http://{addr}/").parse().unwrap());
        other(&mut settings);
        let admin = Admin::start(Listen::FREE.admin).await.unwrap();
        let store = std::future::ready(policies(same));
        let stack = Stack::start(&settings, store, admin).await.unwrap();
        Self {
            folder,
            receiver,
            server: Some(server),
            addr,
            stack,
        }
    }

    /// One whose webhook hangs with alarms that everybody else has.
    async fn hanging() -> Self {
        let system = Self::start(Receiver::new(false, 0)).await;
        system.check(95.0).await;
        system
            .until(|now| delivered(now) == [ALARMS, 0, ALARMS])
            .await;
        // Notify has all of them, though one channel has none.
        system.until(|now| now.handed_over == ALARMS).await;
        system
    }

    /// The receiver goes down; another one may come at its address.
    async fn down(&mut self) {
        self.server.take().unwrap().stop(Duration::ZERO).await;
    }

    async fn up_again(&mut self) {
        self.server = Some(self.receiver.start(self.addr).await);
    }

    /// Has a reading of each instance checked, a call each; each raises an alarm.
    async fn check(&self, value: f64) {
        self.check_each(ALARMS, value, 1).await;
    }

    /// The same with so many instances, and alarms for each.
    async fn check_each(&self, instances: u64, value: f64, alarms: u32) {
        let client = Client::new(self.stack.addrs().check, ClientOptions::default());
        for instance in 0..instances {
            let point = Point {
                region: "gz".into(),
                product: "cvm".into(),
                metric: "cpu".into(),
                instance: instance.to_string(),
                value,
                time_ms: 1,
            };
            let request = CheckRequest {
                points: vec![point],
            };
            let options = CallOptions::default();
            let reply = client.call::<_, CheckReply>(CHECK, &request, &options);
            assert_eq!(reply.await.unwrap().alarms, alarms);
        }
        client.close().await;
    }

    /// Waits until the figures are like this.
    async fn until(&self, done: impl Fn(&StackFigures) -> bool) {
        until(|| done(&self.stack.watch().figures())).await;
    }

    /// Stops it, with every alarm that was raised accounted for; the last figures, and what
    /// the alarm log and the receiver have.
    async fn stop(self, grace: Duration, raised: u64) -> (StackFigures, String, u64) {
        let last = self.stack.stop(grace).await;
        all_accounted_for(&last, raised);
        self.receiver.let_in.close();
        if let Some(server) = self.server {
            server.stop(Duration::ZERO).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("alarms.log"));
        (last, log.unwrap(), self.receiver.received.load(Relaxed))
    }
}

fn policies(same: usize) -> Arc<PolicyStore> {
    let mut builder = StoreBuilder::default();
    let channels = [ChannelKind::Log, ChannelKind::Webhook, ChannelKind::Memory];
    (0..same).for_each(|_| builder.add(&spec(&channels, OPEN)));
    Arc::new(builder.finish())
}

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// Delivered by the log, by the webhook, by the memory.
fn delivered(figures: &StackFigures) -> [u64; 3] {
    let kinds = [ChannelKind::Log, ChannelKind::Webhook, ChannelKind::Memory];
    kinds.map(|kind| {
        let mut channels = figures.notify.channels.iter();
        let channel = channels.find(|channel| channel.kind == kind);
        channel.unwrap().delivered
    })
}

/// Every alarm that was raised was handed over, and has one outcome.
fn all_accounted_for(figures: &StackFigures, raised: u64) {
    let notify = &figures.notify;
    assert_eq!((figures.raised, figures.handed_over), (raised, raised));
    let outcomes = notify.shielded + notify.duplicates + notify.stale + notify.untellable;
    let told: u64 = notify.told.values().sum();
    assert_eq!(outcomes + told + notify.untold, raised, "{notify:?}");
}

#[tokio::test]
async fn a_webhook_that_hangs_holds_up_neither_check_nor_the_other_channels() {
    let system = System::hanging().await;
    assert_eq!(system.stack.watch().figures().waiting, 0);
    system.receiver.let_in.add_permits(Semaphore::MAX_PERMITS);
    system.until(|now| delivered(now) == [ALARMS; 3]).await;
    let (last, log, _) = system.stop(LONG, ALARMS).await;
    assert_eq!(last.lost(), 0);
    // Each alarm bears the id and the span of its own request, whatever it travelled with.
    let requests = log.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        let span: TraceParent = text("traceparent").parse().unwrap();
        assert_eq!(span.trace.to_string(), text("request_id"));
        (text("request_id"), span.span)
    });
    let requests: HashMap<_, _> = requests.collect();
    let spans: HashSet<_> = requests.values().collect();
    assert_eq!((requests.len(), spans.len()), (40, 40));
}

#[tokio::test]
async fn a_webhook_that_is_down_is_told_all_when_it_is_back() {
    let mut system = System::start(Receiver::new(true, 0)).await;
    system.down().await;
    system.check(95.0).await;
    system.check(5.0).await;
    let others = [2 * ALARMS, 0, 2 * ALARMS];
    system.until(|now| delivered(now) == others).await;
    system.up_again().await;
    let (last, _, received) = system.stop(LONG, 2 * ALARMS).await;
    assert_eq!((delivered(&last), last.lost()), ([2 * ALARMS; 3], 0));
    assert_eq!(received, 2 * ALARMS);
}

#[tokio::test]
async fn a_webhook_that_flaps_is_told_all() {
    let system = System::start(Receiver::new(true, 5)).await;
    system.check(95.0).await;
    let (last, _, received) = system.stop(LONG, ALARMS).await;
    assert_eq!((delivered(&last), last.lost()), ([ALARMS; 3], 0));
    assert_eq!(received, ALARMS);
}

#[tokio::test]
async fn who_stops_while_a_webhook_hangs_is_told_what_it_did_not_deliver() {
    let system = System::hanging().await;
    // It would be tried for two minutes.
    let (last, ..) = system.stop(Duration::from_millis(100), ALARMS).await;
    assert_eq!(
        (delivered(&last), last.lost()),
        ([ALARMS, 0, ALARMS], ALARMS)
    );
    assert_eq!(last.report().channels["webhook"].open, ALARMS);
}

#[tokio::test]
async fn what_others_tell_notify_does_not_make_up_for_an_alarm_that_was_not_handed_over() {
    let system = System::start(Receiver::new(true, 0)).await;
    system.check(95.0).await;
    let (mut last, ..) = system.stop(LONG, ALARMS).await;
    assert_eq!(last.lost(), 0);
    last.raised += 3;
    last.notify.alarms += 1_000;
    last.notify.duplicates += 1_000;
    assert_eq!(last.lost(), 3);
}

#[tokio::test]
async fn each_outcome_of_an_alarm_is_on_the_page_of_figures() {
    let system = System::start(Receiver::new(true, 0)).await;
    system.check(95.0).await;
    let (mut last, ..) = system.stop(LONG, ALARMS).await;
    let notify = &mut last.notify;
    (notify.shielded, notify.duplicates, notify.stale) = (1, 2, 3);
    (notify.untellable, notify.untold) = (4, 5);
    let webhook = &mut notify.channels[1];
    (webhook.failed, webhook.no_room, webhook.open) = (6, 7, 8);
    let page = rpc_demo::metrics::render(&last);
    for figure in [
        "alarms_raised_total 40",
        "alarms_shielded_total 1",
        "alarms_duplicate_total 2",
        "alarms_stale_total 3",
        "alarms_untellable_total 4",
        "alarms_untold_total 5",
        "alarms_told_total{product=\"cvm\"} 40",
        "alarms_waiting 0",
        "notifications_delivered_total{channel=\"webhook\"} 40",
        "notifications_failed_total{channel=\"webhook\"} 6",
        "notifications_no_room_total{channel=\"webhook\"} 7",
        "notifications_waiting{channel=\"webhook\"} 8",
    ] {
        let line = format!("rpc_demo_{figure}");
        assert!(page.lines().any(|has| has == line), "no {line} in {page}");
    }
}

#[tokio::test]
async fn alarms_that_fit_into_no_frame_together_are_handed_over_in_parts() {
    const SAME: u32 = 100;
    let short = |settings: &mut Settings| settings.max_frame = 1024;
    let receiver = Receiver::new(true, 0);
    let system = System::start_with(receiver, SAME as usize, short).await;
    system.check_each(1, 95.0, SAME).await;
    let (last, log, _) = system.stop(LONG, SAME.into()).await;
    assert_eq!(last.lost(), 0);
    assert_eq!(log.lines().count(), SAME as usize);
    // They were found too long before they were sent: no connection broke.
    let errors = &last.notify_client.errors;
    assert!(errors.keys().eq([&Code::CLIENT_ENCODE.0]), "{errors:?}");
}
