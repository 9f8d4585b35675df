//! What every request passes on its way in and every answer on its way out.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use tower::Service;

use super::sites::Sites;
use super::unread::Unread;
use super::{known, request_id, sites};
use crate::{Problem, panics};

/// Whoever probes a service knows its address and not its names, so the Host header is not looked at on these paths.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];
/// An answer is nothing that a browser should run, show within a page, or take for another type.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// How the problems are shaped that are answered in place of a route: clients of some paths know errors of another shape. It
/// is given the request's path and the answer.
pub type Shape = fn(&str, Response) -> BoxFuture<'static, Response>;

/// A service's routes, and what every request passes before and after them.
///
/// Connections call it. As layers of the router it would cost more: axum copies and boxes, for each request and layer, all that
/// is inside the layer. Three such layers took a fifth of what command-api can answer.
#[derive(Clone)]
pub struct Edge {
    routes: Router,
    sites: Arc<Sites>,
    shape: Option<Shape>,
}

impl Edge {
    /// An edge whose own answers are problems (RFC 9457).
    #[must_use]
    pub fn new(routes: Router, sites: Sites) -> Self {
        Self { routes, sites: Arc::new(sites), shape: None }
    }

    /// An edge whose own answers are shaped by the path they are given on.
    #[must_use]
    pub fn shaped_by(self, shape: Shape) -> Self {
        Self { shape: Some(shape), ..self }
    }

    pub(super) async fn answer(self, mut request: Request) -> Response {
        let id = request_id::settle(request.headers_mut());
        let (uri, is_read) = (request.uri().clone(), request.method().is_safe());
        let cors = self.sites.cors(request.method(), request.headers());
        let unread = Unread::of(&mut request);
        let answer = match answer_at_once(&self.sites, &request) {
            Some(answer) => {
                drop(request);
                Err(answer)
            }
            None => panics::caught(asked(self.routes, request)).await.map_err(IntoResponse::into_response),
        };
        let mut response = match (answer, self.shape) {
            (Err(instead), Some(shape)) => shape(uri.path(), instead).await,
            (Ok(answer) | Err(answer), _) => answer,
        };
        unread.drain().await;
        let may_be_kept = is_read && response.status().is_success();
        let headers = response.headers_mut();
        headers.extend(cors);
        if self.sites.differ() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        protect(headers, may_be_kept);
        request_id::tell(id, response).await
    }
}

/// What the routes answer.
pub(super) async fn asked(mut routes: Router, request: Request) -> Response {
    routes.call(request).await.unwrap_or_else(|never: Infallible| match never {})
}

/// What is answered without asking a route.
fn answer_at_once(sites: &Sites, request: &Request) -> Option<Response> {
    let (method, headers, path) = (request.method(), request.headers(), request.uri().path());
    if HEALTH.contains(&path) {
        return None;
    }
    if let Some(refusal) = sites.refusal(method, headers) {
        return Some(refusal.into_response());
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let problem = Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send the body as it is, without Content-Encoding",
        );
        return Some(([(header::ACCEPT_ENCODING, "identity")], problem).into_response());
    }
    if *method != Method::OPTIONS {
        return None;
    }
    match known::methods(path) {
        Some(allow) => Some((StatusCode::NO_CONTENT, [(header::ALLOW, allow)]).into_response()),
        None => sites::is_preflight(method, headers).then(|| StatusCode::NO_CONTENT.into_response()),
    }
}

