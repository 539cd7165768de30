//! The admin port: is it alive, is it ready, what does it do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderName, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::config::Settings;
use crate::http::HttpServer;
use crate::live::{self, Live};
use crate::logging::{self, LevelError, LogFormat};
use crate::metrics;
use crate::stack::Watch;

/// What the admin port tells of.
#[derive(Debug, Default)]
struct Told {
    ready: AtomicBool,
    watch: OnceLock<Watch>,
    settings: OnceLock<Settings>,
}

/// The admin port, which serves from its start until it is stopped.
#[derive(Debug)]
pub struct Admin {
    server: HttpServer,
    told: Arc<Told>,
}

impl Admin {
    /// Listens at `addr`: alive, and not ready yet.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(addr: SocketAddr) -> std::io::Result<Self> {
        let told = Arc::<Told>::default();
        let router = Router::new()
            .route("/healthz", get(async || Json(json!({ "alive": true }))))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/alarms", get(alarms))
            .route("/", get(async || Html(live::PAGE)))
            .route("/live.json", get(live))
            .route("/services", get(services))
            .route("/connections", get(connections))
            .route("/config", get(config))
            .route("/logs", get(logs))
            .route("/loglevel", get(log_filters).put(set_log_filter))
            .fallback(nothing_here)
            .method_not_allowed_fallback(not_so)
            .with_state(Arc::clone(&told));
        Ok(Self {
            server: HttpServer::start(addr, router).await?,
            told,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// From now on `/readyz` says yes, `/metrics` tells of `watch`, and `/config` of
    /// `settings`.
    pub fn ready(&self, watch: Watch, settings: &Settings) {
        let _ = self.told.settings.set(settings.clone());
        // The first one stays.
        let _ = self.told.watch.set(watch);
        self.told.ready.store(true, Relaxed);
    }

    /// From now on `/readyz` says no, so that no new work is sent here.
    pub fn not_ready(&self) {
        self.told.ready.store(false, Relaxed);
    }

    /// Stops listening; a request under way is answered for at most `limit`.
    pub async fn stop(self, limit: Duration) {
        self.server.stop(limit).await;
    }
}

async fn nothing_here(uri: Uri) -> Response {
    let error = format!("there is no {} here", uri.path());
    (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response()
}

async fn not_so(method: Method, uri: Uri) -> Response {
    let error = format!("{} has no {method}", uri.path());
    let error = Json(json!({ "error": error }));
    (StatusCode::METHOD_NOT_ALLOWED, error).into_response()
}

async fn readyz(State(told): State<Arc<Told>>) -> Response {
    if told.ready.load(Relaxed) {
        Json(json!({ "ready": true })).into_response()
    } else {
        let not_ready = Json(json!({ "ready": false }));
        (StatusCode::SERVICE_UNAVAILABLE, not_ready).into_response()
    }
}

async fn metrics(State(told): State<Arc<Told>>) -> Response {
    let text = told
        .watch
        .get()
        .map(|watch| metrics::render(&watch.figures()))
        .unwrap_or_default();
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response()
}

async fn alarms(State(told): State<Arc<Told>>) -> Response {
    Json(told.watch.get().map(Watch::last_alarms).unwrap_or_default()).into_response()
}

async fn live(State(told): State<Arc<Told>>) -> Json<Live> {
    let ready = told.ready.load(Relaxed);
    let watch = told.watch.get();
    Json(
        watch
            .map(|watch| Live::now(watch, ready))
            .unwrap_or_default(),
    )
}

async fn services(State(told): State<Arc<Told>>) -> Response {
    let live = live(State(told)).await;
    Json(live.0.services).into_response()
}

async fn connections(State(told): State<Arc<Told>>) -> Response {
    Json(told.watch.get().map(Watch::connections).unwrap_or_default()).into_response()
}

async fn config(State(told): State<Arc<Told>>) -> Response {
    match told.settings.get() {
        Some(settings) => Json(settings).into_response(),
        None => readyz(State(told)).await,
    }
}

/// The last lines that were logged to memory.
async fn logs() -> Result<([(HeaderName, &'static str); 1], String), LevelError> {
    let no_sink = || LevelError::NoSink("memory".to_owned());
    let (lines, format) = logging::last_lines().ok_or_else(no_sink)?;
    let content_type = match format {
        LogFormat::Text => "text/plain; charset=utf-8",
        LogFormat::Json => "application/x-ndjson",
    };
    Ok(([(header::CONTENT_TYPE, content_type)], lines))
}

/// A filter of log lines, such as `info` or `rpc_demo=debug`, for one sink or for all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    filter: String,
    sink: Option<String>,
}

/// The filters, by the names of the sinks.
async fn log_filters() -> Result<Json<BTreeMap<String, String>>, LevelError> {
    logging::filters().map(Json)
}

async fn set_log_filter(
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<BTreeMap<String, String>>, LevelError> {
    let Json(wanted) = wanted.map_err(|error| LevelError::Body(error.body_text()))?;
    logging::set_filter(&wanted.filter, wanted.sink.as_deref())?;
    log_filters().await
}

impl IntoResponse for LevelError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Body(_) | Self::Filter(_) => StatusCode::BAD_REQUEST,
            Self::NoSink(_) | Self::NoLog => StatusCode::NOT_FOUND,
        };
        let error = self.to_string();
        (status, Json(json!({ "error": error }))).into_response()
    }
}
