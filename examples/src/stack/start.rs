//! The start, as a workflow: each step as soon as what it needs is there.
//!
//! The policies take the longest, so what does not need them goes on meanwhile; a step that
//! fails ends the start, and drops what had been started. `DESIGN.md` has it drawn.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use errgroup::Group;
use errgroup::flow::{Failure, Flow, Node, Report, State};
use pool_worker::overload::{Codel, Control, Dagor};

use super::{Addrs, Stack, StartError, Watch};
use crate::admin::Admin;
use crate::alarm::channel::{Channel, Memory};
use crate::alarm::check::Checker;
use crate::alarm::log_file::LogFile;
use crate::alarm::notify::{Notifier, NotifyOptions};
use crate::alarm::outbox::Outbox;
use crate::alarm::service;
use crate::alarm::store::PolicyStore;
use crate::alarm::webhook::{Receiver, Webhook};
use crate::client::{Balanced, BalancedOptions, Retry};
use crate::config::Settings;
use crate::server::{PoolOptions, Server};

/// How many alarms the memory channel keeps.
const KEEP_ALARMS: usize = 1_000;

/// Shared by the report and who asks for it, so behind a pointer.
type Shared = Arc<StartError>;

/// What tells people.
struct Telling {
    notifier: Arc<Notifier>,
    memory: Arc<Memory>,
}

/// `alarm.Notify` at work.
struct Back {
    server: Server,
    notify: SocketAddr,
}

/// Echo and `alarm.Check` at work.
struct Front {
    server: Server,
    checker: Arc<Checker>,
    echo: SocketAddr,
    check: SocketAddr,
}

/// The nodes whose outputs make the stack.
struct Nodes {
    receiver: Node<Option<Receiver>>,
    telling: Node<Telling>,
    back: Node<Back>,
    outbox: Node<Outbox>,
    front: Node<Front>,
}

pub(super) async fn start(
    settings: &Settings,
    policies: impl Future<Output = Arc<PolicyStore>> + Send + 'static,
    admin: Admin,
) -> Result<Stack, StartError> {
    let (flow, nodes) = plan(settings, policies);
    let report = flow.run().await;
    tell(&report);
    let Some(parts) = Parts::of(&report, &nodes) else {
        return Err(why(report));
    };
    // Nothing else has its outputs then.
    drop(report);
    Ok(parts.stack(settings, admin))
}

/// What is done, and what each step needs.
fn plan(
    settings: &Settings,
    policies: impl Future<Output = Arc<PolicyStore>> + Send + 'static,
) -> (Flow<Shared>, Nodes) {
    let settings = Arc::new(settings.clone());
    let mut flow = Flow::new();

    let policies = flow.node("policies", (), |()| async { Ok(policies.await) });
    let with = Arc::clone(&settings);
    let log = flow.node("alarm log", (), |()| async move {
        LogFile::open(&with.alarm_log).map_err(|source| {
            let path = with.alarm_log.clone();
            Arc::new(StartError::AlarmLog { path, source })
        })
    });
    let own = settings.webhook.is_none();
    let receiver = flow.node("webhook receiver", (), move |()| async move {
        let receiver = match own {
            true => Some(Receiver::start().await),
            false => None,
        };
        receiver
            .transpose()
            .map_err(StartError::Receiver)
            .map_err(Arc::new)
    });

    let with = Arc::clone(&settings);
    let channels = (policies, log, receiver);
    let telling = flow.node("channels", channels, |(store, log, receiver)| async move {
        Ok(tell_over(&with, &store, log, receiver.as_ref().as_ref()))
    });
    let with = Arc::clone(&settings);
    let back = flow.node("alarm.Notify", telling, |telling| async move {
        serve_back(&with, &telling.notifier).await.map_err(Arc::new)
    });
    let with = Arc::clone(&settings);
    let outbox = flow.node("outbox", back, |back| async move {
        let client = BalancedOptions {
            client: with.client_options(),
            // What fails waits in the outbox, and goes along with the next call.
            retry: Retry::never(),
            ..BalancedOptions::default()
        };
        let client = Balanced::new(vec![back.notify], client).await;
        Ok(Outbox::new(client))
    });
    let checking = (policies, outbox);
    let front = flow.node(
        "alarm.Check and Echo",
        checking,
        |(store, outbox)| async move {
            serve_front(&settings, &store, &outbox)
                .await
                .map_err(Arc::new)
        },
    );
    let nodes = Nodes {
        receiver,
        telling,
        back,
        outbox,
        front,
    };
    (flow, nodes)
}

