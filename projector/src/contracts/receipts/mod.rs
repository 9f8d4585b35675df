//! The reads of contract 003: the producer's list of checks, the consumer's places, figures and user. Each has seen
//! everything accepted before it was asked.

mod analytics;
mod caller;
mod checks;
mod contract;
mod docs;
mod places;
mod windows;

use axum::Router;
use axum::routing::get;
use contract::Contract;
use contracts::RECEIPTS;
use contracts::receipts::DIALECT;

use crate::http::App;
use crate::settings::Settings;

/// Said of it in the description of this service.
pub const ABOUT: &str = "It has a description of its own there (`/swagger/`), by its clients' rules: the producer's list of \
    checks needs no token.";

/// Every route, the producer's first.
pub fn routes(app: &App, settings: &Settings) -> Router {
    let routes = [
        ("/contracts/receipts/api/ch/", get(checks::list)),
        ("/contracts/receipts/consumer/api/places/", get(places::list)),
        ("/contracts/receipts/consumer/api/analytics/", get(analytics::list)),
        ("/contracts/receipts/consumer/api/analytics/{place_id}/", get(analytics::one)),
        ("/contracts/receipts/consumer/auth/user/", get(caller::user)),
    ];
    DIALECT.complete(&RECEIPTS, docs::routes(), routes).with_state(Contract::new(app, settings))
}
