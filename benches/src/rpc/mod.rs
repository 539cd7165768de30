//! The RPC servers: an echo of bytes.

mod answers;
mod floor;
mod generator;
mod number;
mod ours;
mod server;
mod shape;
mod tarpc;
mod tasks;
mod tonic;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rpc_demo::alarm::service::ECHO;

pub use answers::{Answers, Caller};
pub use generator::Generator;
pub use server::{Kind, Server, serve};
pub use shape::Shape;

use crate::contestant::{Amount, Case, Contestant, Lost, Turn, Unit};
use crate::go::Go;
use crate::process::Process;

/// Idle connections.
const IDLE: usize = 10_000;
/// How long memory has to settle.
const SETTLE: Duration = Duration::from_secs(1);

/// How the callers reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// By the load generator.
    Trpc,
    /// By the demo's own client.
    Ours,
    Tonic,
    Tarpc,
}

/// Which program a server is, and what to tell it.
#[derive(Clone, Debug)]
struct Program {
    path: PathBuf,
    args: Vec<String>,
    wire: Wire,
}

/// The RPC case of this name, with trpc-go where it can be had.
#[must_use]
pub fn case(name: &'static str, go: Option<&Go>) -> Option<Case> {
    let shape = |connections, depth, body| Shape {
        connections,
        depth,
        body,
    };
    let (what, shape, pooled) = match name {
        "rpc/echo/1x1" => (
            "1 connection, 1 call at a time, 128 B, on one CPU",
            shape(1, 1, 128),
            false,
        ),
        "rpc/echo/64x1" => (
            "64 connections, 1 call at a time, 128 B",
            shape(64, 1, 128),
            false,
        ),
        "rpc/echo/1000x1" => (
            "1,000 connections, 1 call at a time, 128 B",
            shape(1000, 1, 128),
            false,
        ),
        "rpc/echo/16x64/pooled" => (
            "16 connections, 64 calls at a time, 128 B, by workers",
            shape(16, 64, 128),
            true,
        ),
        "rpc/echo/16x64/inline" => (
            "the same, answered where it was read",
            shape(16, 64, 128),
            false,
        ),
        "rpc/echo/64x1/16k" => (
            "64 connections, 1 call at a time, 16 KiB",
            shape(64, 1, 16 << 10),
            false,
        ),
        "rpc/idle" => (
            "resident memory of a connection that was used once, 10,000 open",
            shape(IDLE, 1, 128),
            false,
        ),
        _ => return None,
    };
    let is_idle = name == "rpc/idle";
    let on_one_cpu = name == "rpc/echo/1x1";
    let contestant = |(who, program, aside): (&str, Program, bool)| {
        let contestant = if is_idle {
            idle(who, program, shape)
        } else {
            echo(who, program, shape, on_one_cpu)
        };
        if aside {
            contestant.aside()
        } else {
            contestant
        }
    };
    let contestants = programs(pooled, go).into_iter().map(contestant).collect();
    let (unit, beside, amount): (_, &[_], _) = if is_idle {
        let once = Amount::Fixed {
            operations: IDLE as u64,
            turns: 3,
            quick: 1,
        };
        (Unit::Bytes, &[], once)
    } else {
        (
            Unit::Calls,
            &["p50_us", "p99_us", "server_cpu_us"],
            Amount::Fill(3),
        )
    };
    Some(Case {
        name,
        what,
        unit,
        beside,
        amount,
        contestants,
    })
}

