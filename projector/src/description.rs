//! What the description of the HTTP API (OpenAPI 3.1) says of the service as a whole. Each route is described at its handler, and
//! [`crate::routes`] puts the two together: served, printed by `projector openapi`, and committed as
//! `docs/openapi/projector.json`.

use runtime::openapi::{BearerToken, responses};
use runtime::{Problem, problem};
use utoipa::OpenApi;

use crate::contracts::Tags;

/// Without any route. It names the schemas and responses that no route refers to by type.
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
    components(
        schemas(Problem, problem::FieldError),
        responses(
            responses::BadRequest,
            responses::Unauthorized,
            responses::Forbidden,
            responses::BodyTooSlow,
            responses::BodyTooLarge,
            responses::Invalid,
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
        (name = "Accounts", description = "For admins; an account may read itself."),
        (name = "Customers", description = "For staff and admins. What is personal is opened for the answer alone."),
        (name = "Catalogue", description = "Sellers and products: for everybody who has a token."),
        (name = "Orders", description = "For staff, analysts and admins; customers read their own. The kitchen's queue is for staff and admins."),
        (name = "Revenue", description = "What sellers earn: for the managers of a seller, analysts and admins."),
        (name = "Figures", description = "For analysts and admins."),
        (name = "Health", description = "For whoever runs the service; not behind the front door."),
    )
)]
pub struct Description;
