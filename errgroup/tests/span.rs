//! The spawner's span goes with the task.

#![cfg(feature = "tracing")]

use errgroup::Group;
use tracing::{Span, info_span};

/// Says in which span it was *not*, on both sides of a yield.
async fn runs_in(name: Option<&'static str>) -> Result<(), Option<&'static str>> {
    for _ in 0..2 {
        let here = Span::current().metadata().map(tracing::Metadata::name);
        if here != name {
            return Err(here);
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_task_runs_in_the_span_of_its_spawner() {
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry());
    for limit in [1, usize::MAX] {
        let group = Group::new().limit(limit);
        info_span!("first").in_scope(|| group.spawn(runs_in(Some("first"))));
        // With limit 1 the same runner goes from span to span.
        info_span!("second").in_scope(|| group.spawn(runs_in(Some("second"))));
        group.spawn(runs_in(None));
        assert_eq!(group.wait().await, Ok(()));
    }
}
