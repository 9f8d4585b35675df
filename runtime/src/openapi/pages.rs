//! Serves a description, and Swagger UI to read it with. All links are relative, so that a prefix before them does not matter.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, serve};

use super::document::text;
use crate::Problem;

/// Swagger UI loads only what lies beside it, and writes styles into its elements.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Swagger UI's files, for one description.
#[derive(Clone)]
pub struct Pages(Arc<Config<'static>>);

impl Pages {
    /// Pages that read the description from a URL, relative to themselves.
    #[must_use]
    pub fn of(url: &'static str) -> Self {
        Self(Arc::new(Config::new([url])))
    }

    /// The file called `name`, if there is one.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<Response> {
        match serve(name, Arc::clone(&self.0)) {
            Ok(file) => file.map(|file| {
                let kind = HeaderValue::from_str(&file.content_type);
                let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
                let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
                let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_SECURITY_POLICY, policy)];
                (StatusCode::OK, headers, file.bytes.into_owned()).into_response()
            }),
            Err(error) => {
                tracing::error!(%error, name, "a file of Swagger UI cannot be served");
                None
            }
        }
    }
}

/// What [`routes`] serves, by GET. The descriptions do not describe it.
pub(crate) const PATHS: [&str; 5] =
    ["/openapi.json", "/docs/openapi.json", "/docs", "/docs/", "/docs/{name}"];

/// `/openapi.json`, and Swagger UI under `/docs/`.
pub fn routes<S: Clone + Send + Sync + 'static>(description: &OpenApi) -> Router<S> {
    let document: Arc<str> = text(description).into();
    let json = async move || {
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (kind, document.to_string()).into_response()
    };
    Router::new()
        .route("/openapi.json", get(json.clone()))
        .route("/docs/openapi.json", get(json))
        .route("/docs", get(async || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "docs/")])))
        .route("/docs/", get(async |State(pages): State<Pages>| file(&pages, "index.html")))
        .route("/docs/{name}", get(async |State(pages), Path(name): Path<String>| file(&pages, &name)))
        .with_state(Pages::of("openapi.json"))
}

fn file(pages: &Pages, name: &str) -> Response {
    let none = || Problem::not_found("Swagger UI has no file of this name; it begins at /docs/");
    pages.file(name).unwrap_or_else(|| none().into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_among_the_paths() {
        let routed = crate::openapi::document::routed(include_str!("pages.rs"));
        assert_eq!(routed, PATHS.map(str::to_owned).into());
    }
}
