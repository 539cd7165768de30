//! What came out, for machines.

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
                unit: "ns",
                median: figure.median,
                min: figure.min,
                max: figure.max,
            };
            serde_json::to_writer(&mut to, &line)?;
            to.write_all(b"\n")?;
        }
    }
    to.flush()
}