fn tell_over(
    settings: &Settings,
    store: &Arc<PolicyStore>,
    log: Arc<LogFile>,
    receiver: Option<&Receiver>,
) -> Telling {
    let own = receiver.map(Receiver::target);
    let target = settings.webhook.clone().or(own);
    let target = target.expect("a target was given, or there is a receiver");
    let memory = Arc::new(Memory::new(KEEP_ALARMS));
    let channels: Vec<Arc<dyn Channel>> = vec![
        log,
        Arc::new(Webhook::new(target, settings.timeout_webhook)),
        Arc::clone(&memory) as _,
    ];
    let options = NotifyOptions {
        dedup_window: settings.dedup,
        ..NotifyOptions::default()
    };
    let notifier = Notifier::new(Arc::clone(store), &options, channels);
    let notifier = Arc::new(notifier);
    Telling { notifier, memory }
}

fn pool(settings: &Settings) -> PoolOptions {
    PoolOptions {
        capacity: settings.workers,
        queue: settings.queue,
    }
}

fn control(settings: &Settings) -> Option<Control> {
    let control = Control::new()
        .codel(Codel::default())
        .dagor(Dagor::default());
    settings.control.then_some(control)
}

async fn serve_back(settings: &Settings, notifier: &Arc<Notifier>) -> Result<Back, StartError> {
    let mut server = Server::new(settings.server_options());
    let service = service::notify(Arc::clone(notifier), pool(settings))
        .timeout(settings.timeout_notify)
        .slow(settings.slow_notify);
    let service = settings.method_timeouts(service);
    let service = service.controlled_by(control(settings));
    let notify = server.serve(service, settings.listen.notify).await?;
    // What of the notes' "user hooks" the alarms need: who consumes is waited for, and
    // then each channel is closed.
    let last = Arc::clone(notifier);
    server.on_shutdown("deliveries ended", settings.grace, async move || {
        last.delivered().await;
        Ok::<_, Infallible>(())
    });
    let last = Arc::clone(notifier);
    let close = async move || last.close().await;
    server.on_shutdown("channels closed", settings.grace, close);
    Ok(Back { server, notify })
}

async fn serve_front(
    settings: &Settings,
    store: &Arc<PolicyStore>,
    outbox: &Arc<Outbox>,
) -> Result<Front, StartError> {
    let checker = Arc::new(Checker::new(Arc::clone(store)));
    let mut server = Server::new(settings.server_options());
    let service = service::check(Arc::clone(&checker), Arc::clone(outbox), pool(settings))
        .timeout(settings.timeout_check)
        .slow(settings.slow_check);
    let service = settings.method_timeouts(service);
    let service = service.controlled_by(control(settings));
    let check = server.serve(service, settings.listen.check).await?;
    let service = service::echo()
        .timeout(settings.timeout_echo)
        .slow(settings.slow_echo);
    let service = settings.method_timeouts(service);
    let echo = server.serve(service, settings.listen.echo).await?;

    let consumer = Group::<Infallible>::new();
    let consumed = Arc::clone(outbox);
    consumer.spawn(async move {
        consumed.consume().await;
        Ok(())
    });
    // Nothing produces any more when the hooks run, and who consumes is waited for.
    let (last, name) = (Arc::clone(outbox), "alarms handed over to Notify");
    server.on_shutdown(name, settings.grace, async move || {
        last.close();
        consumer.wait().await
    });
    Ok(Front {
        server,
        checker,
        echo,
        check,
    })
}

/// What the steps have made.
struct Parts {
    receiver: Arc<Option<Receiver>>,
    telling: Arc<Telling>,
    back: Arc<Back>,
    outbox: Arc<Outbox>,
    front: Arc<Front>,
}

