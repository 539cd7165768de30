//! Typed workflows (feature `flow`): A, then B needs A, then C needs both.
//!
//! A [`Flow`] is built node by node; each takes the outputs of earlier nodes by
//! their handles. A handle exists only once its node does, so a cycle cannot be
//! written, and a wrong type does not compile.
//!
//! ```
//! use errgroup::flow::Flow;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let mut flow = Flow::<String>::new();
//! let a = flow.node("a", (), |()| async { Ok(20) });
//! let b = flow.node("b", a, |a| async move { Ok(*a + 1) });
//! let c = flow.node("c", (a, b), |(a, b)| async move { Ok(format!("{a} {b}")) });
//!
//! let report = flow.run().await;
//! assert_eq!(*report.get(c).unwrap(), "20 21");
//! # });
//! ```
//!
//! A later node's handle is not there yet, so there is no cycle:
//!
//! ```compile_fail,E0425
//! # use errgroup::flow::Flow;
//! let mut flow = Flow::<String>::new();
//! let a = flow.node("a", b, |b| async move { Ok(*b + 1) });
//! let b = flow.node("b", a, |a| async move { Ok(*a + 1) });
//! ```
//!
//! while an earlier one's is:
//!
//! ```
//! # use errgroup::flow::Flow;
//! let mut flow = Flow::<String>::new();
//! let a = flow.node("a", (), |()| async move { Ok(1) });
//! let b = flow.node("b", a, |a| async move { Ok(*a + 1) });
//! ```
//!
//! And an input has the type of the output that it is:
//!
//! ```compile_fail,E0308
//! # use errgroup::flow::Flow;
//! let mut flow = Flow::<String>::new();
//! let a = flow.node("a", (), |()| async { Ok(String::from("20")) });
//! flow.node("b", a, |a| async move { let a: u64 = *a; Ok(a + 1) });
//! ```
//!
//! ```
//! # use errgroup::flow::Flow;
//! let mut flow = Flow::<String>::new();
//! let a = flow.node("a", (), |()| async { Ok(20) });
//! flow.node("b", a, |a| async move { let a: u64 = *a; Ok(a + 1) });
//! ```
//!
//! A node starts as soon as its own inputs are there, however the rest is doing; of many
//! that become ready at once after nodes of less than some microseconds, one may compute
//! for long before others are started beside it, and those that were taken along with it
//! wait until it is done.
//!
//! Nodes run on tokio, in tasks of a [`Group`](crate::Group), those that do not wait many
//! in one, and the first of them in the task that awaits [`Flow::run`]; so tokio's
//! task-locals are not a node's own. They run in the [`Context`](crate::Context) of that
//! task, and, with the feature `tracing`, in its span. `run` returns when every node is
//! gone. Meanwhile a [`Watcher`] sees from elsewhere where each node is; a [`Canceller`], an
//! event, a token or a deadline ends it all.

mod control;
mod draw;
mod driver;
mod edges;
mod gantt;
mod graph;
mod inputs;
mod node;
mod ready;
mod report;
mod retry;
mod run;
mod step;
mod vertex;
mod watch;
mod work;

pub use control::Canceller;
pub use graph::{Flow, OnFailure, OtherShape};
pub use inputs::Inputs;
pub use node::{Node, Optional};
pub use report::{NodeReport, Report, State};
pub use retry::Retry;
pub use step::Step;
pub use watch::{NodeState, Watcher};
pub use work::Failure;
