//! Descriptions of the HTTP APIs (OpenAPI 3.1): what those of the services share, and how they are served.

mod document;
mod pages;
pub mod redoc;
pub mod responses;

use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

pub(crate) use pages::paths;

pub use document::{assert_committed, text};
pub use pages::{Pages, routes};

/// Adds the security scheme `token`: the bearer token of a login.
pub struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, description: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The `access_token` of `POST /v1/auth/login`, which names the account and is good for 15 minutes, or the key of a terminal.",
            ))
            .build();
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// An exact amount of money: text with two decimals.
#[derive(utoipa::ToSchema)]
#[schema(example = "5.00", pattern = r"^-?[0-9]+\.[0-9]{2}$")]
pub struct Money(pub String);

/// An exact quantity of pieces, kilograms or hours: text with three decimals.
#[derive(utoipa::ToSchema)]
#[schema(example = "2.000", pattern = r"^-?[0-9]+\.[0-9]{3}$")]
pub struct Quantity(pub String);
