//! The contract's description: OpenAPI under `openapi.json`, shown by Swagger UI under `docs/` and `redoc/`, with nothing loaded from
//! elsewhere. All links are relative, so that prefix and port do not matter.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contracts::RESTAURANT;
use contracts::restaurant::fastapi::{detail, see};
use contracts::restaurant::words::NOT_FOUND;

use super::contract::Contract;

const OPENAPI: &str = include_str!("restaurant.openapi.json");
const PAGES: [&str; 2] = ["docs", "redoc"];

/// The pages that show the description.
pub fn pages() -> Router<Contract> {
    let prefix = RESTAURANT.prefix;
    PAGES.into_iter().fold(Router::new(), |router, page| {
        let path = format!("{prefix}/{page}");
        let to_slash = format!("{path}/");
        router
            .route(&path, get(async move || see(&to_slash)))
            .route(&format!("{path}/"), get(async |State(contract)| part(&contract, "index.html")))
            .route(
                &format!("{path}/{{file}}"),
                get(async |State(contract), Path(name): Path<String>| part(&contract, &name)),
            )
    })
}

/// `GET /`: 307 to the description.
pub async fn start() -> Response {
    see(&format!("{}/redoc", RESTAURANT.prefix))
}

/// `GET /openapi.json`.
pub async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

fn part(contract: &Contract, name: &str) -> Response {
    contract.docs.file(name).unwrap_or_else(|| detail(StatusCode::NOT_FOUND, NOT_FOUND))
}
