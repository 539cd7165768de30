//! What a run tells: when nodes ran, what made it as long as it was, and pictures of it.

#![cfg(feature = "flow")]

use std::time::Duration;

use errgroup::flow::{Flow, Node, OnFailure, Report, State};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

fn flow() -> Flow<&'static str> {
    Flow::new().on_failure(OnFailure::SkipDescendants)
}

/// A node that takes so many seconds.
fn takes(
    flow: &mut Flow<&'static str>,
    name: &'static str,
    seconds: u32,
    after: &[Node<()>],
) -> Node<()> {
    flow.node(name, after.to_vec(), move |_| async move {
        sleep(seconds * SECOND).await;
        Ok(())
    })
}

/// A diamond with a slow arm, one more that nobody waits for, and one that waits at the end
/// for nothing.
async fn diamond() -> Report<&'static str> {
    let mut flow = flow();
    let first = takes(&mut flow, "first", 1, &[]);
    let slow = takes(&mut flow, "slow", 5, &[first]);
    let fast = takes(&mut flow, "fast", 2, &[first]);
    takes(&mut flow, "last", 1, &[fast, slow]);
    takes(&mut flow, "beside", 6, &[]);
    let given = takes(&mut flow, "given", 9, &[]);
    flow.give(given, ().into());
    flow.run().await
}

#[tokio::test(start_paused = true)]
async fn a_node_tells_when_it_started_and_ended() {
    let report = diamond().await;
    let times: Vec<_> = report
        .nodes()
        .map(|node| {
            Some((
                node.started?.as_secs(),
                node.ended?.as_secs(),
                node.took()?.as_secs(),
            ))
        })
        .collect();
    let expected = [(0, 1, 1), (1, 6, 5), (1, 3, 2), (6, 7, 1), (0, 6, 6)].map(Some);
    assert_eq!(times[..5], expected);
    assert_eq!(times[5], None);
}

#[tokio::test(start_paused = true)]
async fn the_critical_path_goes_by_the_slow_arm() {
    let report = diamond().await;
    let path = report.critical_path();
    let path: Vec<_> = path.iter().map(|node| node.name).collect();
    assert_eq!(path, ["first", "slow", "last"]);
}

#[tokio::test(start_paused = true)]
async fn the_critical_path_goes_through_what_was_skipped() {
    let mut flow = Flow::<&str>::new().on_failure(OnFailure::SkipDescendants);
    let slow = flow.node("slow", (), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Err::<(), _>("broken")
    });
    let skipped = flow.node("skipped", slow, |_| async { Ok(()) });
    let fast = flow.node("fast", (), |()| async { Ok(()) });
    flow.node("last", (fast, skipped.optional()), |_| async { Ok(()) });
    let report = flow.run().await;
    assert_eq!(report.node(skipped).state, State::Skipped);
    let path = report.critical_path();
    let path: Vec<_> = path.iter().map(|node| node.name).collect();
    assert_eq!(path, ["slow", "last"]);
}

#[tokio::test]
async fn drawings_name_nodes_inputs_and_states() {
    let mut flow = flow();
    let bad = flow.node("bad", (), |()| async { Err::<i32, _>("broken") });
    let child = flow.node("child", bad, |bad| async move { Ok(*bad) });
    flow.node("grandchild", child, |child| async move { Ok(*child) });
    flow.node("cleanup", bad.optional(), |_| async { Ok(()) });
    let mermaid = flow.mermaid();
    for line in ["n0[\"bad\"]\n", "n0 --> n1\n", "n0 -.-> n3\n"] {
        assert!(mermaid.contains(line), "{mermaid}");
    }
    assert!(!mermaid.contains("style"));
    assert!(flow.dot().contains("n1 -> n2\n"));
    assert!(flow.dot().contains("n0 -> n3 [style=dotted]\n"));
    let report = flow.run().await;
    assert!(report.mermaid().contains("style n0 fill:#f4796b\n"));
    let filled = "[label=\"bad\", style=filled, fillcolor=\"#f4796b\"]";
    assert!(report.dot().contains(filled));
}

#[test]
fn a_name_does_not_break_a_drawing() {
    let mut flow = Flow::<()>::new();
    flow.node("`a \"<b>\"\r\n&\\ #1;", (), |()| async { Ok(()) });
    let mermaid = "    n0[\"#96;a &quot;&lt;b&gt;&quot;<br/>&amp;\\ #35;1;\"]\n";
    assert!(flow.mermaid().ends_with(mermaid), "{}", flow.mermaid());
    let dot = "    n0 [label=\"`a \\\"<b>\\\"\\n&\\\\ #1;\"]\n";
    assert!(flow.dot().contains(dot), "{}", flow.dot());

    let mut flow = Flow::<()>::new();
    flow.node("", (), |()| async { Ok(()) });
    assert!(
        flow.mermaid().ends_with("    n0[\" \"]\n"),
        "{}",
        flow.mermaid()
    );
}

/// The texts of a chart, in order.
fn texts(chart: &str) -> Vec<&str> {
    let texts = chart.split("<text").skip(1);
    let inner = |text: &'_ str| -> Option<_> { Some((text.find('>')? + 1, text.find("</text>")?)) };
    texts
        .map(|text| inner(text).map_or("", |(from, to)| text[from..to].trim()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_gantt_chart_has_an_axis_rows_with_durations_and_a_legend() {
    let chart = diamond().await.gantt();
    let texts = texts(&chart);
    let axis = ["0", "1s", "2s", "3s", "4s", "5s", "6s", "7s"];
    assert_eq!(texts[..8], axis);
    let rows = texts[8..20].chunks(2).map(|row| (row[0], row[1]));
    let rows: Vec<_> = rows.collect();
    let names = ["first", "slow", "fast", "last", "beside", "given"];
    for ((name, told), expected) in rows.iter().zip(names) {
        assert_eq!(*name, expected);
        assert!(told.ends_with('s') || *told == "given", "{told}");
    }
    assert_eq!(rows[5], ("given", "given"));
    assert_eq!(texts[20..], ["succeeded", "given", "critical path"]);
    // The path is framed, and its meaning.
    assert_eq!(chart.matches("stroke=\"#333\"").count(), 4);
}

#[tokio::test]
async fn a_gantt_chart_cuts_long_names_and_escapes_all() {
    let long = "<&> ".repeat(20);
    let mut flow = flow();
    flow.node(long.clone(), (), |()| async { Ok(()) });
    flow.node("two\nlines", (), |()| async { Err::<(), _>("bad") });
    flow.node("a\u{1}b\u{ffff}c\u{b}", (), |()| async { Ok(()) });
    let chart = flow.run().await.gantt();
    let cut = "&lt;&amp;&gt; ".repeat(7) + "…";
    assert!(texts(&chart).contains(&&*cut), "{chart}");
    assert!(texts(&chart).contains(&"two lines"), "{chart}");
    // Whole, where the pointer rests on the bar.
    assert!(chart.contains(&"&lt;&amp;&gt; ".repeat(20)));
    assert!(!chart.contains("<&>"));
    // XML has no place for these.
    assert!(texts(&chart).contains(&"a b c"), "{chart}");
    assert!(!chart.contains(['\u{1}', '\u{ffff}', '\u{b}']));
}

#[tokio::test]
async fn a_gantt_chart_of_nothing_is_one() {
    assert!(Flow::<()>::new().run().await.gantt().starts_with("<svg"));
}
