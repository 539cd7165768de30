//! What came out, for eyes: bars as SVG, in light and in dark.

use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Style, Text, Title};

use crate::rounds::Figure;
use crate::table::Outcome;

const WIDTH: f64 = 800.0;
/// Where bars begin.
const LEFT: f64 = 180.0;
/// What is left free for the figures after the longest bar.
const RIGHT: f64 = 200.0;
const ROW: f64 = 18.0;
const BAR: f64 = 12.0;
const HEADING: f64 = 40.0;
/// The overview ends at this ratio.
const WORST: f64 = 1.5;

const STYLE: &str = "
text { font: 12px system-ui, sans-serif; fill: #24292f }
.case { font-weight: 600 }
.what, .value { fill: #57606a }
.end { text-anchor: end }
.ours { fill: #0a7d5c }
.loses { fill: #c2410c }
.peer { fill: #9aa4b2 }
.aside { fill: #d5dae1 }
line { stroke: #57606a; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .what, .value { fill: #9da7b3 }
  .ours { fill: #2fbf92 }
  .loses { fill: #f0883e }
  .peer { fill: #5d6773 }
  .aside { fill: #363d47 }
  line { stroke: #9da7b3 }
}
";

/// A bar for each contestant of each case.
#[must_use]
pub fn cases(outcomes: &[&Outcome]) -> String {
    let mut y = 0.0;
    let mut groups = Vec::new();
    for outcome in outcomes {
        let ranked = outcome.ranked();
        let longest = ranked.iter().map(|figure| figure.spread.median);
        let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
        groups.push(heading(y, outcome.case, outcome.what));
        y += HEADING;
        for figure in ranked {
            let part = figure.spread.median / longest;
            let value = outcome.unit.show(figure.spread.median);
            groups.push(bar(y, &figure.who, class(figure), part, &value));
            y += ROW;
        }
        y += ROW / 2.0;
    }
    document(y, groups)
}

/// A bar for each case: what ours costs in terms of the best of the others.
#[must_use]
pub fn overview(outcomes: &[Outcome]) -> String {
    let mut y = HEADING;
    let mut groups = vec![heading(
        0.0,
        "ours / the best of the others",
        "time, or memory, in terms of the best peer's: left of the line we are ahead",
    )];
    for verdict in outcomes.iter().filter_map(|outcome| {
        let verdict = outcome.verdict()?;
        Some((outcome.case, verdict.ratio, verdict.best.who.as_str()))
    }) {
        let (case, ratio, best) = verdict;
        let class = if ratio < 1.0 { "ours" } else { "loses" };
        let value = format!("{ratio:.2} {best}");
        groups.push(bar(y, case, class, ratio.min(WORST) / WORST, &value));
        y += ROW;
    }
    let x = LEFT + (WIDTH - LEFT - RIGHT) / WORST;
    let line = Line::new()
        .set("x1", x)
        .set("x2", x)
        .set("y1", HEADING - 4.0)
        .set("y2", y);
    groups.push(Group::new().add(line));
    document(y, groups)
}

fn class(figure: &Figure) -> &'static str {
    match figure {
        Figure { is_aside: true, .. } => "aside",
        Figure { who, .. } if who == "ours" => "ours",
        Figure { .. } => "peer",
    }
}

fn heading(y: f64, case: &str, what: &str) -> Group {
    let text = |content: &str, class: &str, y: f64| {
        Text::new(content)
            .set("class", class)
            .set("x", 8.0)
            .set("y", y)
    };
    Group::new()
        .add(text(case, "case", y + 16.0))
        .add(text(what, "what", y + 32.0))
}

fn bar(y: f64, name: &str, class: &str, part: f64, value: &str) -> Group {
    let length = ((WIDTH - LEFT - RIGHT) * part).max(1.0);
    let length = (length * 10.0).round() / 10.0;
    let base = y + BAR - 1.5;
    let label = Text::new(name)
        .set("class", "end")
        .set("x", LEFT - 8.0)
        .set("y", base);
    let rectangle = Rectangle::new()
        .set("class", class)
        .set("x", LEFT)
        .set("y", y)
        .set("width", length)
        .set("height", BAR)
        .add(Title::new(format!("{name}: {value}")));
    let value = Text::new(value)
        .set("class", "value")
        .set("x", LEFT + length + 6.0)
        .set("y", base);
    Group::new().add(label).add(rectangle).add(value)
}

fn document(height: f64, groups: Vec<Group>) -> String {
    let height = height + 8.0;
    let document = Document::new()
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("role", "img")
        .add(Style::new(STYLE));
    let document = groups.into_iter().fold(document, Document::add);
    format!("{document}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Unit;
    use crate::rounds::Spread;

    #[test]
    fn the_longest_bar_fills_the_width_and_ours_is_seen() {
        let figure = |who: &str, median: f64| Figure {
            who: who.into(),
            is_aside: false,
            spread: Spread {
                median,
                min: median,
                max: median,
            },
            beside: Vec::new(),
        };
        let outcome = Outcome {
            case: "a/b",
            what: "1 < 2",
            unit: Unit::Nanos,
            beside: &[],
            figures: vec![figure("ours", 2.0), figure("other", 8.0)],
        };
        let drawn = cases(&[&outcome]);
        let longest = WIDTH - LEFT - RIGHT;
        for (class, width) in [("ours", longest / 4.0), ("peer", longest)] {
            let bar = format!(r#"class="{class}" height="12" width="{width}""#);
            assert!(drawn.contains(&bar), "{drawn}");
        }
        assert!(drawn.contains("1 &lt; 2"), "{drawn}");
        let drawn = overview(&[outcome]);
        assert!(drawn.contains("0.25 other"), "{drawn}");
    }
}
