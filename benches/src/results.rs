//! What came out, for machines.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use crate::table::Outcome;

#[derive(Serialize)]
struct Line<'a> {
    case: &'a str,
    who: &'a str,
    unit: &'a str,
    median: f64,
    min: f64,
    max: f64,
    /// The medians of what was measured beside it, each by its name.
    #[serde(flatten)]
    beside: BTreeMap<&'a str, f64>,
}

/// Writes a JSON line for every contestant of every case.
///
/// # Errors
/// When it cannot be written.
pub fn write_lines(outcomes: &[Outcome], mut to: impl Write) -> std::io::Result<()> {
    for outcome in outcomes {
        for figure in &outcome.figures {
            let line = Line {
                case: outcome.case,
                who: &figure.who,
                unit: outcome.unit.name(),
                median: figure.spread.median,
                min: figure.spread.min,
                max: figure.spread.max,
                beside: outcome.beside(figure).collect(),
            };
            serde_json::to_writer(&mut to, &line)?;
            to.write_all(b"\n")?;
        }
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Unit;
    use crate::rounds::{Figure, Spread};

    #[test]
    fn a_contestant_of_a_case_is_a_line() {
        let outcome = Outcome {
            case: "rpc/echo/1x1",
            what: "",
            unit: Unit::Calls,
            beside: &["p99_us"],
            figures: vec![Figure {
                who: "go:trpc-go".into(),
                is_aside: false,
                spread: Spread {
                    median: 2.0,
                    min: 1.5,
                    max: 3.0,
                },
                beside: vec![70.0],
            }],
        };
        let mut lines = Vec::new();
        write_lines(&[outcome], &mut lines).unwrap();
        let expected = r#"{"case":"rpc/echo/1x1","who":"go:trpc-go","unit":"calls/s","#.to_owned()
            + r#""median":2.0,"min":1.5,"max":3.0,"p99_us":70.0}"#
            + "\n";
        assert_eq!(String::from_utf8(lines).unwrap(), expected);
    }
}
