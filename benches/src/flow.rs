//! The workflows: each built, run and dropped, beside joins written by hand and the same
//! steps awaited in turn.

use std::convert::Infallible;

use errgroup::flow::Flow;

use crate::contestant::{Case, Contestant};
use crate::runtime::in_runtime;

/// How wide the fan is.
const WIDTH: usize = 100;

/// The flow case of this name.
#[must_use]
pub fn case(name: &'static str) -> Option<Case> {
    let (what, contestants) = match name {
        "flow/chain3" => ("run a chain of three nodes", chain()),
        "flow/fan100" => ("run one node, 100 that need it, one that needs all", fan()),
        _ => return None,
    };
    Some(Case::timed(name, what, contestants))
}

fn chain() -> Vec<Contestant> {
    vec![
        in_runtime("ours", |slots, jobs| async move {
            for at in 0..jobs {
                let mut flow = Flow::<Infallible>::new();
                let a = flow.node("a", (), move |()| async move { Ok(at) });
                let b = flow.node("b", a, |a| async move { Ok(*a) });
                flow.node("c", (a, b), move |(_, b)| async move {
                    slots.mark(*b);
                    Ok(())
                });
                flow.run().await;
            }
        }),
        in_runtime("spawn+join", |slots, jobs| async move {
            for at in 0..jobs {
                let a = tokio::spawn(async move { at }).await.expect("a");
                let b = tokio::spawn(async move { a }).await.expect("b");
                let c = tokio::spawn(async move { slots.mark(b) });
                c.await.expect("c");
            }
        }),
        in_runtime("await-in-turn", |slots, jobs| async move {
            for at in 0..jobs {
                let a = step(move || at).await;
                let b = step(move || a).await;
                step(move || slots.mark(b)).await;
            }
        })
        .aside(),
    ]
}

/// A step that nobody runs but who awaits it.
async fn step<T>(work: impl FnOnce() -> T) -> T {
    work()
}

fn fan() -> Vec<Contestant> {
    vec![
        in_runtime("ours", |slots, jobs| async move {
            for at in 0..jobs {
                let mut flow = Flow::<Infallible>::new();
                let one = flow.node("one", (), move |()| async move { Ok(at) });
                let many: Vec<_> = (0..WIDTH)
                    .map(|n| flow.node("many", one, move |one| async move { Ok(*one ^ n) }))
                    .collect();
                flow.node("all", many, move |many| async move {
                    slots.mark(*many[0]);
                    Ok(())
                });
                flow.run().await;
            }
        }),
        in_runtime("spawn+join", |slots, jobs| async move {
            for at in 0..jobs {
                let one = tokio::spawn(async move { at }).await.expect("one");
                let many: Vec<_> = (0..WIDTH)
                    .map(|n| tokio::spawn(async move { one ^ n }))
                    .collect();
                let mut outputs = Vec::with_capacity(WIDTH);
                for node in many {
                    outputs.push(node.await.expect("many"));
                }
                let all = tokio::spawn(async move { slots.mark(outputs[0]) });
                all.await.expect("all");
            }
        }),
        in_runtime("await-in-turn", |slots, jobs| async move {
            for at in 0..jobs {
                let one = step(move || at).await;
                let mut outputs = Vec::with_capacity(WIDTH);
                for n in 0..WIDTH {
                    outputs.push(step(move || one ^ n).await);
                }
                step(move || slots.mark(outputs[0])).await;
            }
        })
        .aside(),
    ]
}
