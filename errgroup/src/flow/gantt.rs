//! What ran when, as a chart.

use svg::Document;
use svg::node::element::{Rectangle, Text, Title};

use super::draw::colour;
use super::report::Report;

/// Pixels.
const WIDTH: f64 = 900.0;
const NAMES: f64 = 200.0;
const ROW: f64 = 26.0;
const MARGIN: f64 = 10.0;

/// A row a node; the critical path is framed.
pub(super) fn chart<E>(report: &Report<E>) -> String {
    let nodes = report.nodes();
    let height = ROW * nodes.len() as f64 + 2.0 * MARGIN;
    let end = report.nodes().filter_map(|node| node.ended).max();
    let end = end.unwrap_or_default().as_secs_f64().max(f64::MIN_POSITIVE);
    let x = |at: std::time::Duration| NAMES + at.as_secs_f64() / end * (WIDTH - NAMES - MARGIN);
    let critical: Vec<usize> = report.critical().collect();
    let mut chart = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("font-family", "sans-serif")
        .set("font-size", 12);
    for (row, node) in nodes.enumerate() {
        let top = MARGIN + ROW * row as f64;
        let told = match node.took() {
            Some(took) => format!("{}: {}, {took:.1?}", node.name, node.state),
            None => format!("{}: {}", node.name, node.state),
        };
        let name = Text::new(node.name).set("x", MARGIN).set("y", top + 16.0);
        chart = chart.add(name.set("fill", "#666"));
        let (from, to) = match (node.started, node.ended) {
            (Some(from), Some(to)) => (x(from), x(to)),
            // It did not run: a mark at the left shows its state.
            _ => (NAMES, NAMES),
        };
        let mut bar = Rectangle::new()
            .set("x", from)
            .set("y", top + 3.0)
            .set("width", (to - from).max(2.0))
            .set("height", ROW - 6.0)
            .set("fill", colour(node.state));
        if critical.contains(&row) {
            bar = bar.set("stroke", "#333").set("stroke-width", 1.5);
        }
        chart = chart.add(bar.add(Title::new(told)));
    }
    chart.to_string()
}
