//! What came out, for people.

use std::fmt::Write;

use crate::contestant::{Case, Unit};
use crate::rounds::Figure;

/// The figures of one case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Such as `object/get_put/1t`.
    pub case: &'static str,
    /// What an operation is.
    pub what: &'static str,
    /// What the figures are counted in.
    pub unit: Unit,
    /// What stands beside each figure.
    pub beside: &'static [&'static str],
    /// Ours first.
    pub figures: Vec<Figure>,
}

/// Ours beside the best of the others.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    /// Ours.
    pub ours: &'a Figure,
    /// The best of those to beat.
    pub best: &'a Figure,
    /// What ours costs in terms of the best: below 1 we are ahead.
    pub ratio: f64,
}

impl Verdict<'_> {
    /// In a word or two.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.ratio < 1.0 { "ahead" } else { "WE LOSE" }
    }
}

impl Outcome {
    /// What the contestants of `case` got.
    #[must_use]
    pub fn new(case: &Case, figures: Vec<Figure>) -> Self {
        Self {
            case: case.name,
            what: case.what,
            unit: case.unit,
            beside: case.beside,
            figures,
        }
    }

    /// Ours beside the best of those to beat, if there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict<'_>> {
        let (ours, others) = self.figures.split_first()?;
        let cost = |other: &&Figure| self.unit.cost(other.spread.median, ours.spread.median);
        let peers = others.iter().filter(|other| !other.is_aside);
        let best = peers.min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
        let ratio = self.ratio(ours, best);
        Some(Verdict { ours, best, ratio })
    }

    /// What `ours` costs in terms of `other`: below 1 we are ahead.
    #[must_use]
    pub fn ratio(&self, ours: &Figure, other: &Figure) -> f64 {
        self.unit.cost(ours.spread.median, other.spread.median)
    }

    /// Ours, then the others from the best to the worst.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Figure> {
        let mut ranked: Vec<_> = self.figures.iter().collect();
        if let Some((ours, others)) = ranked.split_first_mut() {
            let cost = |other: &Figure| self.unit.cost(other.spread.median, ours.spread.median);
            others.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        }
        ranked
    }

    /// What stands beside a figure, each with its name.
    pub fn beside<'a>(&'a self, figure: &'a Figure) -> impl Iterator<Item = (&'static str, f64)> {
        self.beside
            .iter()
            .copied()
            .zip(figure.beside.iter().copied())
    }

    /// The case in words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.case, self.what);
        let ranked = self.ranked();
        for figure in &ranked {
            let spread = figure.spread;
            let range = format!(
                "{} .. {}",
                self.unit.show(spread.min),
                self.unit.show(spread.max)
            );
            let name = if figure.is_aside {
                format!("({})", figure.who)
            } else {
                figure.who.clone()
            };
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "  {name:<20} {:>10}  {range:<24}",
                self.unit.show(spread.median)
            );
            for (name, beside) in self.beside(figure) {
                let _ = write!(text, " {name} {beside:<9.2}");
            }
            if !std::ptr::eq(*figure, ranked[0]) {
                let _ = write!(text, " ours is {:.2} of it", self.ratio(ranked[0], figure));
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        if let Some(verdict) = self.verdict() {
            let (word, who) = (verdict.word(), &verdict.best.who);
            let _ = writeln!(text, "  {:.2} of the best, {who}: {word}", verdict.ratio);
        }
        text
    }
}

/// All cases, a line each.
#[must_use]
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut line = |[case, ours, best, who, ratio]: [&str; 5]| {
        let line = format!("{case:<24} {ours:>10}  {best:>10} {who:<18} {ratio}");
        text += line.trim_end();
        text.push('\n');
    };
    line(["case", "ours", "best", "of the others", "ours / best"]);
    for outcome in outcomes {
        if let Some(verdict) = outcome.verdict() {
            line([
                outcome.case,
                &outcome.unit.show(verdict.ours.spread.median),
                &outcome.unit.show(verdict.best.spread.median),
                &verdict.best.who,
                &format!("{:.2} {}", verdict.ratio, verdict.word()),
            ]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::Spread;

    fn figure(who: &str, median: f64, is_aside: bool) -> Figure {
        let spread = Spread {
            median,
            min: median / 2.0,
            max: median * 2.0,
        };
        Figure {
            who: who.into(),
            is_aside,
            spread,
            beside: Vec::new(),
        }
    }

    fn outcome(unit: Unit) -> Outcome {
        Outcome {
            case: "x/y",
            what: "z",
            unit,
            beside: &[],
            figures: vec![
                figure("ours", 4000.0, false),
                figure("floor", 1.0, true),
                figure("slow", 8000.0, false),
                figure("fast", 5000.0, false),
            ],
        }
    }

    #[test]
    fn the_best_is_the_least_time_or_the_most_calls_and_never_the_floor() {
        let time = outcome(Unit::Nanos);
        let verdict = time.verdict().unwrap();
        assert_eq!((verdict.best.who.as_str(), verdict.ratio), ("fast", 0.8));
        assert!(
            time.text().contains("0.80 of the best, fast: ahead"),
            "{}",
            time.text()
        );
        let calls = outcome(Unit::Calls);
        let verdict = calls.verdict().unwrap();
        assert_eq!((verdict.best.who.as_str(), verdict.ratio), ("slow", 2.0));
        let summary = summary(&[calls]);
        assert!(summary.contains("2.00 WE LOSE"), "{summary}");
    }
}
