//! The routes of both services: those in their descriptions, and those that serve the descriptions. One path may be served by
//! both, each for methods of its own, and a client that asks one of them must hear of all.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::{Problem, openapi};

const SERVICES: [(&str, &str); 2] = [
    ("command-api", include_str!("../../../docs/openapi/command-api.json")),
    ("projector", include_str!("../../../docs/openapi/projector.json")),
];
const METHODS: [(&str, &str); 5] =
    [("get", "GET"), ("post", "POST"), ("put", "PUT"), ("patch", "PATCH"), ("delete", "DELETE")];

struct Route {
    path: String,
    method: &'static str,
    /// The service that alone serves it; `None` where each does.
    service: Option<&'static str>,
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let mut routes = Vec::new();
    for (service, description) in SERVICES {
        let description: Value = serde_json::from_str(description).expect("a description is JSON");
        for (path, item) in description["paths"].as_object().expect("a description has paths") {
            let served = METHODS.into_iter().filter(|(key, _)| item.get(key).is_some());
            routes.extend(served.map(|(_, method)| Route {
                path: path.clone(),
                method,
                service: Some(service),
            }));
        }
    }
    routes.extend(openapi::paths().map(|path| Route { path: path.to_owned(), method: "GET", service: None }));
    routes
});

impl Route {
    fn is_of(&self, path: &str) -> bool {
        let (mut own, mut asked) = (self.path.split('/'), path.split('/'));
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return true,
                (Some(own), Some(asked)) if own == asked || (own.starts_with('{') && !asked.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

/// Every method of a path, for `Allow`; `None` where nobody serves it.
pub(super) fn methods(path: &str) -> Option<HeaderValue> {
    let served = |method: &str| ROUTES.iter().any(|route| route.method == method && route.is_of(path));
    let mut names: Vec<&str> =
        METHODS.iter().map(|(_, method)| *method).filter(|method| served(method)).collect();
    if names.is_empty() {
        return None;
    }
    if names.first() == Some(&"GET") {
        names.insert(1, "HEAD");
    }
    names.push("OPTIONS");
    Some(HeaderValue::from_str(&names.join(", ")).expect("methods are ASCII"))
}

/// The service that alone serves this method of the path, if one does.
fn service_of(method: &Method, path: &str) -> Option<&'static str> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    ROUTES.iter().find(|route| route.method == method && route.is_of(path)).and_then(|route| route.service)
}

/// Problems for paths and methods that are not served.
pub fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.fallback(not_served).method_not_allowed_fallback(not_served)
}

/// The answer where this service does not serve the method of the path.
async fn not_served(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    if let Some(service) = service_of(&method, path) {
        let detail =
            format!("{service} serves this, on a port of its own: ask the front door, which knows both");
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response();
    }
    if let Some(allow) = methods(path) {
        let detail = "this path is served, but not for this method: `Allow` lists those it has";
        return ([(header::ALLOW, allow)], Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail))
            .into_response();
    }
    let without = path.trim_end_matches('/');
    let detail = if without != path && methods(without).is_some() {
        "there is nothing under this path: leave out the slash at its end"
    } else {
        "there is nothing under this path: /docs/ describes what there is"
    };
    Problem::not_found(detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered(method: Method, path: &'static str) -> (u16, String) {
        let response = not_served(method, Uri::from_static(path)).await;
        let allow = response.headers().get(header::ALLOW).map(|allow| allow.to_str().unwrap().to_owned());
        (response.status().as_u16(), allow.unwrap_or_default())
    }

    #[tokio::test]
    async fn a_path_has_the_methods_of_both_services() {
        let all = |allow: &str| (405, allow.to_owned());
        assert_eq!(answered(Method::DELETE, "/v1/receipts").await, all("GET, HEAD, POST, OPTIONS"));
        assert_eq!(answered(Method::DELETE, "/v1/receipts/x").await, all("GET, HEAD, OPTIONS"));
        for path in ["/v1/places", "/openapi.json", "/docs", "/docs/", "/docs/openapi.json", "/docs/x"] {
            assert_eq!(answered(Method::POST, path).await, all("GET, HEAD, OPTIONS"), "{path}");
        }
    }

    #[tokio::test]
    async fn what_the_other_service_serves_is_misdirected_and_what_nobody_serves_is_not_found() {
        assert_eq!(answered(Method::GET, "/v1/places/cafe-1").await.0, 421);
        assert_eq!(answered(Method::HEAD, "/v1/places").await.0, 421);
        for path in ["/v1/receipts/", "/v1/nothing", "/v1/places//", "/"] {
            assert_eq!(answered(Method::GET, path).await.0, 404, "{path}");
        }
    }
}
