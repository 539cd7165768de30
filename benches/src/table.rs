//! What came out, for people.

use std::fmt::Write;

use crate::rounds::Figure;

/// The figures of one case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Such as `object/get_put/1t`.
    pub case: &'static str,
    /// What an operation is.
    pub what: &'static str,
    /// Ours first.
    pub figures: Vec<Figure>,
}

impl Outcome {
    /// Ours, and the best of the others.
    #[must_use]
    pub fn against_best(&self) -> Option<(&Figure, &Figure)> {
        let (ours, others) = self.figures.split_first()?;
        let best = others.iter().min_by(|a, b| a.median.total_cmp(&b.median))?;
        Some((ours, best))
    }

    /// The case in words: ours, then the others from the best to the worst.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}: {} (ns, median of the turns)\n", self.case, self.what);
        let Some((ours, others)) = self.figures.split_first() else {
            return text;
        };
        let mut others: Vec<_> = others.iter().collect();
        others.sort_by(|a, b| a.median.total_cmp(&b.median));
        for figure in std::iter::once(ours).chain(others) {
            let Figure {
                who,
                median,
                min,
                max,
            } = figure;
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "  {who:<22} {median:>10.1}   {min:>9.1} .. {max:<9.1} {}",
                ratio(ours, figure)
            );
        }
        if let Some((ours, best)) = self.against_best() {
            let ratio = ours.median / best.median;
            let verdict = if ratio < 1.0 {
                "ahead of"
            } else {
                "WE LOSE to"
            };
            let _ = writeln!(text, "  {ratio:.2} of the best, {verdict} {}", best.who);
        }
        text
    }
}

fn ratio(ours: &Figure, other: &Figure) -> String {
    if std::ptr::eq(ours, other) {
        String::new()
    } else {
        format!("ours is {:.2} of it", ours.median / other.median)
    }
}
