//! Serves a description, and Swagger UI to read it with. All links are relative, so that a prefix before them does not matter.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
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

/// What is served to readers of one description.
#[derive(Clone)]
struct Served {
    description: Arc<str>,
    pages: Pages,
}

/// What both services serve beside their APIs, by GET: the descriptions do not describe it.
fn table() -> [(&'static str, MethodRouter<Served>); 5] {
    [
        ("/openapi.json", get(description)),
        ("/docs/openapi.json", get(description)),
        ("/docs", get(async || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "docs/")]))),
        ("/docs/", get(async |State(served)| file(&served, "index.html"))),
        ("/docs/{name}", get(async |State(served), Path(name): Path<String>| file(&served, &name))),
    ]
}

/// The paths of [`routes`]; each has GET alone.
pub(crate) fn paths() -> [&'static str; 5] {
    table().map(|(path, _)| path)
}

/// `/openapi.json`, and Swagger UI under `/docs/`.
pub fn routes<S: Clone + Send + Sync + 'static>(description: &OpenApi) -> Router<S> {
    let served = Served { description: text(description).into(), pages: Pages::of("openapi.json") };
    let routes = table().into_iter().fold(Router::new(), |routes, (path, method)| routes.route(path, method));
    routes.with_state(served)
}

async fn description(State(served): State<Served>) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, served.description.to_string()).into_response()
}

fn file(served: &Served, name: &str) -> Response {
    let none = || Problem::not_found("Swagger UI has no file of this name; it begins at /docs/");
    served.pages.file(name).unwrap_or_else(|| none().into_response())
}
