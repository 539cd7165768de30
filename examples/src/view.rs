//! Live progress: bars on a terminal, plain lines elsewhere. On standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use crate::load::figures::CallSnapshot;
use crate::quantiles::Quantiles;
use crate::say;

const LINE_EVERY: Duration = Duration::from_secs(1);

/// How far something has come, out of a known whole.
#[derive(Debug)]
pub struct View {
    what: &'static str,
    bar: Option<ProgressBar>,
    line: Mutex<Line>,
    /// How much of the run was over when this began.
    after: Duration,
}

#[derive(Debug)]
struct Line {
    done: u64,
    whole: u64,
    next: Instant,
}

impl View {
    fn new(what: &'static str, whole: u64, template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(template).expect("a constant template");
            let bar = ProgressBar::new(whole).with_style(style).with_prefix(what);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let line = Mutex::new(Line {
            done: 0,
            whole,
            next: Instant::now() + LINE_EVERY,
        });
        Self {
            what,
            bar,
            line,
            after: Duration::ZERO,
        }
    }

    /// For policies being loaded.
    #[must_use]
    pub fn loading(policies: u64) -> Self {
        Self::new(
            "loading policies",
            policies,
            "{prefix} {wide_bar} {human_pos}/{human_len} ({per_sec}, {eta} left)",
        )
    }

    /// For load being sent.
    #[must_use]
    pub fn sending(duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::new(
            "sending load",
            millis,
            "{prefix} {wide_bar} {eta} left\n{msg}",
        )
    }

    /// For more load than can be served, after the usual one.
    #[must_use]
    pub fn overload(duration: Duration, after: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let template = "{prefix} {wide_bar} {eta} left\n{msg}";
        Self {
            after,
            ..Self::new("overload", millis, template)
        }
    }

    /// So much more is done.
    pub fn advance(&self, more: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(more);
            return;
        }
        let mut line = self.line.lock();
        line.done += more;
        if Instant::now() >= line.next || line.done == line.whole {
            line.next = Instant::now() + LINE_EVERY;
            say::err(format_args!(
                "{} {}/{}",
                self.what,
                HumanCount(line.done),
                HumanCount(line.whole)
            ));
        }
    }

    /// The load has gone on for so long, and this is how it goes.
    pub fn show(&self, elapsed: Duration, live: &impl std::fmt::Display) {
        let text = live.to_string();
        match &self.bar {
            Some(bar) => {
                bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
                bar.set_message(text);
            }
            None => say::err(format_args!(
                "{:>4.0} s  {text}",
                (self.after + elapsed).as_secs_f64()
            )),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is shown while load is sent.
#[derive(Clone, Debug)]
pub struct Live {
    /// Calls that ended in the last second.
    pub calls_per_second: u64,
    /// The calls.
    pub calls: CallSnapshot,
    /// Schedule delay of `alarm.Check`, if the server is here.
    pub delay: Option<Quantiles>,
    /// Alarms raised, if the server is here.
    pub alarms: Option<u64>,
}

impl std::fmt::Display for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let errors: u64 = self.calls.errors.values().sum();
        write!(
            f,
            "{:>5} calls/s  {:>4} in flight  p50 {:>6.0} us  p99 {:>6.0} us",
            self.calls_per_second,
            self.calls.begun - self.calls.ended,
            self.calls.recent.p50,
            self.calls.recent.p99,
        )?;
        if let Some(delay) = self.delay {
            write!(f, "  schedule delay p99 {:>5.0} us", delay.p99)?;
        }
        if let Some(alarms) = self.alarms {
            write!(f, "  {} alarms", HumanCount(alarms))?;
        }
        write!(f, "  {errors} errors")
    }
}
