//! Where a request stands in a trace, as the W3C has it: `traceparent` in the metadata of
//! calls and in the headers of webhooks, so that other tools can put the parts together.
//!
//! The trace is the caller's, or else the request itself: its id is 128 bits, as a trace's
//! is. A request is one span of it; the calls that it makes, and the alarms that it raises,
//! name that span as their parent.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The key in a call's metadata, and the header.
pub const TRACEPARENT: &str = "traceparent";

/// That somebody records the trace.
const SAMPLED: u8 = 1;

/// A span of a trace.
///
/// ```
/// use rpc_demo::traceparent::TraceParent;
///
/// let told = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let parent: TraceParent = told.parse().unwrap();
/// assert_eq!(parent.span, 0x00f0_67aa_0ba9_02b7);
/// assert_eq!(parent.to_string(), told);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: Uuid,
    /// The span; never 0.
    pub span: u64,
    /// What is said of it: bit 0 is that it is recorded.
    pub flags: u8,
}

impl TraceParent {
    /// The first span of a trace.
    #[must_use]
    pub fn root(trace: Uuid, span: u64) -> Self {
        Self {
            trace,
            span,
            flags: SAMPLED,
        }
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(self, span: u64) -> Self {
        Self { span, ..self }
    }

    /// What is told in bytes, if it is a `traceparent`.
    #[must_use]
    pub fn told(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()?.parse().ok()
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, flags } = self;
        write!(f, "00-{}-{span:016x}-{flags:02x}", trace.simple())
    }
}

/// What was told is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no traceparent")]
pub struct NoTraceParent;

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let mut parts = text.splitn(5, '-');
        let mut hex = |digits: usize| {
            let part = parts.next().ok_or(NoTraceParent)?;
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            if part.len() != digits || !part.bytes().all(is_hex) {
                return Err(NoTraceParent);
            }
            u128::from_str_radix(part, 16).map_err(|_| NoTraceParent)
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        // A later version may say more, behind these.
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) || trace == 0 || span == 0 {
            return Err(NoTraceParent);
        }
        Ok(Self {
            trace: Uuid::from_u128(trace),
            span: span as u64,
            flags: flags as u8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    #[test]
    fn what_is_told_is_understood_and_what_is_not_right_is_not() {
        let told = TraceParent::told(TOLD.as_bytes()).unwrap();
        assert_eq!((told.to_string(), told.flags), (TOLD.to_owned(), 0));
        // A version to come says more.
        let later = format!("01{}-more-of-it", &TOLD[2..]);
        assert_eq!(later.parse(), Ok(told));
        let zeros = |from: usize, to: usize| {
            let mut text = TOLD.to_owned();
            text.replace_range(from..to, &"0".repeat(to - from));
            text
        };
        for wrong in [
            String::new(),
            TOLD[..54].to_owned(),
            format!("{TOLD}-more"),
            format!("ff{}", &TOLD[2..]),
            TOLD.to_uppercase(),
            TOLD.replace('-', "+"),
            TOLD.replacen("4b", "+b", 1),
            zeros(3, 35),
            zeros(36, 52),
        ] {
            assert_eq!(wrong.parse::<TraceParent>(), Err(NoTraceParent), "{wrong}");
        }
    }

    #[test]
    fn a_child_is_of_the_same_trace_and_recorded_if_its_parent_is() {
        let root = TraceParent::root(Uuid::from_u128(7), 1);
        let child = root.child(2);
        assert_eq!((child.trace, child.span, child.flags), (root.trace, 2, 1));
        let parent: TraceParent = TOLD.parse().unwrap();
        assert_eq!(parent.child(2).flags, 0);
    }
}
