//! Calls to a service that has many servers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::discovery::Discovery;
use super::endpoints::Endpoints;
use super::error::CallError;
use super::figures::{ClientFigures, Counts, Update};
use super::message::translated;
use super::options::{Answer, CallOptions, ClientOptions};
use super::retry::{Retry, may_retry};
use crate::wire::content::Body;
use crate::wire::{Code, ContentType};

/// How a service is called that has many servers.
#[derive(Clone, Debug, PartialEq)]
pub struct BalancedOptions {
    /// How each server is connected to.
    pub client: ClientOptions,
    /// How calls that failed are made again.
    pub retry: Retry,
    /// Calls may be made again even when the first may have been handled.
    pub idempotent: bool,
    /// How often it is asked where the servers are.
    pub refresh: Duration,
    /// How long a server that cannot be reached, or has fallen silent, is not
    /// asked, if there are others.
    pub rest: Duration,
}

impl Default for BalancedOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            retry: Retry::default(),
            idempotent: false,
            refresh: Duration::from_secs(10),
            rest: Duration::from_secs(5),
        }
    }
}

/// Calls a service wherever its servers are: each call goes to the less busy
/// of two of them, and to another one when it may be made again. A clone is
/// the same client.
#[derive(Clone)]
pub struct Balanced(Arc<Inner>);

struct Inner {
    discovery: Box<dyn Discovery>,
    options: BalancedOptions,
    endpoints: Endpoints,
    counts: Counts,
    runtime: Handle,
    /// The task that asks where the servers are.
    refresher: std::sync::OnceLock<AbortHandle>,
}

impl Balanced {
    /// A client of the servers that `discovery` tells. It connects to each
    /// when it is first asked: one that is dead holds nobody up.
    ///
    /// When none can be told yet, calls fail with [`CallError::Route`] until
    /// some can.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn new(discovery: impl Discovery, options: BalancedOptions) -> Self {
        let this = Self(Arc::new(Inner {
            discovery: Box::new(discovery),
            endpoints: Endpoints::new(options.client.clone(), options.rest),
            options,
            counts: Counts::new(),
            runtime: Handle::current(),
            refresher: std::sync::OnceLock::new(),
        }));
        this.refresh().await;
        let refresher = tokio::spawn(refresh(Arc::downgrade(&this.0)));
        let _ = this.0.refresher.set(refresher.abort_handle());
        this
    }

    /// Asks now where the servers are.
    pub async fn refresh(&self) {
        self.0.refresh().await;
    }

    /// Calls `method` with a message; see [`Client::call`](super::Client::call).
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error; that of the last
    /// attempt.
    pub async fn call<Q: Body, A: Body>(
        &self,
        method: &str,
        request: &Q,
        options: &CallOptions,
    ) -> Result<A, CallError> {
        let content = options.content_type;
        translated(content, request, |body| async move {
            let answer = self.call_raw(method, content, body, options).await?;
            Ok(answer.body)
        })
        .await
    }

    /// The same with bytes. The timeout is that of all attempts together.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error; that of the last
    /// attempt.
    pub async fn call_raw(
        &self,
        method: &str,
        content_type: ContentType,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<Answer, CallError> {
        let (began, bytes) = (Instant::now(), body.len());
        let result = self.0.attempts(method, content_type, body, options).await;
        let code = result.as_ref().map_or_else(CallError::code, |_| Code::OK);
        self.0.counts.ended(code.0, bytes, began.elapsed());
        result
    }

    /// The same from a thread that waits for the answer, as synchronous code
    /// does.
    ///
    /// # Errors
    /// When there is no answer, or the answer is an error.
    ///
    /// # Panics
    /// In a task: the thread would be kept from running others.
    pub fn call_raw_blocking(
        &self,
        method: &str,
        content_type: ContentType,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<Answer, CallError> {
        let call = self.call_raw(method, content_type, body, options);
        self.0.runtime.block_on(call)
    }

    /// What was done since the start.
    #[must_use]
    pub fn figures(&self) -> ClientFigures {
        let all = self.0.endpoints.all();
        let pending = all
            .iter()
            .map(|one| (one.addr, one.client.waiting() as u64));
        ClientFigures {
            pending: pending.collect(),
            ..self.0.counts.figures()
        }
    }

    /// Closes all connections, and waits until they are. Calls under way, and
    /// calls to come, fail with [`CallError::Cancelled`].
    pub async fn close(&self) {
        self.0.stop();
        for endpoint in self.0.endpoints.all() {
            endpoint.client.close().await;
        }
    }
}

impl Inner {
    async fn refresh(&self) {
        match self.discovery.resolve().await {
            Ok(addrs) => self.endpoints.update(addrs, &self.counts),
            Err(error) => {
                tracing::warn!(%error, "servers cannot be discovered; those known are kept");
                self.counts.updated(Update::KeptOnError);
            }
        }
    }

    async fn attempts(
        &self,
        method: &str,
        content_type: ContentType,
        body: Bytes,
        options: &CallOptions,
    ) -> Result<Answer, CallError> {
        let deadline = Instant::now() + options.timeout;
        let mut options = options.clone();
        let mut tried = Vec::new();
        for retry in 0.. {
            let endpoint = self.endpoints.pick(&tried).ok_or(CallError::Route)?;
            let client = &endpoint.client;
            let call = client.call_whole(method, content_type, body.clone(), &options);
            let error = match call.await {
                Ok(answer) => {
                    endpoint.mark_up(&self.counts);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            self.counts.failed(error.code().0);
            match error {
                CallError::Timeout => {
                    self.counts.timed_out(endpoint.addr);
                    if client.fell_silent() {
                        self.endpoints.mark_down(&endpoint, &self.counts);
                    }
                }
                CallError::Connect(_) | CallError::Net(_) | CallError::ReadFrame(_) => {
                    self.endpoints.mark_down(&endpoint, &self.counts);
                }
                _ => {}
            }
            tried.push(endpoint.addr);
            drop(endpoint);
            let pause = Instant::now() + self.options.retry.pause(retry);
            if retry >= self.options.retry.times
                || pause >= deadline
                || !may_retry(&error, self.options.idempotent)
            {
                return Err(error);
            }
            self.counts.retried(tried[tried.len() - 1]);
            tokio::time::sleep_until(pause).await;
            options.timeout = deadline - Instant::now();
        }
        unreachable!("the last attempt has returned")
    }

    fn stop(&self) {
        if let Some(refresher) = self.refresher.get() {
            refresher.abort();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks where the servers are as long as there is a client.
async fn refresh(client: Weak<Inner>) {
    loop {
        let Some(every) = client.upgrade().map(|client| client.options.refresh) else {
            return;
        };
        sleep(every).await;
        let Some(client) = client.upgrade() else {
            return;
        };
        // One that hangs does not keep the client from asking again.
        let late = Instant::now() + every.max(Duration::from_secs(1));
        let _ = timeout_at(late, client.refresh()).await;
    }
}

impl std::fmt::Debug for Balanced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Balanced")
            .field("figures", &self.figures())
            .finish_non_exhaustive()
    }
}
