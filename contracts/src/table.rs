//! A line of the table of contracts, and the macro that reads it.

use axum::http::StatusCode;
use axum::response::Response;
use chrono_tz::Tz;

/// A drop-in contract: another system's HTTP, which Till serves to that system's unchanged clients.
#[derive(Debug)]
pub struct Contract {
    /// Its name in `TILL_CONTRACTS`, and of its folders: lower case.
    pub name: &'static str,
    /// The number it is known by: three digits.
    pub number: &'static str,
    /// What every path of it begins with on command-api and projector: `/contracts/` and the name.
    pub prefix: &'static str,
    /// The language of its messages, an IETF tag in lower case such as `pt-br`.
    pub language: &'static str,
    /// The zone that its times are written in, and that times without a zone are read in.
    pub zone: Tz,
    /// The HTTP services that the original consisted of; a port of nginx each.
    pub services: &'static [Service],
    /// An error that no route of the contract has made, with a text for people, in the contract's shape.
    pub error: fn(StatusCode, &str) -> Response,
}

/// One of the HTTP services that a contract's original consisted of.
#[derive(Debug)]
pub struct Service {
    /// What the contract's document calls it. The only service of a contract has the contract's own name.
    pub name: &'static str,
    /// The port that nginx serves it on without a prefix, unless the port's setting says another one.
    pub port: u16,
    /// What its paths begin with on command-api and projector. The first service has the contract's prefix; the others add
    /// their name to it.
    pub prefix: &'static str,
    /// Whose aggregates it lists: `v1` for those of `/v1`, else those that came through this contract alone.
    pub scope: &'static str,
    /// The home of its accounts in the log: `till`, which are `/v1`'s, or one of its own.
    pub realm: &'static str,
}

impl Contract {
    /// Whether a path of a service leads to this contract.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix).is_some_and(|rest| rest.starts_with('/'))
    }

    /// The name with a capital: `Receipts`.
    #[must_use]
    pub fn title(&self) -> String {
        let (first, rest) = self.name.split_at(1);
        first.to_uppercase() + rest
    }

    /// The setting of `./till` and Compose for the port of one of its services: `TILL_RECEIPTS_PRODUCER_PORT`.
    #[must_use]
    pub fn port_setting(&self, service: &Service) -> String {
        let name = if service.name == self.name { String::new() } else { format!("_{}", service.name) };
        format!("TILL_{}{name}_PORT", self.name).to_uppercase().replace('-', "_")
    }
}

/// Lists the contracts, one a line. A line
///
/// ```text
/// receipts RECEIPTS "003" "ru" Europe__Moscow ["producer" 8130 "v1" "till", "consumer" 8131 "v1" "till"];
/// ```
///
/// becomes, in this crate,
///
/// ```text
/// pub mod receipts;                                                   // src/receipts/mod.rs, with `pub fn error`
/// pub static RECEIPTS: Contract = Contract { name: "receipts", …, error: receipts::error };
/// pub const ALL: &[&Contract] = &[&RECEIPTS, …];
/// ```
///
/// and in each service that writes `contracts::served!();` in its `contracts/mod.rs`, where `App` and `Settings` are in scope,
///
/// ```text
/// mod receipts;                                                       // src/contracts/receipts/mod.rs
/// const SERVED: &[contracts::served::Served<App, Settings>] =
///     &[Served { contract: &contracts::RECEIPTS, about: receipts::ABOUT, routes: receipts::routes }, …];
/// pub fn routes(app: &App, settings: &Settings) -> Router { … }       // of the contracts that are switched on
/// pub struct Tags;                                                    // adds a tag for each to the service's OpenAPI
/// ```
///
/// so that a folder that is missing, or that has none of these, does not compile.
macro_rules! contracts {
    ($(
        $name:ident $constant:ident $number:literal $language:literal $zone:ident
        [$first:literal $first_port:literal $first_scope:literal $first_realm:literal
         $(, $other:literal $other_port:literal $other_scope:literal $other_realm:literal)*];
    )+) => {
        $(pub mod $name;)+

        $(
            #[doc = concat!("Contract ", $number, ", `", stringify!($name), "`.")]
            pub static $constant: Contract = Contract {
                name: stringify!($name),
                number: $number,
                prefix: concat!("/contracts/", stringify!($name)),
                language: $language,
                zone: chrono_tz::Tz::$zone,
                services: &[
                    Service {
                        name: $first,
                        port: $first_port,
                        prefix: concat!("/contracts/", stringify!($name)),
                        scope: $first_scope,
                        realm: $first_realm,
                    },
                    $(Service {
                        name: $other,
                        port: $other_port,
                        prefix: concat!("/contracts/", stringify!($name), "/", $other),
                        scope: $other_scope,
                        realm: $other_realm,
                    },)*
                ],
                error: $name::error,
            };
        )+

        /// Every contract there is, in the table's order.
        pub const ALL: &[&Contract] = &[$(&$constant),+];

        /// Defaults of the settings that [`settings::Settings`] reads, commented TOML: a part of the defaults of a service.
        pub const DEFAULTS: &str = concat!(
            "# Drop-in contracts served beside /v1, by name, separated by commas. There are:",
            $(" ", stringify!($name),)+
            ".\n",
            include_str!("settings.toml"),
        );

        /// Declares a service's module of each contract, and what becomes of all of them: routes and tags.
        #[macro_export]
        macro_rules! served {
            () => {
                $(mod $name;)+

                const SERVED: &[$crate::served::Served<App, Settings>] = &[$($crate::served::Served {
                    contract: &$crate::$constant,
                    about: $name::ABOUT,
                    routes: $name::routes,
                }),+];

                /// The routes of the contracts that are switched on.
                pub fn routes(app: &App, settings: &Settings) -> axum::Router {
                    $crate::served::routes(SERVED, &settings.own.contracts, |served| (served.routes)(app, settings))
                }

                /// Adds a tag for each contract to the description of this service.
                pub struct Tags;

                impl utoipa::Modify for Tags {
                    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
                        $crate::served::describe(SERVED, description);
                    }
                }
            };
        }
    };
}

#[cfg(test)]
mod tests;
