//! HTTP server, health, readiness and shutdown.

mod connections;
mod edge;
mod known;
mod request_id;
pub(crate) mod sites;
mod unread;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use edge::{Edge, Shape};
pub use request_id::REQUEST_ID;
pub use sites::Sites;

use crate::Problem;
use crate::openapi::responses::Unavailable;
use connections::Bounds;

/// Whether the service can do its work, and what it waits for where it cannot.
#[derive(Clone)]
pub struct Readiness(Arc<RwLock<Option<String>>>);

impl Readiness {
    /// Not ready: waits for `reason`.
    #[must_use]
    pub fn waiting(reason: &str) -> Self {
        Self(Arc::new(RwLock::new(Some(reason.to_owned()))))
    }

    /// Can do its work from here on.
    pub fn set_ready(&self) {
        self.set(None);
    }

    /// Cannot do its work until `reason` is gone.
    pub fn set_waiting(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// What it waits for.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn set(&self, reason: Option<String>) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = reason;
    }
}

/// `GET /healthz`, 200 while the process runs; `GET /readyz`, 200 while it can do its work, else 503. With their description.
pub fn health_routes<S: Clone + Send + Sync + 'static>(readiness: Readiness) -> OpenApiRouter<S> {
    OpenApiRouter::default().routes(routes!(healthz)).routes(routes!(readyz)).with_state(readiness)
}

/// Whether the process runs
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Health",
    security(()),
    responses((status = 200, description = "It runs.", body = String, example = "ok\n"))
)]
async fn healthz() -> (StatusCode, &'static str) {
    (StatusCode::OK, "ok\n")
}

/// Whether the service can do its work
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Health",
    security(()),
    responses(
        (status = 200, description = "It can.", body = String, example = "ready\n"),
        (status = 503, response = Unavailable),
    )
)]
async fn readyz(State(readiness): State<Readiness>) -> Response {
    match readiness.reason() {
        None => (StatusCode::OK, "ready\n").into_response(),
        Some(reason) => Problem::unavailable(reason, 1).into_response(),
    }
}

/// Problems for paths and methods that are not served.
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.fallback(known::not_served).method_not_allowed_fallback(known::not_served)
}

/// A token that is cancelled at SIGTERM or SIGINT.
///
/// # Panics
/// When the process may not handle signals.
#[must_use]
pub fn shutdown_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let mut terminate = signal(SignalKind::terminate()).expect("a process may handle SIGTERM");
    let mut interrupt = signal(SignalKind::interrupt()).expect("a process may handle SIGINT");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
            _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
        }
        cancelled.cancel();
    });
    token
}

/// Binds a listening socket.
///
/// # Errors
/// In words that name the address and the setting that chooses another.
pub async fn bind(address: &str, setting: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; {setting} chooses another address"))
}

/// Answers health, and 503 to everything else, on a listener's socket while a service is still starting.
/// Drop the guard, or call [`Starting::end`], before the service itself listens.
pub struct Starting {
    ending: CancellationToken,
    ended: tokio::task::JoinHandle<()>,
}

impl Starting {
    /// Begins to answer; the listener comes back for the service itself.
    ///
    /// # Errors
    /// When the socket cannot be shared.
    pub fn begin(listener: TcpListener, readiness: &Readiness) -> std::io::Result<(Self, TcpListener)> {
        let listener = listener.into_std()?;
        let shared = TcpListener::from_std(listener.try_clone()?)?;
        let starting = readiness.clone();
        let routes: Router = health_routes(readiness.clone()).into();
        let routes = routes.fallback(async move || {
            let reason = starting.reason().unwrap_or_default();
            Problem::unavailable(format!("the service is starting: {reason}"), 1)
        });
        let answer = move |request| edge::asked(routes.clone(), request);
        let ending = CancellationToken::new();
        let ended = tokio::spawn(connections::serve(shared, answer, Bounds::default(), ending.clone()));
        Ok((Self { ending, ended }, TcpListener::from_std(listener)?))
    }

    /// Stops answering; connections kept alive are given a moment.
    pub async fn end(self) {
        self.ending.cancel();
        if tokio::time::timeout(Duration::from_millis(500), self.ended).await.is_err() {
            tracing::debug!("a health connection was still open when the service began");
        }
    }
}

/// Serves until `shutdown`, then lets requests in flight end, for `grace` at most. A panic of a handler is answered.
pub async fn serve(listener: TcpListener, edge: Edge, shutdown: CancellationToken, grace: Duration) {
    let answer = move |request| edge.clone().answer(request);
    let server = connections::serve(listener, answer, Bounds::default(), shutdown.clone());
    tokio::select! {
        () = server => {}
        () = after(shutdown, grace) => tracing::warn!("requests were still in flight when the grace ended"),
    }
}

async fn after(shutdown: CancellationToken, grace: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(grace).await;
}
