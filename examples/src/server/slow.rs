//! Requests that took too long, in the log.

use bytes::Bytes;
use tokio::time::Instant;

use super::context::Context;
use super::failure::Failure;
use crate::wire::Code;

/// Logs where the time of a request has gone that ended so at `end`.
#[cold]
#[inline(never)]
pub(super) fn tell(context: &Context, result: &Result<Bytes, Failure>, end: Instant) {
    if !tracing::enabled!(tracing::Level::WARN) {
        return;
    }
    let Ok(method) = context.running().method(&context.head().func) else {
        // It was called, so it is there.
        return;
    };
    let Some(suppressed) = method.slow.admit() else {
        return;
    };
    let (took, waited) = (context.took(end), context.waited());
    tracing::warn!(
        service = context.service(),
        method = context.method(),
        id = %context.request_id(),
        peer = %context.peer(),
        queued_us = waited.as_micros(),
        ran_us = took.saturating_sub(waited).as_micros(),
        code = result.as_ref().map_or_else(Failure::number, |_| Code::OK.0),
        suppressed,
        "slow request"
    );
}
