//! Requests that took too long, in the log.

use std::time::Duration;

use uuid::Uuid;

use super::session::Session;
use crate::wire::RequestProtocol;

/// Where the time of a request has gone.
pub(super) struct Times {
    /// Between its reading and its turn, which it may not have had.
    pub(super) waited: Duration,
    pub(super) ran: Duration,
}

/// Logs where the time of a request has gone that has ended with `code`, handled or not.
#[cold]
#[inline(never)]
pub(super) fn tell(
    session: &Session,
    head: &RequestProtocol,
    id: impl FnOnce() -> Uuid,
    times: &Times,
    code: i32,
) {
    if !tracing::enabled!(tracing::Level::WARN) {
        return;
    }
    let Ok(method) = session.running.method(&head.func) else {
        return;
    };
    let Some(suppressed) = method.slow.admit() else {
        return;
    };
    tracing::warn!(
        service = &*session.running.name,
        method = &*String::from_utf8_lossy(&head.func),
        id = %id(),
        peer = %session.peer,
        queued_us = times.waited.as_micros(),
        ran_us = times.ran.as_micros(),
        code,
        suppressed,
        "slow request"
    );
}
