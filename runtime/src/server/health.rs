//! Health and readiness, as a service answers who asks for them.

use std::sync::{Arc, RwLock};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Problem;
use crate::openapi::responses::Unavailable;

/// Whether the service can do its work, and what it waits for where it cannot.
#[derive(Clone)]
pub struct Readiness(Arc<RwLock<Option<String>>>);

impl Readiness {
    /// Not ready: waits for `reason`.
    #[must_use]
    pub fn waiting(reason: &str) -> Self {
        Self(Arc::new(RwLock::new(Some(reason.to_owned()))))
    }

    /// The service can do its work from here on.
    pub fn set_ready(&self) {
        self.set(None);
    }

    /// The service cannot do its work until `reason` is gone.
    pub fn set_waiting(&self, reason: impl Into<String>) {
        self.set(Some(reason.into()));
    }

    /// What the service waits for; `None` once it can do its work.
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
