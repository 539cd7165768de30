//! Lines that may come too often: the first few of each second are logged, the others
//! counted, as zap's sampler does.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;

/// Lines that all samplers have kept back.
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);
/// What seconds are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How many lines were kept back since the start, in this process.
#[must_use]
pub fn suppressed() -> u64 {
    SUPPRESSED.load(Relaxed)
}

/// Lets so many lines a second through.
#[derive(Debug)]
pub struct Sampler {
    per_second: u32,
    /// Held for a few instructions only.
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    second: u64,
    passed: u32,
    /// Kept back since the last line that was let through.
    suppressed: u64,
}

impl Sampler {
    /// Lets the first `per_second` lines of a second through.
    #[must_use]
    pub const fn per_second(per_second: u32) -> Self {
        Self {
            per_second,
            window: Mutex::new(Window {
                second: 0,
                passed: 0,
                suppressed: 0,
            }),
        }
    }

    /// Whether a line may be logged now: then with the number of lines that were
    /// kept back since the last one, which should be told along.
    pub fn admit(&self) -> Option<u64> {
        self.admit_in(START.elapsed().as_secs())
    }

    fn admit_in(&self, second: u64) -> Option<u64> {
        let mut window = self.window.lock();
        // Never back: who was held up between the clock and the lock counts as of now.
        if second > window.second {
            window.second = second;
            window.passed = 0;
        }
        if window.passed < self.per_second {
            window.passed += 1;
            return Some(std::mem::take(&mut window.suppressed));
        }
        window.suppressed += 1;
        SUPPRESSED.fetch_add(1, Relaxed);
        None
    }
}

/// Logs at most so many lines a second from this place, with the field `suppressed`:
/// how many were kept back since the last one. They are counted on `/metrics` too.
///
/// ```
/// let error = std::io::Error::other("gone");
/// rpc_demo::sampled!(10, warn, %error, "the webhook does not answer");
/// ```
#[macro_export]
macro_rules! sampled {
    ($per_second:expr, info, $($line:tt)+) => {
        $crate::sampled!(@ $per_second, INFO, $($line)+)
    };
    ($per_second:expr, warn, $($line:tt)+) => {
        $crate::sampled!(@ $per_second, WARN, $($line)+)
    };
    ($per_second:expr, error, $($line:tt)+) => {
        $crate::sampled!(@ $per_second, ERROR, $($line)+)
    };
    (@ $per_second:expr, $level:ident, $($line:tt)+) => {{
        static HERE: $crate::logging::Sampler = $crate::logging::Sampler::per_second($per_second);
        // A line that nobody wants counts for nothing.
        if ::tracing::enabled!(::tracing::Level::$level)
            && let Some(suppressed) = HERE.admit()
        {
            ::tracing::event!(::tracing::Level::$level, suppressed, $($line)+);
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_second_pass_and_the_next_one_tells_of_the_others() {
        let sampler = Sampler::per_second(2);
        let told: Vec<_> = (0..5).map(|_| sampler.admit_in(7)).collect();
        assert_eq!(told, [Some(0), Some(0), None, None, None]);
        assert_eq!(sampler.admit_in(8), Some(3));
        assert_eq!(sampler.admit_in(8), Some(0));
        // The clock was read before the second was over.
        assert_eq!(sampler.admit_in(7), None);
        assert!(suppressed() >= 4);
    }
}
