//! Descriptions of the HTTP APIs (OpenAPI 3.1): what those of the services share, and how they are served.

mod pages;
pub mod responses;

use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

pub(crate) use pages::paths;
pub use pages::{Pages, routes};

/// The description as it is printed, committed and served.
///
/// # Panics
/// Never: a description has text keys only.
#[must_use]
pub fn text(description: &OpenApi) -> String {
    let mut text = description.to_pretty_json().expect("a description has text keys only");
    text.push('\n');
    text
}

/// Compares with what is committed as `docs/openapi/<service>.json`; with `TILL_WRITE=1` in the environment, writes it.
///
/// # Panics
/// Where they differ. It is for tests.
pub fn assert_committed(description: &OpenApi, service: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi");
    let path = format!("{folder}/{service}.json");
    let text = text(description);
    if std::env::var_os("TILL_WRITE").is_some() {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(&path, &text).expect("the description can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/openapi/{service}.json is not of this code: TILL_WRITE=1 cargo test --release -p {service} description"
    );
}

/// Adds the security scheme `token`: the bearer token of a login.
pub struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, description: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "The `access_token` of `POST /v1/auth/login`. It carries the account's roles as they were at the login.",
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
