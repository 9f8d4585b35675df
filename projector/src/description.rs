//! The description of the HTTP API (OpenAPI 3.1), made of what stands beside the handlers: served, printed by
//! `projector openapi`, and committed as `docs/openapi/projector.json`.

use runtime::openapi::{BearerToken, responses};
use runtime::{Problem, problem, server};
use utoipa::OpenApi;

use crate::contracts::Tags;
use crate::http::{accounts, analytics, places, receipts};

/// The description of all routes but the contracts'.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Till: reads",
        description = "Till's reads.\n\nThey are answered from Postgres tables that are folded from Kafka; command-api \
            takes commands, and has a description of its own. `Till-Position` of a command's answer makes a read \
            see that command. Errors are problem details (RFC 9457). A path that is not served is answered 404, \
            another method 405, an unknown query parameter 400. Every 503 has `Retry-After`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This service, or the front door before it")),
    paths(
        receipts::list,
        receipts::one,
        places::list,
        places::one,
        accounts::list,
        analytics::places::list,
        analytics::places::one,
        analytics::taxes_and_tips::read,
        analytics::categories::read,
        analytics::runs::list,
        server::healthz,
        server::readyz,
    ),
    components(
        schemas(Problem, problem::FieldError),
        responses(
            responses::BadRequest,
            responses::Unauthorized,
            responses::Forbidden,
            responses::TooManyReads,
            responses::Failed,
            responses::Unavailable,
        )
    ),
    modifiers(&BearerToken, &Tags),
    security(("token" = [])),
    tags(
        (name = "Receipts", description = "For staff, analysts and admins."),
        (name = "Places", description = "For staff, analysts and admins."),
        (name = "Accounts", description = "For admins."),
        (name = "Figures", description = "For analysts and admins."),
        (name = "Health", description = "For whoever runs the service; not behind the front door."),
    )
)]
pub struct Description;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_committed_description_is_of_this_code() {
        runtime::openapi::assert_committed(&Description::openapi(), "projector");
    }

    #[test]
    fn every_route_is_described() {
        let routed = runtime::openapi::routed(include_str!("http/mod.rs"));
        let described: BTreeSet<String> = Description::openapi().paths.paths.into_keys().collect();
        let health = ["/healthz", "/readyz"].map(str::to_owned);
        assert_eq!(routed.into_iter().chain(health).collect::<BTreeSet<_>>(), described);
    }
}
