//! The server: starts services, and stops them gracefully.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::ToSocketAddrs;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::hooks::Hooks;
use super::listener::{self, Acceptor};
use super::outbox::Phase;
use super::running::{Running, ServerOptions, Stop};
use super::service::Service;
use super::stats::{ServerStats, StatsHandle};

/// How long handlers have once they are told that they will not be waited
/// for, and how long their callers have to be told.
const LAST_WORD: Duration = Duration::from_millis(250);

/// A service cannot listen at its address.
#[derive(Debug, thiserror::Error)]
#[error("{service}: cannot listen at {addr}: {source}")]
pub struct BindError {
    /// The service.
    pub service: String,
    /// The address.
    pub addr: String,
    /// Why not.
    pub source: std::io::Error,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Requests accepted since the start.
    pub accepted: u64,
    /// Requests whose reply was written.
    pub replied: u64,
    /// Requests whose peer was gone before its reply could be written.
    pub abandoned: u64,
    /// Requests that came to nothing because the time was over.
    pub lost: u64,
    /// Hooks that failed, panicked or overran.
    pub failed_hooks: u64,
}

/// Services at work, on any runtime of tokio, best on one that [`runtime`](super::runtime())
/// makes. Dropping it closes everything at once; see [`shutdown`](Self::shutdown).
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    stats: StatsHandle,
    stop: watch::Sender<Stop>,
    listeners: JoinSet<()>,
    /// Tells the listeners.
    closing: CancellationToken,
    hooks: Hooks,
}

impl Server {
    /// A server without services.
    #[must_use]
    pub fn new(options: ServerOptions) -> Self {
        Self {
            options,
            stats: StatsHandle::default(),
            stop: watch::Sender::new(Stop::No),
            listeners: JoinSet::new(),
            closing: CancellationToken::new(),
            hooks: Hooks::default(),
        }
    }

    /// Starts a service at `addr`; where it really listens, which tells when
    /// the port was 0. It accepts from now on.
    ///
    /// # Errors
    /// When it cannot listen there; the message is one line that names the
    /// service and the address.
    pub async fn serve<L>(
        &mut self,
        service: Service<L>,
        addr: impl ToSocketAddrs + ToString,
    ) -> Result<SocketAddr, BindError> {
        let refused = |source| BindError {
            service: service.name.to_string(),
            addr: addr.to_string(),
            source,
        };
        let listener = listener::bind(&addr).await.map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?;
        let name = Arc::clone(&service.name);
        let running = Arc::new(Running::new(
            service,
            bound,
            self.options,
            self.stop.clone(),
        ));
        self.stats.services.lock().push(Arc::clone(&running));
        let registry = Arc::clone(&self.stats.registry);
        let acceptor = Acceptor { running, registry };
        self.listeners
            .spawn(acceptor.run(listener, self.closing.clone()));
        tracing::info!(service = %name, %bound, "listening");
        Ok(bound)
    }

    /// Has `hook` run at the end of a [`shutdown`](Self::shutdown), when no handler
    /// runs any more (`RegisterOnShutdown` of trpc-go): the place to stop what
    /// produces, close channels and wait for who consumes.
    ///
    /// Hooks run one after the other as they were added, each within `limit` and the
    /// time of the whole shutdown; a quarter of a second each has anyway. One that
    /// overruns is dropped, and the next one runs. How each ended is logged by its
    /// `name`.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use rpc_demo::server::{Server, ServerOptions};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (produce, mut channel) = tokio::sync::mpsc::channel(100);
    /// let consumer = tokio::spawn(async move {
    ///     let mut sum = 0;
    ///     while let Some(number) = channel.recv().await {
    ///         sum += number;
    ///     }
    ///     assert_eq!(sum, 3);
    /// });
    /// let mut server = Server::new(ServerOptions::default());
    /// produce.send(1).await.unwrap();
    /// produce.send(2).await.unwrap();
    /// server.on_shutdown("the channel is closed", Duration::from_secs(1), async || {
    ///     drop(produce);
    ///     Ok::<_, Infallible>(())
    /// });
    /// server.on_shutdown("the consumer has ended", Duration::from_secs(5), || consumer);
    /// assert_eq!(server.shutdown(Duration::from_secs(10)).await.failed_hooks, 0);
    /// # });
    /// ```
    pub fn on_shutdown<F, R, E>(&mut self, name: impl Into<String>, limit: Duration, hook: F)
    where
        F: FnOnce() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.hooks.add(name.into(), limit, || {
            let hook = hook();
            Box::pin(async { hook.await.map_err(Into::into) })
        });
    }

    /// The figures of now.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.stats.stats()
    }

    /// Looks on without keeping the server from being stopped.
    #[must_use]
    pub fn stats_handle(&self) -> StatsHandle {
        self.stats.clone()
    }

    /// Stops gracefully. No more connections are accepted but those that wait for it,
    /// and no more requests handled but those that had been sent: callers that come
    /// late are told to go elsewhere (code 22, `stopping`). Requests under way end and
    /// their replies are written, for at most `limit`; the rest of a request that has come
    /// in part is waited for, for at most half of that. Then the handlers
    /// that are left are told ([`Context::cancelled`]), and a moment later
    /// dropped, with their callers told; everything is closed; and the hooks run
    /// ([`on_shutdown`](Self::on_shutdown)).
    ///
    /// When the returned future is dropped, everything is closed at once, and hooks
    /// that have not begun are dropped.
    ///
    /// [`Context::cancelled`]: super::Context::cancelled
    pub async fn shutdown(mut self, limit: Duration) -> Drained {
        let now = Instant::now();
        let (half, end) = (now + limit / 2, now + limit);
        // The ports are closed once the tasks have ended.
        self.closing.cancel();
        while self.listeners.join_next().await.is_some() {}
        let registry = Arc::clone(&self.stats.registry);
        registry.tell(Phase::Draining);
        // A peer that never sends the rest of a frame leaves the hooks their time.
        if timeout_at(half, registry.emptied()).await.is_err() {
            registry.tell(Phase::Leaving);
        }
        if timeout_at(end, registry.emptied()).await.is_err() {
            tracing::warn!(
                requests = self.stats().in_flight,
                "the time to drain is over"
            );
            for stop in [Stop::Cancel, Stop::Abort] {
                self.stop.send_replace(stop);
                if timeout(LAST_WORD, registry.emptied()).await.is_ok() {
                    break;
                }
            }
            registry.tell(Phase::Closing);
            // One that is held up by a handler that blocks its thread is left.
            let _ = timeout(LAST_WORD, registry.emptied()).await;
        }
        let services = self.stats.services.lock().clone();
        for running in services {
            if let Some(workers) = &running.workers
                && let Err(error) = workers.close(LAST_WORD).await
            {
                tracing::warn!(service = %running.name, %error, "workers are still busy");
            }
        }
        let failed_hooks = self.hooks.run(end, LAST_WORD).await;
        let ServerStats {
            accepted,
            replied,
            abandoned,
            lost,
            in_flight,
            ..
        } = self.stats();
        Drained {
            accepted,
            replied,
            abandoned,
            lost: lost + in_flight,
            failed_hooks,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(Stop::Abort);
        self.stats.registry.tell(Phase::Closing);
    }
}
