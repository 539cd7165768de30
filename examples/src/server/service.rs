//! Services: named methods, and where their requests run.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use rustc_hash::FxHashMap;

use super::context::Context;
use super::failure::Failure;
use crate::wire::content::{self, Body, ContentError};
use crate::wire::{Code, ContentType};

/// How long a request may take when nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Body in, body out.
pub(super) type Handler = Box<
    dyn Fn(Context, ContentType, Bytes) -> BoxFuture<'static, Result<Bytes, Failure>> + Send + Sync,
>;

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
}

pub(super) struct Method {
    pub(super) handler: Handler,
    pub(super) timeout: Option<Duration>,
}

/// A service, which gets a port of its own.
pub struct Service {
    pub(super) name: Arc<str>,
    /// Such as `/rpcdemo.Echo/`.
    pub(super) prefix: String,
    pub(super) timeout: Duration,
    pub(super) dispatch: Dispatch,
    /// By full name, such as `/rpcdemo.Echo/Echo`.
    pub(super) methods: FxHashMap<Box<[u8]>, Method>,
}

impl Service {
    /// A service without methods, handled in line. `name` is for people;
    /// `path` is what comes before the methods' names in a request.
    #[must_use]
    pub fn new(name: &str, path: &str) -> Self {
        Self {
            name: name.into(),
            prefix: format!("/{path}/"),
            timeout: TIMEOUT,
            dispatch: Dispatch::Inline,
            methods: FxHashMap::default(),
        }
    }

    /// Requests run in the task of their connection, one after another: for
    /// handlers that hardly wait. One that does wait keeps the others of its
    /// connection waiting, until its deadline at most.
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

    /// How long a request may take; 10 s when nothing is said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A method on bytes, of whatever content type; it answers in the same.
    ///
    /// The body is a slice of the buffer that the request was read into: who
    /// keeps it for long should copy it.
    #[must_use]
    pub fn raw<F, R>(self, method: &str, handler: F) -> Self
    where
        F: Fn(Context, Bytes) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Bytes, Failure>> + Send + 'static,
    {
        self.add(
            method,
            Box::new(move |context, _, body| Box::pin(handler(context, body))),
        )
    }

    /// A method on messages, as protobuf or JSON; it answers in the same.
    #[must_use]
    pub fn method<F, Q, A, R>(self, method: &str, handler: F) -> Self
    where
        F: Fn(Context, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<A, Failure>> + Send + 'static,
        Q: Body,
        A: Body,
    {
        let handler = move |context, content, body| {
            // The handler is called here, so that its future borrows nothing.
            let answer = content::decode(content, body).map(|request| handler(context, request));
            Box::pin(async move {
                let answer = answer
                    .map_err(|error| failure(Code::SERVER_DECODE, &error))?
                    .await?;
                content::encode(content, &answer)
                    .map_err(|error| failure(Code::SERVER_ENCODE, &error))
            }) as BoxFuture<'static, _>
        };
        self.add(method, Box::new(handler))
    }

    /// How long a request for one method may take, if that is less than the
    /// service's time. The method must have been added before.
    ///
    /// # Panics
    /// When it has not.
    #[must_use]
    pub fn method_timeout(mut self, method: &str, timeout: Duration) -> Self {
        let name = format!("{}{method}", self.prefix);
        let Some(found) = self.methods.get_mut(name.as_bytes()) else {
            panic!("{name} has a timeout, but is no method");
        };
        found.timeout = Some(timeout);
        self
    }

    fn add(mut self, method: &str, handler: Handler) -> Self {
        let name = format!("{}{method}", self.prefix).into_bytes();
        self.methods.insert(
            name.into(),
            Method {
                handler,
                timeout: None,
            },
        );
        self
    }
}

#[cold]
fn failure(code: Code, error: &ContentError) -> Failure {
    Failure::framework(code, error.to_string())
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .field("dispatch", &self.dispatch)
            .finish_non_exhaustive()
    }
}
