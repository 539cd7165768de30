//! The services of the demo: which methods there are, and where they run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tower::layer::util::{Identity, Stack};

use super::check::Checker;
use super::message::{Alarm, CheckReply, CheckRequest, NotifyReply, NotifyRequest};
use super::notify::Notifier;
use super::outbox::Outbox;
use crate::load::host::unix_ms;
use crate::server::filter::CarriedLayer;
use crate::server::{Context, Failure, PoolOptions, Service};
use crate::wire::Code;

/// Answers with the body it was sent.
pub const ECHO: &str = "/rpcdemo.Echo/Echo";
/// Matches points against the policies.
pub const CHECK: &str = "/alarm.Check/Check";
/// Tells people.
pub const NOTIFY: &str = "/alarm.Notify/Notify";

/// A service whose requests take their id and deadline along.
pub type Carrying = Service<Stack<CarriedLayer, Identity>>;

/// The service that answers with the body it was sent, whatever it is.
#[must_use]
pub fn echo() -> Service {
    Service::new("Echo", "rpcdemo.Echo")
        .inline()
        .raw("Echo", |_: Context, body: Bytes| async move { Ok(body) })
}

/// The service that matches points against the policies, and leaves what fires for
/// Notify. While too much waits for Notify it refuses, with code 22.
#[must_use]
pub fn check(checker: Arc<Checker>, outbox: Arc<Outbox>, pool: PoolOptions) -> Carrying {
    Service::new("alarm.Check", "alarm.Check")
        .pooled(pool)
        .timeout(Duration::from_secs(5))
        .layer(CarriedLayer)
        .method("Check", move |context: Context, request: CheckRequest| {
            let (checker, outbox) = (Arc::clone(&checker), Arc::clone(&outbox));
            async move {
                if outbox.is_full() {
                    let message = "too many alarms wait for Notify";
                    return Err(Failure::framework(Code::SERVER_OVERLOAD, message));
                }
                // Told only when there is an alarm; in most requests there is none.
                let mut told = None;
                let reply = checker.check(&request.points, |alarm| {
                    let (request_id, traceparent) = told.get_or_insert_with(|| {
                        let id = context.request_id().to_string();
                        (id, context.span().to_string())
                    });
                    outbox.put(Alarm {
                        request_id: request_id.clone(),
                        traceparent: traceparent.clone(),
                        ..alarm
                    });
                });
                Ok::<CheckReply, Failure>(reply)
            }
        })
}

/// The service that tells people. It answers as soon as it has taken what is to be told.
#[must_use]
pub fn notify(notifier: Arc<Notifier>, pool: PoolOptions) -> Carrying {
    Service::new("alarm.Notify", "alarm.Notify")
        .pooled(pool)
        .timeout(Duration::from_secs(5))
        .layer(CarriedLayer)
        .method("Notify", move |_: Context, request: NotifyRequest| {
            let notifier = Arc::clone(&notifier);
            async move { Ok::<NotifyReply, Failure>(notifier.notify(request.alarms, unix_ms())) }
        })
}
