//! The commands, from start to end.

mod all_in_one;

use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use tokio::time::{Instant, MissedTickBehavior};

use crate::admin::Admin;
use crate::alarm::loader;
use crate::alarm::store::PolicyStore;
use crate::cli::{Cli, Command};
use crate::client::{CallError, CallOptions, Client, ClientOptions};
use crate::config::{ConfigError, GivenOptions, Settings};
use crate::listen::Listen;
use crate::load::driver::{self, LoadPlan};
use crate::load::figures::CallFigures;
use crate::load::host;
use crate::load::profile::Profile;
use crate::provenance::Provenance;
use crate::report::{Report, Sent};
use crate::stack::{Stack, StartError, Watch};
use crate::view::{Live, View};
use crate::wire::ContentType;
use crate::{logging, netpoll, say, server, shutdown};

/// How long a call of the load may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a command did not go well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The options do not go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The options cannot be printed.
    #[error("as TOML: {0}")]
    Print(#[from] toml::ser::Error),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] logging::SinkError),
    /// The services did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The body is no JSON.
    #[error("the body is no JSON: {0}")]
    Body(serde_json::Error),
    /// The report cannot be written.
    #[error("report {}: {source}", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No runtime, or no signals.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Calls of the load ended with an error.
    #[error("{0} calls failed")]
    Failed(u64),
    /// Something accepted was lost.
    #[error("{0} accepted and lost")]
    Lost(u64),
}

impl JobError {
    /// 2 for bad input, 1 for a run that went wrong.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Log(_)
            | Self::Start(_)
            | Self::Body(_)
            | Self::Report { .. } => 2,
            Self::Print(_) | Self::System(_) | Self::Call(_) | Self::Failed(_) | Self::Lost(_) => 1,
        }
    }
}

/// Does what the command line says. Blocks until it is done.
///
/// # Errors
/// When it did not go well.
pub fn run(cli: Cli) -> Result<(), JobError> {
    let (file, lines) = match &cli.config {
        Some(path) => GivenOptions::from_file(path)?,
        None => Default::default(),
    };
    let said = cli.said.or(lines);
    let mut options = cli.options.or(file);
    options.log_to_console(cli.log, cli.log_format);
    let free = options.listen(Listen::FREE);
    let mut settings = options.settle().map_err(|error| error.said_by(&said))?;
    if cli.command.is_none() {
        // Beside a server that has been started already.
        settings.listen = free;
    }
    // Who only calls has the addresses of others.
    if !matches!(
        cli.command,
        Some(Command::Load { .. } | Command::Call { .. })
    ) {
        let checked = settings.listen.check();
        checked.map_err(|error| error.said_by(&said))?;
    }
    // Who asks what is in effect has no file begun for it.
    let logs = !matches!(cli.command, Some(Command::Config));
    // Gone last, when everything has been said.
    let _flush = logs.then(|| logging::start(&settings.log)).transpose()?;
    let runtime = server::runtime().build()?;
    let result = runtime.block_on(async {
        match cli.command {
            None => all_in_one::run(settings, cli.json).await,
            Some(Command::Serve) => serve(&settings).await,
            Some(Command::Config) => print(&settings, &said),
            Some(Command::Load { json }) => load(&settings, json.or(cli.json)).await,
            Some(Command::Call {
                method,
                json,
                addr,
                timeout,
            }) => {
                let addr = addr.unwrap_or_else(|| settings.listen.of(&method));
                call(addr, &method, json, timeout.0).await
            }
            // It has a runtime of its own.
            Some(Command::TracePoll { stacks }) => {
                Ok(tokio::task::block_in_place(|| trace_poll(stacks))?)
            }
        }
    });
    // Policies that are still being loaded are nobody's any more.
    runtime.shutdown_background();
    result
}

fn print(settings: &Settings, said: &Provenance) -> Result<(), JobError> {
    say::out(format_args!(
        "{}",
        said.annotate(&settings.to_toml()?).trim_end()
    ));
    Ok(())
}

async fn serve(settings: &Settings) -> Result<(), JobError> {
    let stop = shutdown::requested(settings.grace)?.shared();
    let Some(stack) = start_unless(settings, stop.clone()).await? else {
        return Ok(());
    };
    let addrs = stack.addrs();
    for (service, addr) in [
        ("Echo", addrs.echo),
        ("alarm.Check", addrs.check),
        ("alarm.Notify", addrs.notify),
        ("admin", addrs.admin),
    ] {
        say::out(format_args!("listening {service} {addr}"));
    }
    stop.await;
    let last = stack.stop(settings.grace).await;
    tracing::info!(lost = last.lost(), "stopped");
    match last.lost() {
        0 => Ok(()),
        lost => Err(JobError::Lost(lost)),
    }
}