impl Parts {
    /// None when a step has failed.
    fn of(report: &Report<Shared>, nodes: &Nodes) -> Option<Self> {
        Some(Self {
            receiver: report.get(nodes.receiver)?,
            telling: report.get(nodes.telling)?,
            back: report.get(nodes.back)?,
            outbox: report.get(nodes.outbox)?,
            front: report.get(nodes.front)?,
        })
    }

    fn stack(self, settings: &Settings, admin: Admin) -> Stack {
        let (receiver, back, front) = (own(self.receiver), own(self.back), own(self.front));
        let Telling { notifier, memory } = own(self.telling);
        let watch = Watch {
            front: front.server.stats_handle(),
            back: back.server.stats_handle(),
            checker: front.checker,
            notifier,
            outbox: self.outbox,
            memory,
            received: receiver.as_ref().map(Receiver::received),
        };
        admin.ready(watch.clone(), settings);
        let addrs = Addrs {
            echo: front.echo,
            check: front.check,
            notify: back.notify,
            admin: admin.addr(),
        };
        Stack {
            front: front.server,
            back: back.server,
            admin,
            receiver,
            watch,
            addrs,
            lame_duck: settings.lame_duck,
        }
    }
}

/// An output whose steps have all ended, and whose report is gone.
fn own<T>(output: Arc<T>) -> T {
    Arc::into_inner(output).expect("nobody else has it any more")
}

/// How long each step took.
fn tell(report: &Report<Shared>) {
    for step in report.nodes().filter(|step| step.state == State::Succeeded) {
        let took = step.took().unwrap_or(Duration::ZERO);
        tracing::info!(step = step.name, ?took, "started");
    }
}

/// The error of the step that failed first.
fn why(report: Report<Shared>) -> StartError {
    let first = report.first_failure().expect("a step failed");
    let error = match first.failure {
        Some(Failure::Error(error)) => Arc::clone(error),
        Some(Failure::Panicked(panic)) => panic!("{}: {panic}", first.name),
        _ => unreachable!("no step has a time to keep to"),
    };
    drop(report);
    Arc::into_inner(error).expect("the report had it")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::alarm::store::StoreBuilder;
    use crate::cli::Cli;
    use crate::listen::Listen;

    fn settings(folder: &tempfile::TempDir) -> Settings {
        let mut settings = Cli::parse_from(["rpc-demo"]).options.settle().unwrap();
        settings.listen = Listen::FREE;
        settings.alarm_log = folder.path().join("alarms.log");
        settings
    }

    async fn none() -> Arc<PolicyStore> {
        Arc::new(StoreBuilder::default().finish())
    }

    #[tokio::test]
    async fn the_design_has_the_start_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (flow, _) = plan(&settings(&folder), none());
        let drawn = flow.mermaid();
        assert!(include_str!("../../DESIGN.md").contains(&drawn), "{drawn}");
    }

    #[tokio::test]
    async fn what_needs_no_policies_does_not_wait_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder);
        let log = settings.alarm_log.clone();
        // They are there when the alarm log is, which another step makes.
        let policies = async move {
            while !log.exists() {
                tokio::task::yield_now().await;
            }
            none().await
        };
        let admin = Admin::start(Listen::FREE.admin).await.unwrap();
        let stack = start(&settings, policies, admin).await.unwrap();
        assert_eq!(stack.stop(settings.grace).await.lost(), 0);
    }

    #[tokio::test]
    async fn a_step_that_fails_ends_the_start_and_what_was_started_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        settings.listen.echo = taken.local_addr().unwrap();
        let store = none().await;
        let kept = Arc::downgrade(&store);
        let admin = Admin::start(Listen::FREE.admin).await.unwrap();
        let error = start(&settings, std::future::ready(store), admin).await;
        let error = error.unwrap_err();
        let told = format!("Echo: cannot listen at {}", settings.listen.echo);
        assert!(error.to_string().starts_with(&told), "{error}");
        // What had it were Notify, its channels and Check.
        while kept.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_alarm_log_that_cannot_be_written_is_told_though_policies_are_never_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder);
        settings.alarm_log = folder.path().join("nowhere").join("alarms.log");
        let admin = Admin::start(Listen::FREE.admin).await.unwrap();
        let error = start(&settings, std::future::pending(), admin).await;
        let error = error.unwrap_err();
        assert!(matches!(error, StartError::AlarmLog { .. }), "{error}");
    }
}
