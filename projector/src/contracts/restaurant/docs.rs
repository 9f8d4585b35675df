//! The contract's description: OpenAPI under `openapi.json`, shown by Swagger UI under `docs/` and by Redoc under `redoc`, with nothing
//! loaded from elsewhere. All links are relative, so that prefix and port do not matter.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contracts::RESTAURANT;
use contracts::restaurant::fastapi::{detail, see};
use contracts::restaurant::words::NOT_FOUND;
use runtime::openapi::redoc;

use super::contract::Contract;

const OPENAPI: &str = include_str!("restaurant.openapi.json");
/// The title of Redoc's page, as FastAPI makes it of the service's.
const TITLE: &str = "restauranteAPI - ReDoc";

/// The pages that show the description. Swagger UI has links to the files beside it, and so a slash at the end of its path.
pub fn pages() -> Router<Contract> {
    let (docs, page) = (format!("{}/docs", RESTAURANT.prefix), format!("{}/redoc", RESTAURANT.prefix));
    let (docs_with_slash, page_without) = (format!("{docs}/"), page.clone());
    Router::new()
        .route(&docs, get(async move || see(&docs_with_slash)))
        .route(&format!("{docs}/"), get(async |State(contract)| part(&contract, "index.html")))
        .route(
            &format!("{docs}/{{file}}"),
            get(async |State(contract), Path(name): Path<String>| part(&contract, &name)),
        )
        .route(&page, get(shown_by_redoc))
        .route(&format!("{page}/"), get(async move || see(&page_without)))
        .route(&format!("{page}/{}", redoc::SCRIPT), get(async || redoc::script()))
}

/// `GET /`: 307 to the description.
pub async fn start() -> Response {
    see(&format!("{}/redoc", RESTAURANT.prefix))
}

/// `GET /openapi.json`.
pub async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn shown_by_redoc() -> Response {
    redoc::page(TITLE, "openapi.json", &format!("redoc/{}", redoc::SCRIPT))
}

fn part(contract: &Contract, name: &str) -> Response {
    contract.docs.file(name).unwrap_or_else(|| detail(StatusCode::NOT_FOUND, NOT_FOUND))
}
