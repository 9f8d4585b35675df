//! The description of the HTTP API (OpenAPI 3.1), made of what stands beside the handlers: served, printed by
//! `command-api openapi`, and committed as `docs/openapi/command-api.json`.

use runtime::openapi::{BearerToken, responses};
use runtime::{Problem, problem, server};
use utoipa::OpenApi;

use crate::contracts::Tags;
use crate::http::{accounts, batch, bodies, receipts};

/// The whole of it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Till: commands",
        description = "Till's commands.\n\nReceipts, voids and accounts are changed here and appended to Kafka before they \
            are answered; the projector answers reads, and has a description of its own. Errors are problem \
            details (RFC 9457). A path that is not served is answered 404, another method 405. Every 503 has \
            `Retry-After`, and every command may be sent again: it counts once.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/", description = "This service, or the front door before it")),
    paths(
        receipts::record,
        batch::record,
        receipts::validate,
        receipts::void,
        accounts::register,
        accounts::login,
        accounts::assign_roles,
        server::healthz,
        server::readyz,
    ),
    components(
        schemas(Problem, problem::FieldError, bodies::BatchLine),
        responses(
            responses::BadRequest,
            responses::Unauthorized,
            responses::Forbidden,
            responses::BodyTooSlow,
            responses::BodyTooLarge,
            responses::Invalid,
            responses::Unavailable,
        )
    ),
    modifiers(&BearerToken, &Tags),
    security(("token" = [])),
    tags(
        (name = "Receipts", description = "For terminals and admins; voids for admins alone."),
        (name = "Accounts", description = "Registration and login are for anyone; roles are for admins."),
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
        runtime::openapi::assert_committed(&Description::openapi(), "command-api");
    }

    #[test]
    fn every_route_is_described() {
        let routed = runtime::openapi::routed(include_str!("routes.rs"));
        let described: BTreeSet<String> = Description::openapi().paths.paths.into_keys().collect();
        let health = ["/healthz", "/readyz"].map(str::to_owned);
        assert_eq!(routed.into_iter().chain(health).collect::<BTreeSet<_>>(), described);
    }
}