/// Who takes part, by which program, and whether only beside the others.
fn programs(pooled: bool, go: Option<&Go>) -> Vec<(&'static str, Program, bool)> {
    let [ours, no_objects, no_buffers, plain] = if pooled {
        [
            Kind::OursPooled,
            Kind::OursPooledNoObjectPool,
            Kind::OursPooledNoBufferPool,
            Kind::OursPooledPlainRuntime,
        ]
    } else {
        [
            Kind::OursInline,
            Kind::OursInlineNoObjectPool,
            Kind::OursInlineNoBufferPool,
            Kind::OursInlinePlainRuntime,
        ]
    };
    let (also, also_who) = if pooled {
        (Kind::OursInline, "ours:inline")
    } else {
        (Kind::OursPooled, "ours:pooled")
    };
    let mut programs = vec![
        ("ours", this(ours, Wire::Trpc), false),
        ("ours:own-client", this(ours, Wire::Ours), true),
        (also_who, this(also, Wire::Trpc), true),
        ("ours:no-object-pool", this(no_objects, Wire::Trpc), true),
        ("ours:no-buffer-pool", this(no_buffers, Wire::Trpc), true),
        ("ours:plain-runtime", this(plain, Wire::Trpc), true),
        ("tokio:inline", this(Kind::FloorInline, Wire::Trpc), true),
        ("tokio:spawn", this(Kind::FloorSpawn, Wire::Trpc), true),
        ("tonic", this(Kind::Tonic, Wire::Tonic), false),
        ("tarpc", this(Kind::Tarpc, Wire::Tarpc), false),
    ];
    programs.extend(go.map(|go| {
        let program = Program {
            path: go.trpc(),
            args: Vec::new(),
            wire: Wire::Trpc,
        };
        ("go:trpc-go", program, false)
    }));
    programs
}

/// This program, as one of the servers.
fn this(kind: Kind, wire: Wire) -> Program {
    let name = clap::ValueEnum::to_possible_value(&kind).expect("none is skipped");
    Program {
        path: std::env::current_exe().unwrap_or_default(),
        args: vec!["--serve".to_owned(), name.get_name().to_owned()],
        wire,
    }
}

impl Program {
    fn start(&self) -> Result<Server, Lost> {
        let args: Vec<_> = self.args.iter().map(String::as_str).collect();
        Server::start(&self.path, &args).map_err(|error| Lost(error.to_string()))
    }
}

impl Wire {
    fn connect(self, addr: SocketAddr, shape: Shape) -> Result<Box<dyn Caller>, Lost> {
        let caller: Result<Box<dyn Caller>, String> = match self {
            Self::Trpc => Generator::connect(addr, ECHO, shape)
                .map(|caller| Box::new(caller) as _)
                .map_err(|error| error.to_string()),
            Self::Ours => Ok(Box::new(ours::Clients::of(addr, shape)) as _),
            Self::Tonic => tonic::Client::connect(addr, shape).map(|caller| Box::new(caller) as _),
            Self::Tarpc => tarpc::Client::connect(addr, shape).map(|caller| Box::new(caller) as _),
        };
        caller.map_err(Lost)
    }

    /// The same, once a call on each connection has been answered: trpc-go has reset, now and
    /// then, who came just when it had begun to listen.
    fn answered(self, addr: SocketAddr, shape: Shape) -> Result<Box<dyn Caller>, Lost> {
        let mut tries = 0..10;
        loop {
            let answered = self.connect(addr, shape).and_then(|mut caller| {
                caller.call(shape.connections as u64).map_err(Lost)?;
                Ok(caller)
            });
            if answered.is_ok() || tries.next().is_none() {
                return answered;
            }
            std::thread::sleep(SETTLE / 10);
        }
    }
}

/// Calls over connections that stay from turn to turn; if so wanted with server and
/// caller on one CPU, where neither waits for another one to wake up.
fn echo(who: &str, program: Program, shape: Shape, on_one_cpu: bool) -> Contestant {
    let mut open = None;
    Contestant::measured(who, move |calls| {
        if open.is_none() {
            let server = program.start()?;
            let caller = program.wire.answered(server.addr, shape)?;
            open = Some((caller, server));
        }
        let (caller, server) = open.as_mut().expect("was opened");
        let cpu = || {
            server
                .process()
                .cpu()
                .map_err(|error| Lost(error.to_string()))
        };
        let keep = |process: Process| {
            let kept = on_one_cpu.then(|| process.on_one_cpu()).transpose();
            kept.map_err(|error| Lost(error.to_string()))
        };
        let _kept = (keep(Process::this())?, keep(server.process())?);
        let before = cpu()?;
        let answers = caller.call(calls).map_err(Lost)?;
        let cpu = cpu()? - before;
        Ok(Turn {
            value: calls as f64 / answers.took.as_secs_f64(),
            beside: vec![
                answers.quantile_us(0.5),
                answers.quantile_us(0.99),
                cpu.as_secs_f64() * 1e6 / calls as f64,
            ],
        })
    })
}

