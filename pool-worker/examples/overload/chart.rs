//! The chart: what is of use and how long it waits, by load, a line a policy.

use std::io;
use std::path::Path;
use std::time::Duration;

use svg::Document;
use svg::node::element::path::Data;
use svg::node::element::{Group, Line, Path as Curve, Rectangle, Style, Text};

/// One policy at one load.
pub struct Point {
    pub load: f64,
    pub goodput: f64,
    pub p99: Duration,
}

const COLOURS: [&str; 11] = [
    "#888888", "#c43b3b", "#b8a12c", "#2a7de1", "#00a37a", "#7a5c3e", "#8fbf4d", "#b14fc5",
    "#4dbfd9", "#e0862a", "#e36fa4",
];
/// Names in a row below.
const ROW: usize = 5;
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 180.0;
/// The loads from none to this.
const MOST: f64 = 4.0;
/// From a tenth of a millisecond on, by powers of ten.
const DECADES: f64 = 5.0;

const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #555 }
    @media (prefers-color-scheme: dark) { text { fill: #bbb } }";

/// Where the left ends of the two panels are.
const PANELS: [f64; 2] = [60.0, 460.0];
const TOP: f64 = 40.0;

fn text(at: (f64, f64), anchor: &str, words: impl Into<String>) -> Text {
    Text::new(words)
        .set("x", at.0)
        .set("y", at.1)
        .set("text-anchor", anchor)
}

fn x(panel: usize, load: f64) -> f64 {
    PANELS[panel] + load / MOST * WIDTH
}

fn y(part: f64) -> f64 {
    TOP + HEIGHT * (1.0 - part.clamp(0.0, 1.0))
}

fn by_time(time: Duration) -> f64 {
    (time.as_secs_f64().max(1e-4) / 1e-4).log10() / DECADES
}

/// A panel with its title and the lines of its scale.
fn panel(nth: usize, title: &str, scale: &[(f64, &str)]) -> Group {
    let left = PANELS[nth];
    let frame = Rectangle::new()
        .set("x", left)
        .set("y", TOP)
        .set("width", WIDTH)
        .set("height", HEIGHT)
        .set("fill", "none")
        .set("stroke", "#8888");
    let mut group = Group::new()
        .add(frame)
        .add(text((left, TOP - 14.0), "start", title));
    for (part, label) in scale {
        let line = Line::new()
            .set("x1", left)
            .set("x2", left + WIDTH)
            .set("y1", y(*part))
            .set("y2", y(*part))
            .set("stroke", "#8884");
        group = group
            .add(line)
            .add(text((left - 6.0, y(*part) + 4.0), "end", *label));
    }
    for load in 0..=4 {
        let below = (x(nth, f64::from(load)), TOP + HEIGHT + 18.0);
        group = group.add(text(below, "middle", format!("{load}x")));
    }
    group
}

fn curve(points: impl Iterator<Item = (f64, f64)>, colour: &str) -> Curve {
    let mut data = Data::new();
    for (nth, point) in points.enumerate() {
        data = if nth == 0 {
            data.move_to(point)
        } else {
            data.line_to(point)
        };
    }
    Curve::new()
        .set("d", data)
        .set("fill", "none")
        .set("stroke", colour)
        .set("stroke-width", 2)
}

/// Writes the chart.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(file: &Path, lines: &[(&str, Vec<Point>)], target: Duration) -> io::Result<()> {
    let shares = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")];
    let times = [
        (0.2, "1 ms"),
        (0.4, "10 ms"),
        (0.6, "100 ms"),
        (0.8, "1 s"),
        (1.0, "10 s"),
    ];
    let title = format!("p99 of those served (target {target:?})");
    let mut document = Document::new()
        .set("viewBox", (0, 0, 800, 340))
        .add(Style::new(STYLE))
        .add(panel(
            0,
            "served in time, of the capacity, by load",
            &shares,
        ))
        .add(panel(1, &title, &times));
    for (nth, ((policy, points), colour)) in lines.iter().zip(COLOURS).enumerate() {
        let useful = points.iter().map(|p| (x(0, p.load), y(p.goodput)));
        let waited = points.iter().map(|p| (x(1, p.load), y(by_time(p.p99))));
        let (row, column) = ((nth / ROW) as f64, (nth % ROW) as f64);
        let at = (60.0 + 145.0 * column, 275.0 + 22.0 * row);
        let sample = [(at.0, at.1 - 4.0), (at.0 + 18.0, at.1 - 4.0)];
        document = document
            .add(curve(useful, colour))
            .add(curve(waited, colour))
            .add(curve(sample.into_iter(), colour))
            .add(text((at.0 + 24.0, at.1), "start", *policy));
    }
    svg::save(file, &document)
}
