//! The reads of contract 003: the producer's list of checks, the consumer's places, figures and user. Each has seen
//! everything accepted before it was asked.

mod analytics;
mod caller;
mod checks;
mod docs;
mod places;
mod windows;

use axum::Router;
use axum::routing::get;
use contracts::RECEIPTS;
use contracts::receipts::DIALECT;
use contracts::receipts::token::LoginTokens;
use runtime::Problem;
use runtime::openapi::Pages;

use crate::http::App;
use crate::projection::Projection;
use crate::reads::{Consistency, Reads, Snapshot};
use crate::settings::Settings;

/// Said of it in the description of this service.
pub const ABOUT: &str = "It has a description of its own there (`/swagger/`), by its clients' rules: the producer's list of \
    checks needs no token.";

/// What its handlers work with.
#[derive(Clone)]
struct Contract {
    reads: Reads,
    tokens: LoginTokens,
    docs: Pages,
}

impl Contract {
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
pub fn routes(app: &App, settings: &Settings) -> Router {
    let routes = [
        ("/contracts/receipts/api/ch/", get(checks::list)),
        ("/contracts/receipts/consumer/api/places/", get(places::list)),
        ("/contracts/receipts/consumer/api/analytics/", get(analytics::list)),
        ("/contracts/receipts/consumer/api/analytics/{place_id}/", get(analytics::one)),
        ("/contracts/receipts/consumer/auth/user/", get(caller::user)),
    ];
    let contract = Contract {
        reads: app.reads.clone(),
        tokens: LoginTokens::new(&settings.own.jwt_secret),
        docs: Pages::of("../swagger.json"),
    };
    DIALECT.complete(&RECEIPTS, docs::routes(), routes).with_state(contract)
}