/// What connections cost that are open and idle, in a server that is new each
/// turn.
fn idle(who: &str, program: Program, shape: Shape) -> Contestant {
    Contestant::measured(who, move |connections| {
        let server = program.start()?;
        let resident = || {
            std::thread::sleep(SETTLE);
            let resident = server.process().resident();
            resident.map_err(|error| Lost(error.to_string()))
        };
        // It has been at work before.
        let one = Shape {
            connections: 1,
            ..shape
        };
        let mut first = program.wire.connect(server.addr, one)?;
        first.call(1).map_err(Lost)?;
        let before = resident()?;
        let mut caller = program.wire.connect(server.addr, shape)?;
        caller.call(connections).map_err(Lost)?;
        let after = resident()?;
        Ok(Turn::from(
            (after as f64 - before as f64) / connections as f64,
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::runtime::runtime;

    const SHAPE: Shape = Shape {
        connections: 3,
        depth: 5,
        body: 1000,
    };

    #[test]
    fn every_server_answers_every_call() {
        let kinds = [
            (Kind::OursInline, Wire::Trpc),
            (Kind::OursPooled, Wire::Trpc),
            (Kind::OursInline, Wire::Ours),
            (Kind::FloorInline, Wire::Trpc),
            (Kind::FloorSpawn, Wire::Trpc),
            (Kind::Tonic, Wire::Tonic),
            (Kind::Tarpc, Wire::Tarpc),
            // Last, for the process stays without.
            (Kind::OursInlineNoObjectPool, Wire::Trpc),
            (Kind::OursPooledNoObjectPool, Wire::Trpc),
            (Kind::OursInlineNoBufferPool, Wire::Trpc),
            (Kind::OursPooledNoBufferPool, Wire::Trpc),
        ];
        for (kind, wire) in kinds {
            let (addr, _ours) = runtime().block_on(server::start(kind)).unwrap();
            let mut caller = wire.connect(addr, SHAPE).unwrap();
            for calls in [1, 500] {
                let answers = caller.call(calls).unwrap();
                assert_eq!(answers.latency.len(), calls, "{kind:?}");
                assert!(answers.quantile_us(0.5) <= answers.quantile_us(0.99));
            }
        }
    }

    #[test]
    fn a_reply_that_is_not_the_request_s_is_found() {
        // The byte of the frame that is spoiled: none, of the body, of the number.
        for (spoiled, expected) in [
            (None, ""),
            (Some(90), "another body"),
            (Some(13), "no call"),
        ] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let addr = listener.local_addr().unwrap();
            let mirror = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut frame = vec![0; 4096];
                let count = stream.read(&mut frame).unwrap();
                if let Some(at) = spoiled {
                    frame[at] ^= 1;
                }
                stream.write_all(&frame[..count]).unwrap();
            });
            let one = Shape {
                connections: 1,
                depth: 1,
                body: 64,
            };
            let answered = Generator::connect(addr, ECHO, one).unwrap().call(1);
            match answered {
                Ok(_) => assert_eq!(expected, ""),
                Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{why}"),
            }
            mirror.join().unwrap();
        }
    }

    #[test]
    fn a_server_that_goes_away_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut caller = Generator::connect(addr, ECHO, SHAPE).unwrap();
        for _ in 0..SHAPE.connections {
            drop(listener.accept().unwrap());
        }
        assert!(caller.call(10).is_err());
    }
}
