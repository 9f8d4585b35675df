//! The write side's table of contents.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{post, put};
use runtime::openapi;
use runtime::server::{Readiness, health_routes, with_fallbacks};
use utoipa::OpenApi;

use crate::description::Description;
use crate::effects::tell;
use crate::http::forward::Intake;
use crate::http::{App, accounts, batch, forward, internal, receipts};

/// Every route; `contracts` are those of the contracts that are switched on.
pub fn router(app: App, contracts: Router, readiness: Readiness) -> Router {
    let commands = Router::new()
        .route("/v1/receipts", post(receipts::record))
        .route("/v1/receipts/validate", post(receipts::validate))
        .route("/v1/receipts/{transaction_id}/void", post(receipts::void))
        .route("/v1/accounts/{username}/roles", put(accounts::assign_roles))
        .route_layer(from_fn_with_state(Intake::of_callers(&app), forward::to_owner));
    let credentials = Router::new()
        .route("/v1/auth/register", post(accounts::register))
        .route("/v1/auth/login", post(accounts::login))
        .route_layer(from_fn_with_state(Intake::of_credentials(&app), forward::to_owner));
    // It reads its secret before its body, and its caller asks another replica itself.
    let internal = Router::new().route(tell::PATH, post(internal::decide));
    // Its receipts have shards of their own: it forwards parts of itself.
    let bulk = Router::new().route("/v1/receipts/batch", post(batch::record));
    let about = health_routes(readiness).merge(openapi::routes(&Description::openapi()));
    with_fallbacks(commands.merge(credentials).merge(bulk).merge(internal).merge(about))
        .with_state(app)
        .merge(contracts)
}
