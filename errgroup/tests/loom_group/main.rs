//! Models of the group's state machine, each named after the interleaving it
//! rules out; every comment says which break of the protocol the model catches.
//! `RUSTFLAGS="--cfg loom_models" cargo test --release -p errgroup --test 'loom_*'`

#![cfg(loom_models)]
#![allow(dead_code, unreachable_pub)]

// The state machine itself, which is private to the crate.
#[path = "../../src/callers.rs"]
mod callers;
#[path = "../../src/cause.rs"]
mod cause;
#[path = "../../src/current.rs"]
mod current;
#[path = "../../src/named.rs"]
mod named;
#[path = "../../src/panic.rs"]
mod panic;
#[path = "../../src/state/mod.rs"]
mod state;
#[path = "../../src/stats.rs"]
mod stats;
#[path = "../../src/sync.rs"]
mod sync;
#[path = "../../src/verdict.rs"]
mod verdict;
#[path = "../../src/wait_error.rs"]
mod wait_error;
#[path = "../../src/wakers.rs"]
mod wakers;
#[path = "../../src/word.rs"]
mod word;

mod machine;
mod queue;

mod cancel;
mod end;
mod limit;
mod room;
