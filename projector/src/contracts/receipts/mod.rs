//! The reads of contract 003: the producer's list of checks, the consumer's places, figures and user. Each has seen
//! everything accepted before it was asked.

mod analytics;
mod caller;
mod checks;
mod contract;
mod docs;
mod list;
mod places;
mod windows;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::get;
pub use contract::Contract;
use runtime::contracts::receipts::answers::{complete, in_its_shape};

/// Every route, the producer's first.
pub fn routes(contract: Contract) -> Router {
    let routes = [
        ("/contracts/receipts/api/ch/", get(checks::list)),
        ("/contracts/receipts/consumer/api/places/", get(places::list)),
        ("/contracts/receipts/consumer/api/analytics/", get(analytics::list)),
        ("/contracts/receipts/consumer/api/analytics/{place_id}/", get(analytics::one)),
        ("/contracts/receipts/consumer/auth/user/", get(caller::user)),
    ];
    complete(docs::routes(), routes).layer(map_response(in_its_shape)).with_state(contract)
}