/// Headers that keep an answer to those it is for. A route that sets one of them itself knows better.
fn protect(headers: &mut HeaderMap, may_be_kept: bool) {
    let kept = if may_be_kept { "private" } else { "no-store" };
    let defaults: [(HeaderName, &'static str); 4] = [
        (header::CACHE_CONTROL, kept),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::{get, post};

    use super::*;
    use crate::Common;
    use crate::server::health::{Readiness, health_routes};
    use crate::server::known::with_fallbacks;

    fn service(common: &Common) -> Edge {
        let routes = Router::new().route("/v1/places", get(async || "places"));
        let routes = routes.route("/v1/auth/login", post(async || "token"));
        let routes = routes.merge(health_routes(Readiness::waiting("a test")));
        Edge::new(with_fallbacks(routes), Sites::new(common, &[]))
    }

    async fn answered(method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut common = Common::defaults();
        (common.demo, common.allowed_origins) = (true, "https://shop.example.org".into());
        let request = Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        service(&common).answer(request.body(Body::from("{}")).unwrap()).await
    }

    fn header<'r>(response: &'r Response, name: &str) -> &'r str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn reads_may_be_kept_by_their_caller_alone_and_tokens_by_nobody() {
        let read = answered("GET", "/v1/places", &[]).await;
        assert_eq!((read.status().as_u16(), header(&read, "cache-control")), (200, "private"));
        let login = answered("POST", "/v1/auth/login", &[]).await;
        assert_eq!((login.status().as_u16(), header(&login, "cache-control")), (200, "no-store"));
        for answer in [read, login, answered("GET", "/nothing", &[]).await] {
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
            assert!(header(&answer, "content-security-policy").contains("frame-ancestors 'none'"));
        }
    }

    #[tokio::test]
    async fn an_answer_and_a_problem_have_the_id_of_their_request() {
        let id = "0123456789abcdef";
        let found = answered("GET", "/v1/places", &[("x-request-id", id)]).await;
        assert_eq!(header(&found, "x-request-id"), id);
        let lost = answered("GET", "/nothing", &[("x-request-id", id)]).await;
        assert_eq!(header(&lost, "x-request-id"), id);
        let problem = to_bytes(lost.into_body(), 10_000).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&problem).unwrap();
        assert_eq!((&problem["request_id"], &problem["status"]), (&id.into(), &404.into()));
    }

    #[tokio::test]
    async fn a_body_in_a_coding_is_refused() {
        let refused = answered("POST", "/v1/auth/login", &[("content-encoding", "gzip")]).await;
        assert_eq!((refused.status().as_u16(), header(&refused, "accept-encoding")), (415, "identity"));
    }

    /// The status and the path alone, and only where no route has answered.
    #[tokio::test]
    async fn an_answer_in_place_of_a_route_has_the_shape_that_its_path_asks_for() {
        fn shape(path: &str, response: Response) -> BoxFuture<'static, Response> {
            let answer = (response.into_parts().0.status, path.to_owned());
            Box::pin(async { answer.into_response() })
        }
        let answered = async |headers: &[(&str, &str)]| {
            let request = headers
                .iter()
                .fold(Request::get("/v1/places"), |request, (name, value)| request.header(*name, *value));
            let edge = service(&Common::defaults()).shaped_by(shape);
            let answer = edge.answer(request.body(Body::empty()).unwrap()).await;
            (answer.status().as_u16(), to_bytes(answer.into_body(), 100).await.unwrap())
        };
        assert_eq!(answered(&[]).await, (200, "places".into()));
        assert_eq!(answered(&[("origin", "http://evil.example")]).await, (403, "/v1/places".into()));
    }

    #[tokio::test]
    async fn options_are_answered_to_pages_that_may_use_the_service() {
        let own = answered("OPTIONS", "/v1/receipts", &[]).await;
        assert_eq!((own.status().as_u16(), header(&own, "allow")), (204, "GET, HEAD, POST, OPTIONS"));
        let asks = ("access-control-request-method", "POST");
        let shop = ("origin", "https://shop.example.org");
        let allowed = answered("OPTIONS", "/v1/receipts", &[shop, asks]).await;
        assert_eq!(header(&allowed, "access-control-allow-origin"), "https://shop.example.org");
        assert!(header(&allowed, "access-control-allow-headers").contains("authorization"));
        let evil = answered("OPTIONS", "/v1/receipts", &[("origin", "http://evil.example"), asks]).await;
        assert_eq!((evil.status().as_u16(), header(&evil, "access-control-allow-origin")), (403, ""));
        let read = answered("GET", "/v1/places", &[shop]).await;
        assert!(header(&read, "access-control-expose-headers").contains("till-position"));
    }

    #[tokio::test]
    async fn a_probe_knows_no_name() {
        let strange = [("host", "10.0.0.7:8000")];
        assert_eq!(answered("GET", "/v1/places", &strange).await.status(), 421);
        assert_eq!(answered("GET", "/healthz", &strange).await.status(), 200);
    }
}
