//! What came out, to be kept: `RESULTS.md` and its charts.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use crate::chart;
use crate::machine::Machine;
use crate::table::Outcome;

/// The families of cases, each with a chart.
const FAMILIES: [(&str, &str); 5] = [
    ("object", "Object pools"),
    ("worker", "Worker pools"),
    ("errgroup", "Error groups"),
    ("flow", "Workflows"),
    ("rpc", "RPC servers"),
];

/// Writes `RESULTS.md` and `charts/*.svg` into `folder`.
///
/// # Errors
/// When they cannot be written.
pub fn write(
    folder: &Path,
    outcomes: &[Outcome],
    machine: &Machine,
    command: &str,
) -> io::Result<()> {
    let charts = folder.join("charts");
    fs::create_dir_all(&charts)?;
    fs::write(charts.join("overview.svg"), chart::overview(outcomes))?;
    for (family, _) in FAMILIES {
        let of_family = of_family(outcomes, family);
        if !of_family.is_empty() {
            let chart = chart::cases(&of_family);
            fs::write(charts.join(format!("{family}.svg")), chart)?;
        }
    }
    fs::write(
        folder.join("RESULTS.md"),
        markdown(outcomes, machine, command),
    )
}

fn of_family<'a>(outcomes: &'a [Outcome], family: &str) -> Vec<&'a Outcome> {
    let is_of = |outcome: &&Outcome| outcome.case.split('/').next() == Some(family);
    outcomes.iter().filter(is_of).collect()
}

/// All of it as text.
#[must_use]
pub fn markdown(outcomes: &[Outcome], machine: &Machine, command: &str) -> String {
    let Machine {
        date,
        hardware,
        compilers,
        peers,
    } = machine;
    let mut text = format!(
        "# Results

Written by

```sh
{command}
```

[README.md](README.md) says how to read them. The figure is the median of the
turns, the spread is from the least to the greatest of them. \"Ours / it\" is what
ours costs in terms of the other, in time or memory: below 1 we are ahead. What
stands in brackets is shown beside the others and not counted as one to beat.

- {date}
- {hardware}
- {compilers}
- {peers}

![ours / the best of the others](charts/overview.svg)

| case | ours | best of the others | | ours / it | |
|---|--:|--:|---|--:|---|
"
    );
    for outcome in outcomes {
        if let Some(verdict) = outcome.verdict() {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | `{}` | {:.2} | {} |",
                outcome.case,
                outcome.unit.show(verdict.ours.spread.median),
                outcome.unit.show(verdict.best.spread.median),
                verdict.best.who,
                verdict.ratio,
                verdict.word(),
            );
        }
    }
    for (family, title) in FAMILIES {
        let of_family = of_family(outcomes, family);
        if of_family.is_empty() {
            continue;
        }
        let _ = write!(text, "\n## {title}\n\n![{title}](charts/{family}.svg)\n");
        for outcome in of_family {
            text += &table(outcome);
        }
    }
    text
}

fn table(outcome: &Outcome) -> String {
    let beside: String = outcome
        .beside
        .iter()
        .map(|name| format!(" {name} |"))
        .collect();
    let mut text = format!(
        "\n### `{}`\n\n{}\n\n| | median | spread | ours / it |{beside}\n|---|--:|---|--:|{}\n",
        outcome.case,
        outcome.what,
        "--:|".repeat(outcome.beside.len()),
    );
    let ranked = outcome.ranked();
    for figure in &ranked {
        let spread = figure.spread;
        let who = if figure.is_aside {
            format!("(`{}`)", figure.who)
        } else {
            format!("`{}`", figure.who)
        };
        let ratio = if std::ptr::eq(*figure, ranked[0]) {
            String::new()
        } else {
            format!("{:.2}", outcome.ratio(ranked[0], figure))
        };
        let _ = write!(
            text,
            "| {who} | {} | {} .. {} | {ratio} |",
            outcome.unit.show(spread.median),
            outcome.unit.show(spread.min),
            outcome.unit.show(spread.max),
        );
        for (_, beside) in outcome.beside(figure) {
            let _ = write!(text, " {beside:.2} |");
        }
        text.push('\n');
    }
    text
}
