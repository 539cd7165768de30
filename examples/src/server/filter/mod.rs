//! What happens to every request on its way to its handler, and to its answer
//! on the way back: a chain of `tower` layers.
//!
//! ```text
//! Measured      how it ended, and when
//!  └ PanicGuard     a panic is code 31
//!     └ Traced          the request's span
//!        └ Expired          the deadline: code 21 or 24, the handler is dropped
//!           └ your layers       Service::layer, such as auth() or ShedLate
//!              └ Unpacked           decompresses; compresses the answer
//!                 └ handler            deserialises; serialises the answer
//! ```
//!
//! The chain of a method is one type, and one future, whose memory is
//! recycled: a filter that has no memory of its own to allocate makes none be
//! allocated for a call. A filter has to be cheap to clone; what it needs to
//! know of the request is in its [`Context`](super::Context).

mod auth;
mod carried;
mod expired;
mod measured;
mod panic_guard;
mod shed_late;
mod traced;
mod unpacked;

pub use auth::{Auth, AuthLayer, auth};
pub use carried::{Carried, CarriedLayer};
pub use shed_late::{ShedLate, ShedLateLayer};

pub(super) use expired::Expired;
pub(super) use measured::{Measured, Outcome};
pub(super) use panic_guard::{PanicGuard, caught};
pub(super) use traced::Traced;
pub(super) use unpacked::Unpacked;

use bytes::Bytes;
use tower::Layer;

use super::failure::Failure;
use super::handler::Request;

/// What the filters and handlers of this server are: services that take a
/// request and give the body of its answer.
pub trait Filter:
    tower::Service<Request, Response = Bytes, Error = Failure, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Filter for S where
    S: tower::Service<Request, Response = Bytes, Error = Failure, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// All that is around a handler, but for the outermost filter.
pub(super) type Chain<S> = PanicGuard<Traced<Expired<S>>>;

/// Puts the layers of a service, and those of every service, around a handler.
pub(super) fn chain<H, L>(layers: &L, handler: H) -> Chain<L::Service>
where
    L: Layer<Unpacked<H>>,
{
    PanicGuard(Traced(Expired(layers.layer(Unpacked(handler)))))
}

/// Runs a request through a chain.
#[inline]
pub(super) fn run<S: Filter>(
    chain: &Chain<S>,
    request: Request,
) -> Measured<<Chain<S> as tower::Service<Request>>::Future> {
    Measured::new(chain.guard(request))
}
