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
use crate::effects::{tell, tend};
use crate::http::forward::Intake;
use crate::http::{
    App, accounts, batch, customers, forward, import, internal, orders, products, receipts, sellers,
    sessions, terminal_keys,
};

/// All routes that are served. `contracts` are the routes of the contracts that are switched on.
pub fn router(app: App, contracts: Router, readiness: Readiness) -> Router {
    let described = described(readiness, |intake, routes| {
        routes.route_layer(from_fn_with_state(intake(&app), forward::to_owner))
    });
    let (routes, description) = described.split_for_parts();
    // These routes are for replicas alone. Their handlers check their secret before they read the body. Who asks has
    // looked for the shard's owner itself, so they have no intake, which would forward the request.
    let routes = routes.route(tell::PATH, post(internal::decide)).route(tend::PATH, post(internal::tend));
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
        .routes(routes!(customers::register))
        .routes(routes!(customers::change, customers::erase))
        .routes(routes!(sellers::change, sellers::remove))
        .routes(routes!(products::change, products::remove))
        .routes(routes!(products::stock::set))
        .routes(routes!(orders::quote))
        .routes(routes!(orders::moves::go))
        .routes(routes!(orders::moves::cancel))
        .routes(routes!(import::import))
        .routes(routes!(accounts::assign_roles))
        .routes(routes!(accounts::disable))
        .routes(routes!(accounts::enable))
        .routes(routes!(accounts::close))
        .routes(routes!(accounts::erase))
        .routes(routes!(terminal_keys::issue))
        .routes(routes!(terminal_keys::revoke))
        .routes(routes!(sessions::logout_everywhere))
        .routes(routes!(sessions::change_password));
    let makers = OpenApiRouter::default()
        .routes(routes!(sellers::list))
        .routes(routes!(products::list))
        .routes(routes!(orders::place));
    let credentials = OpenApiRouter::default()
        .routes(routes!(accounts::register))
        .routes(routes!(sessions::login))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::logout));
    // The receipts of a batch belong to different shards, and the handler forwards parts of it. So the route has no
    // intake.
    let batches = OpenApiRouter::default().routes(routes!(batch::record));
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(with(Intake::of_callers, commands))
        .merge(with(Intake::of_makers, makers))
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
