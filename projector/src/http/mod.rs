//! The routes of reads. This file is their table of contents.

pub mod accounts;
pub mod analytics;
mod app;
mod paging;
mod parameters;
pub mod places;
pub mod receipts;

pub use app::App;
use axum::Router;
use axum::routing::get;
use runtime::openapi;
use runtime::server::{Readiness, health_routes, with_fallbacks};
use utoipa::OpenApi;

use crate::description::Description;

/// Every route; `contracts` are those of the contracts that are switched on.
pub fn router(app: App, contracts: Router, readiness: Readiness) -> Router {
    let routes = Router::new()
        .route("/v1/receipts", get(receipts::list))
        .route("/v1/receipts/{transaction_id}", get(receipts::one))
        .route("/v1/places", get(places::list))
        .route("/v1/places/{place_id}", get(places::one))
        .route("/v1/accounts", get(accounts::list))
        .route("/v1/analytics/places", get(analytics::places::list))
        .route("/v1/analytics/places/{place_id}", get(analytics::places::one))
        .route("/v1/analytics/taxes-and-tips", get(analytics::taxes_and_tips::read))
        .route("/v1/analytics/categories", get(analytics::categories::read))
        .route("/v1/analytics/runs", get(analytics::runs::list))
        .merge(health_routes(readiness))
        .merge(openapi::routes(&Description::openapi()));
    with_fallbacks(routes).with_state(app).merge(contracts)
}
