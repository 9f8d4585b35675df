//! Answers of contract 003 that do not depend on what was asked for: errors, redirects, and problems in its shape.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::messages;
use crate::Problem;

/// A problem's JSON is a few hundred bytes.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Detail {
    detail: String,
}

/// A body of JSON.
#[must_use]
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("answers have text keys only");
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}

/// `{"detail": ...}`
#[must_use]
pub fn detail(status: StatusCode, text: impl Into<String>) -> Response {
    json(status, &Detail { detail: text.into() })
}

/// 400 with what is wrong, by field.
#[must_use]
pub fn wrong_fields(errors: &Map<String, Value>) -> Response {
    json(StatusCode::BAD_REQUEST, errors)
}

/// 401.
#[must_use]
pub fn unauthorized(text: &str) -> Response {
    let mut response = detail(StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
    response
}

/// 404 for paths that are not served.
async fn not_found() -> Response {
    detail(StatusCode::NOT_FOUND, messages::NOT_FOUND)
}

/// 405; the router adds `Allow`.
async fn method_not_allowed(method: Method) -> Response {
    detail(StatusCode::METHOD_NOT_ALLOWED, messages::method_not_allowed(method.as_str()))
}

/// Adds [`slashed`] routes, and answers for whatever else is asked for below the contract's path.
pub fn complete<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    routes: impl IntoIterator<Item = (&'static str, MethodRouter<S>)>,
) -> Router<S> {
    routes
        .into_iter()
        .fold(router, |router, (path, methods)| slashed(router, path, methods))
        .route("/contracts/receipts/", any(not_found))
        .route("/contracts/receipts/{*path}", any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
}

/// Serves `path`, which ends in a slash, and sends who leaves the slash out there.
pub fn slashed<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    path: &str,
    methods: MethodRouter<S>,
) -> Router<S> {
    router.route(path, methods).route(path.trim_end_matches('/'), any(to_slash))
}

/// 301 to the same path with a slash.
async fn to_slash(uri: Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{}/{query}", uri.path());
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let location = HeaderValue::from_str(&location).unwrap_or_else(|_| HeaderValue::from_static("/"));
    let headers = [(header::CONTENT_TYPE, html), (header::LOCATION, location)];
    (StatusCode::MOVED_PERMANENTLY, headers).into_response()
}

/// An answer other than the wished one, of a handler.
pub struct Refused(Box<Response>);

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        problem.into_response().into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Puts a problem (RFC 9457) into the contract's shape; other answers pass.
pub async fn in_its_shape(response: Response) -> Response {
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/problem+json");
    if !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_PROBLEM_BYTES).await.unwrap_or_default();
    let text = serde_json::from_slice::<Detail>(&body).map(|problem| problem.detail).unwrap_or_default();
    let shaped = detail(parts.status, text);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    if parts.status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
    }
    Response::from_parts(parts, Body::new(shaped.into_body()))
}
