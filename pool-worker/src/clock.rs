//! The moments at which jobs come and go.

use std::sync::LazyLock;
use std::time::Instant;

/// Where the stamps count from.
static ANCHOR: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment, in nanoseconds since some moment of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

impl Stamp {
    pub(crate) fn now() -> Self {
        let since = ANCHOR.elapsed().as_nanos();
        Self(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// Nanoseconds from `earlier` to this.
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
