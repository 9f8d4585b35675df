//! The write side's table of contents. The path and method of a route stand at its handler, in `#[utoipa::path]`, and
//! nowhere else.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use runtime::openapi;
use runtime::server::{Readiness, health_routes, with_fallbacks};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::description::Description;
use crate::effects::tell;
use crate::http::forward::Intake;
use crate::http::{App, accounts, batch, forward, internal, receipts};

/// All routes that are served. `contracts` are the routes of the contracts that are switched on.
pub fn router(app: App, contracts: Router, readiness: Readiness) -> Router {
    let described = described(readiness, |intake, routes| {
        routes.route_layer(from_fn_with_state(intake(&app), forward::to_owner))
    });
    let (routes, description) = described.split_for_parts();
    // This route is for replicas alone. Its handler checks their secret before it reads the body. The replica that asks
    // has looked for the shard's owner itself, so the route has no intake, which would forward it.
    let routes = routes.route(tell::PATH, post(internal::decide));
    let routes = routes.merge(openapi::routes(&description));
    with_fallbacks(routes).with_state(app).merge(contracts)
}

/// The description of the API. It is the same whatever runs, so it needs no running part.
pub fn description() -> OpenApi {
    described(Readiness::waiting("nothing runs"), |_, routes| routes).into_openapi()
}

/// The routes of clients and operators. `with` puts an intake before the handlers of a group of routes.
fn described(
    readiness: Readiness,
    with: impl Fn(fn(&App) -> Intake, OpenApiRouter<App>) -> OpenApiRouter<App>,
) -> OpenApiRouter<App> {
    let commands = OpenApiRouter::default()
        .routes(routes!(receipts::record))
        .routes(routes!(receipts::validate))
        .routes(routes!(receipts::void))
        .routes(routes!(accounts::assign_roles));
    let credentials =
        OpenApiRouter::default().routes(routes!(accounts::register)).routes(routes!(accounts::login));
    // The receipts of a batch belong to different shards, and the handler forwards parts of it. So the route has no
    // intake.
    let batches = OpenApiRouter::default().routes(routes!(batch::record));
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(with(Intake::of_callers, commands))
        .merge(with(Intake::of_credentials, credentials))
        .merge(batches)
        .merge(health_routes(readiness))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_description_is_of_this_code() {
        openapi::assert_committed(&description(), "command-api");
    }
}
