//! What is measured, and whoever is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Work that was not done: the run has failed, whatever its speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(pub String);

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a turn gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The figure of the case, in its unit.
    pub value: f64,
    /// What stands beside it, in the order of [`Case::beside`].
    pub beside: Vec<f64>,
}

impl From<f64> for Turn {
    fn from(value: f64) -> Self {
        Self {
            value,
            beside: Vec::new(),
        }
    }
}

/// Does so many operations, checks them, and says what it has measured.
pub type Work = Box<dyn FnMut(u64) -> Result<Turn, Lost>>;

/// One implementation, in one case.
pub struct Contestant {
    /// `ours`, a crate's name, or `go:` and a module's name.
    pub who: String,
    /// What it does.
    pub work: Work,
    /// Whether it stands beside the others only: as the floor, which does
    /// less, or as another way that ours can be used.
    pub is_aside: bool,
}

impl Contestant {
    /// A contestant whose operations are timed: `work` does so many and says
    /// how long they took.
    pub fn new(
        who: impl Into<String>,
        mut work: impl FnMut(u64) -> Result<Duration, Lost> + 'static,
    ) -> Self {
        Self::measured(who, move |count| {
            let took = work(count)?;
            Ok(Turn::from(took.as_secs_f64() * 1e9 / count as f64))
        })
    }

    /// A contestant that measures by itself.
    pub fn measured(
        who: impl Into<String>,
        work: impl FnMut(u64) -> Result<Turn, Lost> + 'static,
    ) -> Self {
        Self {
            who: who.into(),
            work: Box::new(work),
            is_aside: false,
        }
    }

    /// Shown beside the others, and not counted as one to beat.
    #[must_use]
    pub fn aside(mut self) -> Self {
        self.is_aside = true;
        self
    }
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds an operation.
    Nanos,
    /// Calls a second.
    Calls,
    /// Seconds for all operations.
    Seconds,
    /// Bytes an operation.
    Bytes,
}

impl Unit {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nanos => "ns",
            Self::Calls => "calls/s",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
        }
    }

    /// A figure as people read it.
    #[must_use]
    pub fn show(self, figure: f64) -> String {
        match self {
            Self::Nanos if figure < 10.0 => format!("{figure:.2} ns"),
            Self::Nanos if figure < 100.0 => format!("{figure:.1} ns"),
            Self::Nanos if figure < 1e3 => format!("{figure:.0} ns"),
            Self::Nanos if figure < 1e4 => format!("{:.2} us", figure / 1e3),
            Self::Nanos => format!("{:.1} us", figure / 1e3),
            Self::Calls if figure < 100_000.0 => format!("{:.1} k/s", figure / 1e3),
            Self::Calls if figure < 1e6 => format!("{:.0} k/s", figure / 1e3),
            Self::Calls => format!("{:.2} M/s", figure / 1e6),
            Self::Seconds => format!("{figure:.2} s"),
            Self::Bytes => format!("{:.1} KiB", figure / 1024.0),
        }
    }

    /// What `ours` costs in terms of what `other` costs: below 1 we are ahead,
    /// also where more is better.
    #[must_use]
    pub fn cost(self, ours: f64, other: f64) -> f64 {
        match self {
            Self::Calls => other / ours,
            Self::Nanos | Self::Seconds | Self::Bytes => ours / other,
        }
    }
}

/// How much is done, how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// As much as fills a turn of this many times the usual length.
    Fill(u32),
    /// This many operations a turn; so many turns at full effort, and when
    /// it has to be quick.
    Fixed {
        /// Operations a turn.
        operations: u64,
        /// Turns at full effort.
        turns: usize,
        /// Turns when it has to be quick.
        quick: usize,
    },
}

/// A question, and those who answer it.
pub struct Case {
    /// Such as `object/get_put/1t`.
    pub name: &'static str,
    /// What an operation is, for people.
    pub what: &'static str,
    /// What the figure is counted in.
    pub unit: Unit,
    /// What else is measured: names that end in their unit, such as `p99_us`.
    pub beside: &'static [&'static str],
    /// How much is done.
    pub amount: Amount,
    /// The contestants; ours first.
    pub contestants: Vec<Contestant>,
}

impl Case {
    /// A case whose operations are timed, one like the other.
    #[must_use]
    pub fn timed(name: &'static str, what: &'static str, contestants: Vec<Contestant>) -> Self {
        Self {
            name,
            what,
            unit: Unit::Nanos,
            beside: &[],
            amount: Amount::Fill(1),
            contestants,
        }
    }
}
