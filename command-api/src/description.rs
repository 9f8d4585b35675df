//! What the description of the HTTP API (OpenAPI 3.1) says of the service as a whole. Each route is described at its
//! handler, and [`crate::routes`] puts the two together. The result is served, printed by `command-api openapi`, and
//! committed as `docs/openapi/command-api.json`.

use runtime::openapi::{BearerToken, responses};
use runtime::{Problem, problem};
use utoipa::OpenApi;

use crate::contracts::Tags;
use crate::http::batch::BatchLine;
use crate::http::import::ImportedLine;

/// The description without any route. It names the schemas and responses that no route refers to by its types.
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
    components(
        schemas(Problem, problem::FieldError, BatchLine, ImportedLine),
        responses(
            responses::BadRequest,
            responses::Unauthorized,
            responses::Forbidden,
            responses::BodyTooSlow,
            responses::BodyTooLarge,
            responses::Invalid,
            responses::Stale,
            responses::AccountUnknown,
            responses::Unavailable,
        )
    ),
    modifiers(&BearerToken, &Tags),
    security(("token" = [])),
    tags(
        (name = "Receipts", description = "For terminals and admins; voids for admins alone."),
        (name = "Accounts", description = "Registration and login are for anyone; roles are for admins."),
        (name = "Customers", description = "Staff and admins record and change them; admins erase them."),
        (name = "Catalogue", description = "Sellers, products and their stock: for staff, admins, and the accounts that manage a seller."),
        (name = "Orders", description = "Everybody who buys or sells places them; staff and admins move them on; their buyers call them off."),
        (name = "Import", description = "Admins take over what another system has had."),
        (name = "Health", description = "For whoever runs the service; not behind the front door."),
    )
)]
pub struct Description;
