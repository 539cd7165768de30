//! A small HTTP server that can be stopped: for the admin port and for the
//! local receiver of webhooks.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Serves from its start until it is stopped or dropped.
#[derive(Debug)]
pub struct HttpServer {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl HttpServer {
    /// Serves `router` at `addr`.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(addr: SocketAddr, router: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        // A sender that is dropped stops the server too.
        let stopped = async move { stopped.await.unwrap_or_default() };
        let serving = tokio::spawn(async move {
            let serve = axum::serve(listener, router).with_graceful_shutdown(stopped);
            if let Err(error) = serve.await {
                tracing::error!(%addr, %error, "http server");
            }
        });
        Ok(Self {
            addr,
            stop,
            serving,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening. Requests under way are answered, and connections
    /// that are kept alive waited for, for at most `limit`.
    pub async fn stop(self, limit: Duration) {
        // Refused only when the server has ended already.
        let _ = self.stop.send(());
        let mut serving = self.serving;
        if tokio::time::timeout(limit, &mut serving).await.is_err() {
            serving.abort();
        }
    }
}
