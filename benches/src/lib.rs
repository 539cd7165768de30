//! The measuring stick: ours beside the Rust peers beside the Go originals,
//! interleaved in one run.
//!
//! [`cases`] says what there is to measure, a [`contestant`] does it,
//! [`rounds`] measures the contestants of a case side by side, [`apart`] does so in a
//! process of its own, and [`table`], [`results`], [`report`] and [`chart`] show what came out, on which
//! [`machine`].

pub mod apart;
mod buffer;
pub mod cases;
pub mod chart;
pub mod contestant;
pub mod errgroup;
pub mod flow;
pub mod go;
pub mod machine;
pub mod object;
pub mod process;
pub mod report;
pub mod results;
pub mod rounds;
pub mod rpc;
pub mod runtime;
pub mod seen;
pub mod sleepers;
pub mod slots;
pub mod table;
pub mod worker;
