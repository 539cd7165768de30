//! The webhook channel, and a local receiver for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, Request, StatusCode, Uri, header};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::channel::{Batch, Channel, DeliveryError};
use super::policy::ChannelKind;
use crate::http::HttpServer;
use crate::traceparent::TRACEPARENT;

/// The header with the id of the request that raised the first alarm of a batch; each
/// notification bears its own.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header with its span.
const SPAN: HeaderName = HeaderName::from_static(TRACEPARENT);

/// Posts batches as a JSON array.
#[derive(Debug)]
pub struct Webhook {
    target: Uri,
    timeout: Duration,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Webhook {
    /// Posts to `target`, and waits for an answer for at most `timeout`.
    #[must_use]
    pub fn new(target: Uri, timeout: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            target,
            timeout,
            client,
        }
    }
}

impl Channel for Webhook {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn deliver(&self, batch: Batch) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let body = serde_json::to_vec(&batch).map_err(std::io::Error::from)?;
            let mut request = Request::post(self.target.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::from(body))
                .expect("a parsed target and a constant header make a request");
            if let Some(first) = batch.first() {
                let told = [(REQUEST_ID, &first.request_id), (SPAN, &first.traceparent)];
                // Who called may have said anything: what is no header is left out.
                for (name, told) in told.into_iter().filter(|(_, told)| !told.is_empty()) {
                    if let Ok(told) = told.parse() {
                        request.headers_mut().insert(name, told);
                    }
                }
            }
            let answer = tokio::time::timeout(self.timeout, self.client.request(request))
                .await
                .map_err(|_| DeliveryError::Timeout)??;
            match answer.status() {
                status if status.is_success() => Ok(()),
                status => Err(DeliveryError::Refused(status)),
            }
        })
    }
}

/// A receiver on this machine that counts what it is told.
#[derive(Debug)]
pub struct Receiver {
    server: HttpServer,
    received: Arc<AtomicU64>,
}

impl Receiver {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let received = Arc::<AtomicU64>::default();
        let router = Router::new()
            .route("/", post(receive))
            .with_state(Arc::clone(&received));
        let server = HttpServer::start(([127, 0, 0, 1], 0).into(), router).await?;
        Ok(Self { server, received })
    }

    /// Where to post to.
    ///
    /// # Panics
    /// Never: an address makes a URI.
    #[must_use]
    pub fn target(&self) -> Uri {
        format!("http://{}/", self.server.addr())
            .parse()
            .expect("an address makes a URI")
    }

    /// The count of notifications that came in, as it goes on.
    #[must_use]
    pub fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Stops listening. Kept-alive connections are not waited for beyond `limit`.
    pub async fn stop(self, limit: Duration) {
        self.server.stop(limit).await;
    }
}

async fn receive(
    State(received): State<Arc<AtomicU64>>,
    Json(batch): Json<Vec<serde_json::Value>>,
) -> StatusCode {
    received.fetch_add(batch.len() as u64, Relaxed);
    StatusCode::NO_CONTENT
}
