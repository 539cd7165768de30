//! Random flows against a simple model: who runs, who is skipped, what each gets.

#![cfg(feature = "flow")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use errgroup::flow::{Flow, Node, OnFailure, State};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Plan {
    /// How many turns of the runtime it takes.
    turns: u8,
    fails: bool,
    /// Inputs, as distances back, and whether each may be missing.
    inputs: Vec<(usize, bool)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let inputs = prop::collection::vec((1..12_usize, any::<bool>()), 0..4);
    (0..3_u8, prop::bool::weighted(0.15), inputs).prop_map(|(turns, fails, inputs)| Plan {
        turns,
        fails,
        inputs,
    })
}

/// What a node comes to: the sum of what it gets, and one.
fn expected(plans: &[Plan]) -> Vec<(State, Option<u64>)> {
    let mut nodes: Vec<(State, Option<u64>)> = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        let inputs = plan.inputs.iter().filter(|(back, _)| *back <= at);
        let inputs: Vec<_> = inputs
            .map(|(back, may)| (nodes[at - back].1, *may))
            .collect();
        let lacks = inputs
            .iter()
            .any(|(value, may_be_missing)| value.is_none() && !may_be_missing);
        let sum = inputs.iter().filter_map(|(value, _)| *value);
        nodes.push(match (lacks, plan.fails) {
            (true, _) => (State::Skipped, None),
            (_, true) => (State::Failed, None),
            _ => (State::Succeeded, Some(sum.fold(1, u64::wrapping_add))),
        });
    }
    nodes
}

async fn check(plans: Vec<Plan>, limit: usize) {
    let running = Arc::new(AtomicUsize::new(0));
    let mut flow = Flow::<()>::new()
        .limit(limit)
        .on_failure(OnFailure::SkipDescendants);
    let mut nodes: Vec<Node<u64>> = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        let inputs = plan.inputs.iter().filter(|(back, _)| *back <= at);
        let (optional, needed): (Vec<_>, Vec<_>) = inputs.partition(|(_, may)| *may);
        let needed: Vec<_> = needed.iter().map(|(back, _)| nodes[at - back]).collect();
        let optional: Vec<_> = optional
            .iter()
            .map(|(back, _)| nodes[at - back].optional())
            .collect();
        let (running, turns, fails) = (Arc::clone(&running), plan.turns, plan.fails);
        nodes.push(flow.node(
            format!("{at}"),
            (needed, optional),
            move |(needed, optional)| async move {
                assert!(running.fetch_add(1, SeqCst) < limit);
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, SeqCst);
                let all = needed.into_iter().chain(optional.into_iter().flatten());
                if fails {
                    Err(())
                } else {
                    Ok(all.fold(1, |sum: u64, one| sum.wrapping_add(*one)))
                }
            },
        ));
    }
    let report = flow.run().await;
    for (node, (state, output)) in nodes.into_iter().zip(expected(&plans)) {
        assert_eq!(
            report.node(node).state,
            state,
            "of {}",
            report.node(node).name
        );
        assert_eq!(report.get(node).as_deref().copied(), output);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_node_comes_to_what_its_inputs_say(
        plans in prop::collection::vec(plan(), 0..100),
        limit in prop_oneof![1..4_usize, Just(usize::MAX)],
        threads in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .build()
            .unwrap();
        let done = runtime.spawn(check(plans, limit));
        runtime.block_on(done).unwrap();
    }
}
