//! How a service written with FastAPI answers what no route of it does: paths, methods, slashes, and values of a wrong type.

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use serde::Serialize;
use serde_json::{Value, json};

use super::words::{METHOD_NOT_ALLOWED, NOT_FOUND};
use crate::Contract;
use crate::answers::{Refused, json as answered};

#[derive(Serialize)]
struct Detail<T> {
    detail: T,
}

/// What is wrong with one value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// Where the value stands: `body` or `path`, then names and indexes.
    pub loc: Vec<Value>,
    /// What is wrong, in English as there.
    pub msg: &'static str,
    /// The kind of error, such as `value_error.missing`.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// A message of pydantic, and its kind.
pub type Message = (&'static str, &'static str);

/// The field is not there.
pub const MISSING: Message = ("field required", "value_error.missing");
/// The field is there, and null.
pub const NULL: Message = ("none is not an allowed value", "type_error.none.not_allowed");
/// No whole number.
pub const NO_INTEGER: Message = ("value is not a valid integer", "type_error.integer");
/// No number.
pub const NO_FLOAT: Message = ("value is not a valid float", "type_error.float");
/// No text.
pub const NO_TEXT: Message = ("str type expected", "type_error.str");
/// Neither true nor false.
pub const NO_FLAG: Message = ("value could not be parsed to a boolean", "type_error.bool");
/// No list.
pub const NO_LIST: Message = ("value is not a valid list", "type_error.list");
/// No object.
pub const NO_OBJECT: Message = ("value is not a valid dict", "type_error.dict");
/// No date and time.
pub const NO_DATETIME: Message = ("invalid datetime format", "value_error.datetime");
/// No JSON.
pub const NO_JSON: Message = ("Expecting value", "value_error.jsondecode");

impl Wrong {
    /// A wrong value at a place.
    #[must_use]
    pub fn new(loc: Vec<Value>, (msg, kind): Message) -> Self {
        Self { loc, msg, kind }
    }
}

/// An answer whose body is `{"detail": "..."}`.
#[must_use]
pub fn detail(status: StatusCode, text: &str) -> Response {
    answered(status, &Detail { detail: text })
}

/// 422 with every value that is wrong.
#[must_use]
pub fn unprocessable(wrong: &[Wrong]) -> Response {
    answered(StatusCode::UNPROCESSABLE_ENTITY, &Detail { detail: wrong })
}

/// The number that is the path's one variable segment; 422 where it is none.
pub struct Id(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let number = Path::<String>::from_request_parts(parts, state).await.ok();
        let number = number.and_then(|Path(text)| text.parse().ok());
        let wrong = || unprocessable(&[Wrong::new(vec![json!("path"), json!("id")], NO_INTEGER)]);
        Ok(Self(number.ok_or_else(wrong)?))
    }
}

/// Adds a service's routes, and answers for whatever else is asked for below the contract's prefix. `paths` are all of the
/// contract's: one that this service has no route for is 405 here. A path that differs from one of `paths` only by its last slash,
/// and that `routed` does not name, is redirected to it.
pub fn complete<S: Clone + Send + Sync + 'static>(
    contract: &Contract,
    router: Router<S>,
    paths: &[&'static str],
    routed: impl Fn(&str) -> bool,
    routes: Vec<(&'static str, MethodRouter<S>)>,
) -> Router<S> {
    let prefix = contract.prefix;
    let without = paths.iter().filter(|path| !routes.iter().any(|(routed, _)| routed == *path));
    let without: Vec<_> = without.map(|path| (*path, MethodRouter::new())).collect();
    let router = routes
        .into_iter()
        .chain(without)
        .fold(router, |router, (path, methods)| router.route(&format!("{prefix}{path}"), methods));
    let others = paths.iter().map(|path| other(path)).filter(|path| !routed(path));
    others
        .fold(router, |router, path| router.route(&format!("{prefix}{path}"), any(redirect)))
        .route(&format!("{prefix}/{{*path}}"), any(async || detail(StatusCode::NOT_FOUND, NOT_FOUND)))
        .method_not_allowed_fallback(async || detail(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED))
}

/// The path with a slash at its end where it has none, and without it where it has one.
fn other(path: &str) -> String {
    path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned)
}

/// 307 to the path that differs by its last slash.
async fn redirect(uri: Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    see(&format!("{}{query}", other(uri.path())))
}

/// 307 to a path.
#[must_use]
pub fn see(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
}
