//! Services: named methods, and where their requests run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pool_worker::overload::Control;
use rustc_hash::FxHashMap;
use tower::Layer;
use tower::layer::util::{Identity, Stack};

use super::context::Context;
use super::failure::Failure;
use super::filter::{Filter, Unpacked};
use super::handler::{Raw, Typed};
use super::method::Method;
use crate::wire::content::Body;
use crate::wire::{Codec, FramerBuilder, Trpc};

/// The name of the method that is called when no other is meant.
const ANY: &str = "*";
/// How long a request may take when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The worker pool of a pooled service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// Requests that run at a time.
    pub capacity: usize,
    /// Requests that may wait; one more is refused with code 22.
    pub queue: usize,
}

/// Where requests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dispatch {
    Inline,
    Pooled(PoolOptions),
    Controlled(PoolOptions, Control),
}

/// A service, which gets a port of its own. `L` is the layers around the
/// handlers of the methods that are added from now on.
pub struct Service<L = Identity> {
    pub(super) name: Arc<str>,
    /// Such as `/rpcdemo.Echo/`.
    pub(super) prefix: String,
    pub(super) timeout: Duration,
    pub(super) slow: Option<Duration>,
    pub(super) dispatch: Dispatch,
    /// By full name, such as `/rpcdemo.Echo/Echo`.
    pub(super) methods: FxHashMap<Box<[u8]>, Method>,
    pub(super) any: Option<Method>,
    pub(super) framer: Box<dyn FramerBuilder>,
    pub(super) codec: Box<dyn Codec>,
    pub(super) protocol: &'static str,
    layers: L,
}

impl Service {
    /// A service without methods, handled in line, that speaks tRPC. `name` is
    /// for people; `path` is what comes before the methods' names in a request.
    #[must_use]
    pub fn new(name: &str, path: &str) -> Self {
        Self {
            name: name.into(),
            prefix: format!("/{path}/"),
            timeout: TIMEOUT,
            slow: None,
            dispatch: Dispatch::Inline,
            methods: FxHashMap::default(),
            any: None,
            framer: Box::new(Trpc),
            codec: Box::new(Trpc),
            protocol: name_of::<Trpc>(),
            layers: Identity::new(),
        }
    }
}

impl<L> Service<L> {
    /// Requests run in the task of their connection, one after another: for
    /// handlers that hardly wait. One that does wait keeps the others of its
    /// connection waiting, until its deadline at most; whose own deadline passes
    /// meanwhile is not handled, and told so (code 21 or 24) when its turn comes, which is
    /// later than its caller waits. [Pooled](Self::pooled) ones do not wait for each other.
    #[must_use]
    pub fn inline(mut self) -> Self {
        self.dispatch = Dispatch::Inline;
        self
    }

    /// Requests run on the workers of a pool of this service's own.
    #[must_use]
    pub fn pooled(mut self, pool: PoolOptions) -> Self {
        self.dispatch = Dispatch::Pooled(pool);
        self
    }

    /// As [`pooled`](Self::pooled), and who waits is served by priority and turned
    /// away by delay: with code 22, or 21 or 24 once its deadline has passed. What callers say
    /// of a request's priority, and what they are told of the level that is let in, so
    /// that they can refuse by themselves, is in `trans_info`: see
    /// [`urgency`](crate::urgency).
    #[must_use]
    pub fn controlled(mut self, pool: PoolOptions, control: Control) -> Self {
        self.dispatch = Dispatch::Controlled(pool, control);
        self
    }

    /// A pooled service becomes [controlled](Self::controlled), where there is a
    /// control.
    #[must_use]
    pub fn controlled_by(self, control: Option<Control>) -> Self {
        match (self.dispatch, control) {
            (Dispatch::Pooled(pool), Some(control)) => self.controlled(pool, control),
            _ => self,
        }
    }

    /// How long a request may take; 10 s when nothing is said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A request that takes longer, from its reading to its end, is logged as a
    /// warning: its method, its delay in the queue, how long it ran, its peer, its id
    /// and its code; at most ten a second of each method. None is if nothing is said.
    #[must_use]
    pub fn slow(mut self, slow: Duration) -> Self {
        self.slow = Some(slow);
        self
    }

    /// Speaks another protocol than tRPC, such as
    /// [`PrefixedJson`](crate::wire::json::PrefixedJson).
    #[must_use]
    pub fn protocol<P: FramerBuilder + Codec + Clone>(mut self, protocol: P) -> Self {
        self.framer = Box::new(protocol.clone());
        self.codec = Box::new(protocol);
        self.protocol = name_of::<P>();
        self
    }

    /// Puts a `tower` layer around the handlers of the methods that are added
    /// after it; the first one that is added is the outermost. What is around
    /// them all, see [`filter`](super::filter).
    #[must_use]
    pub fn layer<N>(self, layer: N) -> Service<Stack<N, L>> {
        Service {
            name: self.name,
            prefix: self.prefix,
            timeout: self.timeout,
            slow: self.slow,
            dispatch: self.dispatch,
            methods: self.methods,
            any: self.any,
            framer: self.framer,
            codec: self.codec,
            protocol: self.protocol,
            layers: Stack::new(layer, self.layers),
        }
    }

    /// A method on bytes, of whatever content type; it answers in the same.
    /// The method `*` is called for every name that is no other method's.
    ///
    /// The handler is cloned for each request: what it has much of should be
    /// behind an [`Arc`]. The body is a slice of the buffer that the request
    /// was read into: who keeps it for long should copy it.
    #[must_use]
    pub fn raw<F, R>(self, method: &str, handler: F) -> Self
    where
        F: Fn(Context, Bytes) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Bytes, Failure>> + Send + 'static,
        L: Layer<Unpacked<Raw<F>>, Service: Filter>,
    {
        let added = Method::new(&self.layers, Raw(handler));
        self.add(method, added)
    }

    /// A method on messages, as protobuf or JSON; it answers in the same.
    /// Otherwise as [`raw`](Self::raw).
    #[must_use]
    pub fn method<F, Q, A, R>(self, method: &str, handler: F) -> Self
    where
        F: Fn(Context, Q) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<A, Failure>> + Send + 'static,
        Q: Body,
        A: Body,
        L: Layer<Unpacked<Typed<F, Q>>, Service: Filter>,
    {
        let added = Method::new(&self.layers, Typed::new(handler));
        self.add(method, added)
    }

    /// What comes before the names of its methods in a request, such as `/rpcdemo.Echo/`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How long a request for one method may take, if that is less than the
    /// service's time. The method must have been added before.
    ///
    /// # Panics
    /// When it has not.
    #[must_use]
    pub fn method_timeout(mut self, method: &str, timeout: Duration) -> Self {
        let name = format!("{}{method}", self.prefix);
        let found = match method {
            ANY => self.any.as_mut(),
            _ => self.methods.get_mut(name.as_bytes()),
        };
        let Some(found) = found else {
            panic!("{name} has a timeout, but is no method");
        };
        found.timeout = Some(timeout);
        self
    }

    fn add(mut self, method: &str, added: Method) -> Self {
        if method == ANY {
            self.any = Some(added);
        } else {
            let name = format!("{}{method}", self.prefix).into_bytes();
            self.methods.insert(name.into(), added);
        }
        self
    }
}

/// The last part of a type's name.
fn name_of<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

impl<L> std::fmt::Debug for Service<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("dispatch", &self.dispatch)
            .finish_non_exhaustive()
    }
}
