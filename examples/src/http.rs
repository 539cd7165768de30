//! A small HTTP server that can be stopped: for the admin port and for the
//! local receiver of webhooks.
//!
//! It has the file descriptors of the services, so whoever is slow there, or comes in
//! crowds, is not to take them all: `axum::serve` would wait for ever, for any number.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sampled;

/// Connections that may be open at a time; one more is closed as soon as it is accepted.
const CONNECTIONS: u32 = 32;
/// How long the next head of a request may take, from when the last answer was given.
const HEAD: Duration = Duration::from_secs(20);
/// How long the rest of a request, and what is made of it, may take.
const REST: Duration = Duration::from_secs(20);
/// The pause after no connection could be accepted: for want of descriptors, mostly.
const PAUSE: Duration = Duration::from_millis(200);

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
        let router = router.layer(middleware::from_fn(in_time));
        let serving = tokio::spawn(serve(listener, router, stopped));
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

async fn serve(listener: TcpListener, router: Router, stopped: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS as usize));
    let end = CancellationToken::new();
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                sampled!(1, warn, %error, "no connection of http accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            sampled!(1, warn, %peer, "too many connections of http; it is closed");
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let (connection, end) = (connection.into_owned(), end.clone());
        tokio::spawn(async move {
            let _place = place;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = end.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a connection of http broke");
            }
        });
    }
    drop(listener);
    end.cancel();
    // All places are free when the last one has ended.
    let _ = places.acquire_many(CONNECTIONS).await;
}

/// Answers 408 when it takes too long.
async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REST, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

#[cfg(test)]
mod tests {
    use axum::routing::put;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn server() -> HttpServer {
        let router = Router::new().route("/", put(async |body: String| body));
        let any = ([127, 0, 0, 1], 0).into();
        HttpServer::start(any, router).await.unwrap()
    }

    /// What is answered to this before the connection is closed.
    async fn answer(server: &HttpServer, sent: &str) -> String {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        let mut answer = String::new();
        // It may have been closed already.
        if stream.write_all(sent.as_bytes()).await.is_ok() {
            let _ = stream.read_to_string(&mut answer).await;
        }
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_request_is_not_waited_for_for_ever() {
        let server = server().await;
        let head = "PUT / HTTP/1.1\r\nhost: x\r\n";
        assert!(!answer(&server, head).await.contains(" 200 "));
        let body = format!("{head}content-length: 9\r\n\r\nhal");
        let told = answer(&server, &body).await;
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    }

    #[tokio::test]
    async fn there_are_so_many_connections_and_no_more() {
        let server = server().await;
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            open.push(TcpStream::connect(server.addr()).await.unwrap());
        }
        let whole = "PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        assert_eq!(answer(&server, whole).await, "");
        // One that goes leaves its place.
        open.pop();
        while !answer(&server, whole).await.starts_with("HTTP/1.1 200 ") {
            tokio::task::yield_now().await;
        }
    }
}
