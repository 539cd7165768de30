//! The servers, each a process of its own: what it costs is told apart from
//! what its callers cost.

use std::io::{self, BufRead, BufReader, Lines, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rpc_demo::alarm::service;
use rpc_demo::server::{ObjectPools, PoolOptions, Server as Ours, ServerOptions};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::floor::{self, Answer};
use super::{tarpc, tonic};
use crate::process::Process;
use crate::runtime::WORKERS;

/// A server that this program can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The demo's, which answers in the task of the connection.
    OursInline,
    /// The demo's, which answers on its worker pool.
    OursPooled,
    /// The demo's, which answers in the task of the connection, each request in a
    /// parameter of its own.
    OursInlineNoObjectPool,
    /// The same on its worker pool.
    OursPooledNoObjectPool,
    /// The demo's, which answers in the task of the connection, with buffers of the
    /// allocator.
    OursInlineNoBufferPool,
    /// The same on its worker pool.
    OursPooledNoBufferPool,
    /// The demo's, which answers in the task of the connection, on a plain runtime.
    OursInlinePlainRuntime,
    /// The same on its worker pool.
    OursPooledPlainRuntime,
    /// The bare loop.
    FloorInline,
    /// The bare loop with a task for each call.
    FloorSpawn,
    /// tonic.
    Tonic,
    /// tarpc.
    Tarpc,
}

/// How the demo's server is set up.
struct Setup {
    on_workers: bool,
    without: Without,
}

/// Which of its object pools the demo's server does without, or whether it does without
/// threads that give way before they sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    Objects,
    Buffers,
    GivingWay,
}

impl Kind {
    fn ours(self) -> Option<Setup> {
        let (on_workers, without) = match self {
            Self::OursInline => (false, Without::Nothing),
            Self::OursPooled => (true, Without::Nothing),
            Self::OursInlineNoObjectPool => (false, Without::Objects),
            Self::OursPooledNoObjectPool => (true, Without::Objects),
            Self::OursInlineNoBufferPool => (false, Without::Buffers),
            Self::OursPooledNoBufferPool => (true, Without::Buffers),
            Self::OursInlinePlainRuntime => (false, Without::GivingWay),
            Self::OursPooledPlainRuntime => (true, Without::GivingWay),
            _ => return None,
        };
        Some(Setup {
            on_workers,
            without,
        })
    }
}

/// Becomes a server: prints the address it listens at, and ends with its
/// input.
///
/// # Errors
/// When it cannot listen.
pub fn serve(kind: Kind) -> Result<(), String> {
    let runtime = runtime_of(kind).worker_threads(WORKERS).build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let started = runtime.block_on(start(kind));
    // Ours goes on listening for as long as it is there.
    let (addr, _ours) = started.map_err(|error| error.to_string())?;
    println!("{addr}");
    let end = io::stdin().lock().read_to_end(&mut Vec::new());
    end.map(drop).map_err(|error| error.to_string())
}

/// That of the demo for all but the plain ones: what they cost beyond it is compared.
fn runtime_of(kind: Kind) -> Builder {
    match kind.ours() {
        Some(ours) if ours.without == Without::GivingWay => {
            let mut plain = Builder::new_multi_thread();
            plain.enable_all();
            plain
        }
        _ => rpc_demo::server::runtime(),
    }
}

/// Starts a server on the runtime; where it listens.
pub(super) async fn start(
    kind: Kind,
) -> Result<(SocketAddr, Option<Ours>), Box<dyn std::error::Error>> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    if let Some(ours) = kind.ours() {
        match ours.without {
            Without::Nothing | Without::GivingWay => {}
            Without::Objects => ObjectPools::without_params(),
            Without::Buffers => ObjectPools::without_buffers(),
        }
        let mut service = service::echo();
        if ours.on_workers {
            // As the demo sets it up when nothing is said.
            service = service.pooled(PoolOptions {
                capacity: 64 * num_cpus::get(),
                queue: 4096,
            });
        }
        let mut ours = Ours::new(ServerOptions::default());
        return Ok((ours.serve(service, any).await?, Some(ours)));
    }
    let listener = TcpListener::bind(any).await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        let served = match kind {
            Kind::Tonic => tonic::serve(listener)
                .await
                .map_err(|error| error.to_string()),
            Kind::Tarpc => tarpc::serve(listener)
                .await
                .map_err(|error| error.to_string()),
            Kind::FloorSpawn => bare(listener, Answer::Spawn).await,
            _ => bare(listener, Answer::Inline).await,
        };
        if let Err(error) = served {
            eprintln!("{kind:?}: {error}");
        }
    });
    Ok((addr, None))
}

async fn bare(listener: TcpListener, answer: Answer) -> Result<(), String> {
    let served = floor::serve(listener, answer).await;
    served.map_err(|error| error.to_string())
}

/// A server in a process of its own, which ends with this.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Held open: trpc-go logs something as it starts, and ends if nobody could read it.
    _output: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    /// Starts `program`, which prints the address it listens at and ends with
    /// its input.
    ///
    /// # Errors
    /// When it does not start, or ends before it listens.
    pub fn start(program: &Path, args: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().expect("it is piped");
        // What it prints before, and after, is not for us.
        let mut output = BufReader::new(output).lines();
        while let Some(line) = output.next().transpose()? {
            if let Ok(addr) = line.parse() {
                return Ok(Self {
                    child,
                    _output: output,
                    addr,
                });
            }
        }
        let _ = child.kill();
        child.wait()?;
        let shown = program.display();
        Err(io::Error::other(format!("{shown} did not listen")))
    }

    /// What it costs.
    #[must_use]
    pub fn process(&self) -> Process {
        Process::new(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