async fn load(settings: &Settings, json: Option<PathBuf>) -> Result<(), JobError> {
    let json = json
        .map(|path| create(&path).map(|file| (path, file)))
        .transpose()?;
    let stop = shutdown::requested(settings.grace)?;
    let plan = load_plan(settings, settings.profile, settings.duration);
    let client = Client::new(settings.listen.check, ClientOptions::default());
    let figures = Arc::<CallFigures>::default();
    let start = Instant::now();
    let view = View::sending(settings.duration);
    tokio::select! {
        () = driver::drive(client.clone(), plan, Arc::clone(&figures), stop) => {}
        () = show(&view, &figures, None) => {}
    }
    view.finish();
    client.close().await;
    let sent = Sent {
        checks: figures.snapshot(),
        seconds: start.elapsed().as_secs_f64(),
        ..Sent::default()
    };
    finish(&Report::new(sent, None), json)
}

fn load_plan(settings: &Settings, profile: Profile, duration: Duration) -> LoadPlan {
    LoadPlan {
        profile,
        duration,
        seed: settings.seed,
        policies: settings.policies,
        timeout: CALL_TIMEOUT,
    }
}

async fn call(
    addr: SocketAddr,
    method: &str,
    body: String,
    timeout: Duration,
) -> Result<(), JobError> {
    serde_json::from_str::<serde::de::IgnoredAny>(&body).map_err(JobError::Body)?;
    let client = Client::new(addr, ClientOptions::default());
    let options = CallOptions {
        timeout,
        ..CallOptions::default()
    };
    let answer = client
        .call_raw(method, ContentType::JSON, Bytes::from(body), &options)
        .await;
    client.close().await;
    say::out(format_args!("{}", String::from_utf8_lossy(&answer?)));
    Ok(())
}

fn trace_poll(stacks: bool) -> std::io::Result<()> {
    say::out(format_args!(
        "     us  thread  task        step    what happens  [in Go]"
    ));
    for entry in netpoll::trace(stacks)? {
        say::out(format_args!("{entry}"));
    }
    Ok(())
}

/// Loads the policies and starts the services; the admin port is there from
/// the first moment.
async fn start(settings: &Settings) -> Result<Stack, JobError> {
    let addr = settings.listen.admin;
    let admin = Admin::start(addr).await;
    let admin = admin.map_err(|source| StartError::Admin { addr, source })?;
    Ok(Stack::start(settings, load_policies(settings), admin).await?)
}

/// The same; none when it is to stop before it has started. What had been started is gone.
async fn start_unless(
    settings: &Settings,
    stop: impl Future<Output = ()>,
) -> Result<Option<Stack>, JobError> {
    tokio::select! {
        // What has started is stopped as always, with nothing lost.
        biased;
        started = start(settings) => started.map(Some),
        () = stop => {
            tracing::info!("stopped before it had started");
            Ok(None)
        }
    }
}

fn load_policies(settings: &Settings) -> impl Future<Output = Arc<PolicyStore>> + Send + 'static {
    let Settings { policies, seed, .. } = *settings;
    let written = [host::policies(), settings.written_policies.clone()].concat();
    async move {
        let view = View::loading(u64::from(policies) + written.len() as u64);
        let loading = tokio::task::spawn_blocking(move || {
            let store = loader::load(policies, seed, &written, |more| view.advance(more));
            view.finish();
            Arc::new(store)
        });
        match loading.await {
            Ok(store) => store,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
}

/// Shows how it goes, every second, for ever.
async fn show(view: &View, figures: &CallFigures, watch: Option<&Watch>) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval_at(start, Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut ended = 0;
    loop {
        ticks.tick().await;
        let calls = figures.recent();
        let server = watch.map(|watch| watch.figures().report());
        let live = Live {
            calls_per_second: calls.ended - ended,
            delay: server.as_ref().map(|server| server.schedule_delay_us),
            alarms: server.as_ref().map(|server| server.alarms),
            calls,
        };
        ended = live.calls.ended;
        view.show(start.elapsed(), &live);
    }
}

fn create(path: &Path) -> Result<File, JobError> {
    let report = |source| JobError::Report {
        path: path.to_owned(),
        source,
    };
    File::create(path).map_err(report)
}

fn finish(report: &Report, json: Option<(PathBuf, File)>) -> Result<(), JobError> {
    say::out(format_args!("{report}"));
    if let Some((path, file)) = json {
        serde_json::to_writer_pretty(BufWriter::new(file), report).map_err(|error| {
            JobError::Report {
                path,
                source: error.into(),
            }
        })?;
    }
    match (report.lost, report.failed()) {
        (0, 0) => Ok(()),
        (0, failed) => Err(JobError::Failed(failed)),
        (lost, _) => Err(JobError::Lost(lost)),
    }
}
