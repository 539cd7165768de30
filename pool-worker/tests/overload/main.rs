//! Pools that decide by delay, on real workers of both engines. What the policies do
//! over time is tested in virtual time, in `src/overload`.
#![cfg(not(loom_models))]

#[macro_use]
mod harness;

mod account;
mod calls;
mod giving_back;
mod many;
mod order;
mod panics;
#[cfg(feature = "prometheus")]
mod prometheus;
#[cfg(feature = "tokio")]
mod runtime;
mod size;
mod state;
mod turned_away;
