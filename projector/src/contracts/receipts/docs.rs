//! The contract's descriptions: OpenAPI under `swagger.json`, shown by Swagger UI under `swagger/` and `redoc/`. All links are
//! relative, so that prefix and port do not matter.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::Response;
use axum::routing::get;
use contracts::RECEIPTS;
use contracts::django::slashed;
use contracts::receipts::DIALECT;

use super::contract::Contract;

const PRODUCER: &str = include_str!("producer.openapi.json");
const CONSUMER: &str = include_str!("consumer.openapi.json");

/// The descriptions of both services.
pub fn routes() -> Router<Contract> {
    let descriptions = RECEIPTS.services.iter().zip([PRODUCER, CONSUMER]);
    descriptions.fold(Router::new(), |router, (of, openapi)| service(router, of.prefix, openapi))
}

fn service(router: Router<Contract>, prefix: &str, openapi: &'static str) -> Router<Contract> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let router = router.route(&format!("{prefix}/swagger.json"), get(async move || (json, openapi)));
    ["swagger", "redoc"].into_iter().fold(router, |router, page| {
        let router = slashed(router, &format!("{prefix}/{page}/"), get(index));
        router.route(&format!("{prefix}/{page}/{{file}}"), get(file))
    })
}

async fn index(State(contract): State<Contract>) -> Response {
    part(&contract, "index.html")
}

async fn file(State(contract): State<Contract>, Path(name): Path<String>) -> Response {
    part(&contract, &name)
}

fn part(contract: &Contract, name: &str) -> Response {
    contract.docs.file(name).unwrap_or_else(|| DIALECT.not_found())
}
