//! What became of a job that a worker had.

use std::any::Any;

use crate::permits::Permit;

/// As the pool counts it. A job that panics outright is none of these.
pub(crate) enum Outcome {
    Ran,
    /// Its handle has the payload; or nobody holds the handle, and this has.
    Panicked(Option<Box<dyn Any + Send>>),
    /// It has a name, and nobody was there for its panic.
    NamedPanicked(&'static str, Box<dyn Any + Send>),
    /// Its handle cancelled it as it ran.
    Cancelled,
    /// Its handle cancelled it before it started.
    CalledOff,
    /// It ran, and has its place of a sub-pool until it is counted.
    Limited(Permit),
    /// The same, where it ended otherwise. In a box: what is said of every job is no larger
    /// for it.
    LimitedOtherwise(Box<(Permit, Outcome)>),
}

impl Outcome {
    /// The same, of a job that had this place of a sub-pool.
    pub(crate) fn limited(self, permit: Permit) -> Self {
        match self {
            Self::Ran => Self::Limited(permit),
            outcome => Self::LimitedOtherwise(Box::new((permit, outcome))),
        }
    }

    /// The same, of a job with this name.
    pub(crate) fn of(self, name: &'static str) -> Self {
        match self {
            Self::Panicked(Some(payload)) => Self::NamedPanicked(name, payload),
            outcome => outcome,
        }
    }
}

/// A plain job tells nothing: it ran.
impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Ran
    }
}

/// As a catch gives it: a panic that no handle was there for is an error.
pub(crate) type Caught = Result<Outcome, Box<dyn Any + Send>>;

#[cfg(all(test, not(loom_models)))]
mod tests {
    use super::*;

    /// A worker has one for each job: what few jobs tell is in boxes.
    #[test]
    fn an_outcome_takes_five_words_at_most() {
        assert!(size_of::<Outcome>() <= 5 * size_of::<usize>());
        assert!(size_of::<Caught>() <= 5 * size_of::<usize>());
    }
}
