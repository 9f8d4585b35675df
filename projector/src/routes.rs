//! The read side's table of contents. The path and method of a handler stand in its `#[utoipa::path]`, and nowhere else.

use axum::Router;
use runtime::openapi;
use runtime::server::{Readiness, health_routes, with_fallbacks};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::description::Description;
use crate::http::{
    App, accounts, analytics, audit, customers, kitchen, orders, places, products, receipts, revenue, sellers,
};

/// Everything that is served; `contracts` are the routes of the contracts that are switched on.
pub fn router(app: App, contracts: Router, readiness: Readiness) -> Router {
    let (routes, description) = described(readiness).split_for_parts();
    let routes = routes.merge(openapi::routes(&description));
    with_fallbacks(routes).with_state(app).merge(contracts)
}

/// The description of the API, which needs nothing that runs.
pub fn description() -> OpenApi {
    described(Readiness::waiting("nothing runs")).into_openapi()
}

/// The routes of clients and operators.
fn described(readiness: Readiness) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::one))
        .routes(routes!(places::list))
        .routes(routes!(places::one))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::search))
        .routes(routes!(accounts::one))
        .routes(routes!(accounts::keys))
        .routes(routes!(audit::list))
        .routes(routes!(customers::list))
        .routes(routes!(customers::one))
        .routes(routes!(customers::search))
        .routes(routes!(sellers::list))
        .routes(routes!(sellers::one))
        .routes(routes!(products::list))
        .routes(routes!(products::one))
        .routes(routes!(orders::list))
        .routes(routes!(orders::one))
        .routes(routes!(orders::events::list))
        .routes(routes!(kitchen::queue))
        .routes(routes!(revenue::one))
        .routes(routes!(revenue::entries::list))
        .routes(routes!(analytics::places::list))
        .routes(routes!(analytics::places::one))
        .routes(routes!(analytics::taxes_and_tips::read))
        .routes(routes!(analytics::categories::read))
        .routes(routes!(analytics::runs::list))
        .merge(health_routes(readiness))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_description_is_of_this_code() {
        openapi::assert_committed(&description(), "projector");
    }
}
