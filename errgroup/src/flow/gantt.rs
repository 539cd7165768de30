//! What ran when, as a chart.

use std::time::Duration;

use svg::Document;
use svg::node::element::{Element, Line, Rectangle, Text, Title};

use super::draw::colour;
use super::report::{NodeReport, Report, State};

/// Pixels.
const WIDTH: f64 = 900.0;
const NAMES: f64 = 200.0;
/// Right of the bars, for how long the last ones took.
const TOLD: f64 = 70.0;
const ROW: f64 = 26.0;
const MARGIN: f64 = 10.0;
/// From the top of a row to the foot of its text.
const FOOT: f64 = 17.0;

/// Characters of a name that fit.
const LONGEST: usize = 28;

const GREY: &str = "#666";

/// A row a node, with how long it took; the critical path is framed. Above them the time,
/// below them what the colours mean.
pub(super) fn chart<E>(report: &Report<E>) -> String {
    let end = report.nodes().filter_map(|node| node.ended).max();
    let scale = Scale(end.unwrap_or_default());
    let mut critical = vec![false; report.nodes().len()];
    report.critical().for_each(|at| critical[at] = true);
    let rows = report.nodes().len() as f64;
    let height = 2.0 * MARGIN + ROW * (rows + 2.0);
    let mut chart = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("font-family", "sans-serif")
        .set("font-size", 12);
    for mark in scale.axis(MARGIN + ROW * (rows + 1.0)) {
        chart = chart.add(mark);
    }
    for (row, node) in report.nodes().enumerate() {
        let top = MARGIN + ROW * (row as f64 + 1.0);
        for part in scale.row(node, top, critical[row]) {
            chart = chart.add(part);
        }
    }
    for part in legend(report, MARGIN + ROW * (rows + 1.0)) {
        chart = chart.add(part);
    }
    chart.to_string()
}

/// By the end of the run.
struct Scale(Duration);

impl Scale {
    fn x(&self, at: Duration) -> f64 {
        let end = self.0.as_secs_f64().max(f64::MIN_POSITIVE);
        NAMES + at.as_secs_f64() / end * (WIDTH - NAMES - TOLD - MARGIN)
    }

    /// The time at some even steps, with a line down to the foot of the rows.
    fn axis(&self, foot: f64) -> Vec<Element> {
        let mut axis = Vec::new();
        let step = step(self.0);
        let marks = self.0.as_nanos().checked_div(step.as_nanos()).unwrap_or(0);
        for mark in 0..=u32::try_from(marks).unwrap_or(0) {
            let at = step * mark;
            let line = Line::new()
                .set("x1", self.x(at))
                .set("x2", self.x(at))
                .set("y1", MARGIN + ROW - 4.0)
                .set("y2", foot)
                .set("stroke", "#ddd");
            axis.push(line.into());
            let time = if mark == 0 {
                "0".to_owned()
            } else {
                format!("{at:?}")
            };
            let time = text(time, self.x(at), MARGIN + FOOT - 4.0);
            axis.push(time.set("text-anchor", "middle").into());
        }
        axis
    }

    /// Name, bar and time of a node.
    fn row<E>(&self, node: NodeReport<'_, E>, top: f64, critical: bool) -> [Element; 3] {
        let (from, to) = match (node.started, node.ended) {
            (Some(from), Some(to)) => (self.x(from), self.x(to)),
            // It did not run: a mark at the left shows its state.
            _ => (NAMES, NAMES),
        };
        let told = node.took().map(|took| format!("{took:.1?}"));
        let told = told.unwrap_or_else(|| node.state.to_string());
        let mut bar = Rectangle::new()
            .set("x", from)
            .set("y", top + 3.0)
            .set("width", (to - from).max(2.0))
            .set("height", ROW - 6.0)
            .set("fill", colour(node.state));
        if critical {
            bar = bar.set("stroke", "#333").set("stroke-width", 1.5);
        }
        let title = Title::new(format!("{}: {}, {told}", line(node.name), node.state));
        [
            text(short(node.name), MARGIN, top + FOOT).into(),
            bar.add(title).into(),
            text(told, to.max(from + 2.0) + 5.0, top + FOOT).into(),
        ]
    }
}

/// What the colours mean that are there, and the frame.
fn legend<E>(report: &Report<E>, top: f64) -> Vec<Element> {
    let states = [
        State::Succeeded,
        State::Given,
        State::Failed,
        State::Skipped,
        State::Cancelled,
    ];
    let there = |state: &State| report.nodes().any(|node| node.state == *state);
    let states = states.into_iter().filter(there);
    let meanings = states.map(|state| (state.to_string(), colour(state), "none"));
    let critical = ("critical path".to_owned(), "none", "#333");
    let mut legend = Vec::new();
    for (at, (meaning, fill, stroke)) in meanings.chain([critical]).enumerate() {
        let x = NAMES + 110.0 * at as f64;
        let patch = Rectangle::new()
            .set("x", x)
            .set("y", top + 7.0)
            .set("width", 12)
            .set("height", 12)
            .set("fill", fill)
            .set("stroke", stroke);
        legend.push(patch.into());
        legend.push(text(meaning, x + 17.0, top + FOOT).into());
    }
    legend
}

fn text(content: impl Into<String>, x: f64, y: f64) -> Text {
    let text = Text::new(content).set("x", x).set("y", y);
    text.set("fill", GREY)
}

/// 1, 2 or 5 of some unit, four to ten of which make the whole; zero for none.
fn step(whole: Duration) -> Duration {
    let steps = (0..19).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let enough = |step: &u64| u128::from(*step) * 10 >= whole.as_nanos();
    let step = steps.filter(enough).min();
    Duration::from_nanos(step.unwrap_or(0))
}

/// On one line, without characters that XML has no place for.
fn line(name: &str) -> String {
    let is_none = |char: char| char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}');
    name.replace(is_none, " ")
}

/// Cut where it would run into the bars.
fn short(name: &str) -> String {
    let line = line(name);
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}
