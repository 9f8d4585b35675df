//! The dialect of contracts whose originals were written with Django REST framework: its errors, its redirects, and the words of
//! its serializers in each language. command-api reads fields by it (`command-api/src/contracts/django`).

mod english;
mod portuguese;
mod russian;
mod words;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use chrono_tz::Tz;
use serde::Serialize;
use serde_json::{Map, Value};

pub use english::ENGLISH;
pub use portuguese::PORTUGUESE;
pub use russian::RUSSIAN;
pub use words::{Message, Template, Words};

use crate::Contract;
use crate::answers::json;

/// How one contract speaks the dialect.
#[derive(Debug)]
pub struct Dialect {
    /// The words of its language.
    pub words: &'static Words,
    /// The zone that times without a zone are read in.
    pub zone: Tz,
    /// What a 401 says in `WWW-Authenticate`.
    pub challenge: &'static str,
}

#[derive(Serialize)]
struct Detail<'t> {
    detail: &'t str,
}

/// An answer whose body is `{"detail": "..."}`, as Django REST framework says what is wrong with a request as a whole.
#[must_use]
pub fn detail(status: StatusCode, text: &str) -> Response {
    json(status, &Detail { detail: text })
}

/// 400 with what is wrong, by field.
#[must_use]
pub fn wrong_fields(errors: &Map<String, Value>) -> Response {
    json(StatusCode::BAD_REQUEST, errors)
}

/// 400 for a body that is not JSON; line and column say where it cannot be read. No language translates it.
#[must_use]
pub fn malformed(line: usize, column: usize) -> Response {
    let text = format!("JSON parse error - Expecting value: line {line} column {column}");
    detail(StatusCode::BAD_REQUEST, &text)
}

impl Dialect {
    /// An error with its text; a 401 also challenges.
    #[must_use]
    pub fn error(&self, status: StatusCode, text: &str) -> Response {
        if status == StatusCode::UNAUTHORIZED { self.unauthorized(text) } else { detail(status, text) }
    }

    /// 401 with the challenge.
    #[must_use]
    pub fn unauthorized(&self, text: &str) -> Response {
        let mut response = detail(StatusCode::UNAUTHORIZED, text);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge));
        response
    }

    /// 404: nothing lies under the path.
    #[must_use]
    pub fn not_found(&self) -> Response {
        detail(StatusCode::NOT_FOUND, self.words.not_found)
    }

    /// 405, without `Allow`, which the router adds. A method may be of any length, so only its first 20 characters are repeated.
    #[must_use]
    pub fn method_not_allowed(&self, method: &Method) -> Response {
        let method: String = method.as_str().chars().take(20).collect();
        detail(StatusCode::METHOD_NOT_ALLOWED, &self.words.method_not_allowed.with(method))
    }

    /// Adds routes whose paths end in a slash, as [`slashed`] does, and answers for whatever else is asked for below the
    /// contract's prefix.
    pub fn complete<S: Clone + Send + Sync + 'static>(
        &'static self,
        contract: &Contract,
        router: Router<S>,
        routes: impl IntoIterator<Item = (&'static str, MethodRouter<S>)>,
    ) -> Router<S> {
        let prefix = contract.prefix;
        routes
            .into_iter()
            .fold(router, |router, (path, methods)| slashed(router, path, methods))
            .route(&format!("{prefix}/"), any(async || self.not_found()))
            .route(&format!("{prefix}/{{*path}}"), any(async || self.not_found()))
            .method_not_allowed_fallback(async |method: Method| self.method_not_allowed(&method))
    }
}

/// Serves a path that ends in a slash; a request without that slash is redirected to it, as Django does.
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

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::RECEIPTS;

    static DIALECT: Dialect = Dialect { words: &ENGLISH, zone: Tz::UTC, challenge: "Token" };

    async fn answered(method: &str, path: &str) -> (u16, String, String) {
        let routes = [("/contracts/receipts/api/ch/", get(async || "found"))];
        let router = DIALECT.complete(&RECEIPTS, Router::new(), routes);
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let location = response.headers().get(header::LOCATION).map_or("", |value| value.to_str().unwrap());
        let (status, location) = (response.status().as_u16(), location.to_owned());
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        (status, location, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_no_route_serves_is_answered_in_the_dialect() {
        let answer = |status, location: &str, text: &str| (status, location.to_owned(), text.to_owned());
        assert_eq!(answered("GET", "/contracts/receipts/api/ch/").await, answer(200, "", "found"));
        let slash = answered("GET", "/contracts/receipts/api/ch?a=1").await;
        assert_eq!(slash, answer(301, "/contracts/receipts/api/ch/?a=1", ""));
        for path in ["/contracts/receipts/", "/contracts/receipts/nothing/at/all"] {
            assert_eq!(answered("GET", path).await, answer(404, "", r#"{"detail":"Not found."}"#), "{path}");
        }
        let refused = answered("PATCH", "/contracts/receipts/api/ch/").await;
        assert_eq!(refused, answer(405, "", r#"{"detail":"Method \"PATCH\" not allowed."}"#));
    }
}
