//! The clock behind every figure. A look at it is one instruction where the
//! processor has a counter that the kernel trusts, and `Instant` elsewhere.
//!
//! Stamps are in ticks of whichever it is, and so are histograms; only who
//! reads a figure pays for turning ticks into time.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A span to tell the rate of the counter over, which then is right to about
/// 1 in 10,000, and better the longer the process runs.
const BASELINE: Duration = Duration::from_millis(1);

/// Longer than a turn of many short jobs, shorter than one long job: in ticks of any clock,
/// which are 50 to 260 µs.
pub(crate) const MOMENT: u64 = 1 << 18;

/// Stamps are comparable only within one clock.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    /// The processor's counter.
    Counter,
    /// Nanoseconds since then.
    Instant(Instant),
    /// Never looked at: all its stamps are 0.
    StandingStill,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let epoch = Epoch::of_process();
        if epoch.counter.is_some() {
            Self::Counter
        } else {
            Self::Instant(epoch.instant)
        }
    }

    /// A stamp of this moment.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::Counter => counter::read(),
            Self::Instant(epoch) => nanos_since(epoch),
            Self::StandingStill => 0,
        }
    }

    /// So many ticks as time.
    pub(crate) fn time(&self, ticks: u64) -> Duration {
        Duration::from_nanos((ticks as f64 * self.tick()) as u64)
    }

    /// How long a tick takes, in nanoseconds.
    pub(crate) fn tick(&self) -> f64 {
        match self {
            Self::Counter => Epoch::of_process().tick(),
            Self::Instant(_) | Self::StandingStill => 1.0,
        }
    }
}

/// Not inlined: it is long, and would keep what looks at the clock from being.
#[inline(never)]
fn nanos_since(epoch: &Instant) -> u64 {
    epoch.elapsed().as_nanos() as u64
}

/// One moment, by both clocks.
struct Epoch {
    instant: Instant,
    /// None where there is no counter to be trusted.
    counter: Option<u64>,
}

impl Epoch {
    /// When the process first asked for a clock.
    fn of_process() -> &'static Self {
        static EPOCH: OnceLock<Epoch> = OnceLock::new();
        EPOCH.get_or_init(|| {
            if counter::is_trusted() {
                let (instant, counter) = both();
                Self {
                    instant,
                    counter: Some(counter),
                }
            } else {
                Self {
                    instant: Instant::now(),
                    counter: None,
                }
            }
        })
    }

    fn tick(&self) -> f64 {
        // Only a figure that is read as the first pool is made meets this.
        while self.instant.elapsed() < BASELINE {
            std::thread::yield_now();
        }
        let (instant, counter) = both();
        let ticks = counter - self.counter.unwrap_or_default();
        (instant - self.instant).as_nanos() as f64 / ticks as f64
    }
}

/// Both clocks at one moment: of some tries, the one that was interrupted
/// least.
fn both() -> (Instant, u64) {
    let tries = (0..5).map(|_| {
        let before = counter::read();
        let instant = Instant::now();
        let after = counter::read();
        (after.saturating_sub(before), instant, before)
    });
    let (width, instant, before) = tries.min_by_key(|t| t.0).expect("some tries");
    (instant, before + width / 2)
}

#[cfg(all(
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom_models)
))]
mod counter {
    use std::arch::x86_64::{__cpuid, _rdtsc};

    /// Whether the counter runs evenly whatever the processor does, and the
    /// kernel has found the counters of all processors to agree.
    pub(super) fn is_trusted() -> bool {
        const POWER: u32 = 0x8000_0007;
        const INVARIANT: u32 = 1 << 8;
        const SOURCES: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";
        #[allow(unused_unsafe, reason = "safe since Rust 1.94 or so")]
        // SAFETY: every x86-64 processor has the instruction; leaves above the
        // highest one are not asked for.
        let is_invariant =
            unsafe { __cpuid(0x8000_0000).eax >= POWER && __cpuid(POWER).edx & INVARIANT != 0 };
        is_invariant
            && std::fs::read_to_string(SOURCES)
                .is_ok_and(|sources| sources.split_whitespace().any(|source| source == "tsc"))
    }

    #[inline]
    pub(super) fn read() -> u64 {
        #[allow(unused_unsafe, reason = "safe in later versions")]
        // SAFETY: every x86-64 processor has the instruction, and Linux lets
        // processes use it unless they asked it not to.
        unsafe {
            _rdtsc()
        }
    }
}

#[cfg(not(all(
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom_models)
)))]
mod counter {
    pub(super) fn is_trusted() -> bool {
        false
    }

    pub(super) fn read() -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_turn_into_the_time_that_passed() {
        let clock = Clock::start();
        // One span lies within the ticks, they within the other: however long this thread
        // stands still between two looks.
        let outer = Instant::now();
        let first = clock.now();
        let inner = Instant::now();
        while inner.elapsed() < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        let inner = inner.elapsed();
        let last = clock.now();
        let outer = outer.elapsed();
        let told = (last - first) as f64 * clock.tick();
        assert!(told >= inner.as_nanos() as f64 * 0.999, "{told}");
        assert!(told <= outer.as_nanos() as f64 * 1.001, "{told}");
    }

    #[test]
    fn a_clock_that_stands_still_tells_nothing() {
        assert_eq!(Clock::StandingStill.now(), 0);
    }
}
