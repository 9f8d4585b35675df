//! The reads of contract 003: the producer's list of checks, the consumer's places, figures and user. Each has seen
//! everything accepted before it was asked.

mod analytics;
mod caller;
mod checks;
mod docs;
mod list;
mod places;
mod windows;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::get;
use runtime::Problem;
use runtime::contracts::receipts::NAME;
use runtime::contracts::receipts::answers::{complete, in_its_shape};
use runtime::contracts::receipts::token::LoginTokens;
use runtime::openapi::Pages;

use crate::projections::definition::Projection;
use crate::reads::{Consistency, Reads, Snapshot};
use crate::settings::Settings;

/// What its handlers work with.
#[derive(Clone)]
pub struct Contract {
    reads: Reads,
    tokens: LoginTokens,
    docs: Pages,
}

impl Contract {
    /// The contract, where it is switched on.
    pub fn from_settings(settings: &Settings, reads: &Reads) -> Option<Self> {
        settings.common.serves(NAME).then(|| Self {
            reads: reads.clone(),
            tokens: LoginTokens::new(&settings.own.jwt_secret),
            docs: Pages::of("../swagger.json"),
        })
    }

    /// A snapshot of the projections that has seen everything accepted so far.
    async fn snapshot(&self, projections: &[Projection], caller: &str) -> Result<Snapshot, Problem> {
        self.reads.snapshot(projections, &Consistency::strong(), caller).await
    }

    /// A snapshot of what is folded, which waits for nothing: for a look at what may be old, and for the later parts of an
    /// answer whose first part was [`Self::snapshot`]'s.
    async fn eventual_snapshot(&self, projections: &[Projection], caller: &str) -> Result<Snapshot, Problem> {
        self.reads.snapshot(projections, &Consistency::eventual(), caller).await
    }
}

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
