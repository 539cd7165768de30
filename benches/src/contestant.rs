//! Whoever is measured.

use std::time::Duration;

/// Work that was not done: the run has failed, whatever its speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(pub String);

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does so many operations, checks them, and says how long they took.
pub type Work = Box<dyn FnMut(u64) -> Result<Duration, Lost>>;

/// One implementation, in one case.
pub struct Contestant {
    /// `ours`, a crate's name, or `go:` and a module's name.
    pub who: String,
    /// What it does.
    pub work: Work,
}

impl Contestant {
    /// A contestant called `who`.
    pub fn new(
        who: impl Into<String>,
        work: impl FnMut(u64) -> Result<Duration, Lost> + 'static,
    ) -> Self {
        Self {
            who: who.into(),
            work: Box::new(work),
        }
    }
}

/// A question, and those who answer it.
pub struct Case {
    /// Such as `object/get_put/1t`.
    pub name: &'static str,
    /// What an operation is, for people.
    pub what: &'static str,
    /// The contestants; ours first.
    pub contestants: Vec<Contestant>,
}
