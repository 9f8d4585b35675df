//! The contract, where it is switched on: what its handlers need.

use runtime::Problem;
use runtime::contracts::receipts::NAME;
use runtime::contracts::receipts::token::LoginTokens;
use runtime::openapi::Pages;

use crate::projections::definition::Projection;
use crate::read::{Consistency, Reads, Snapshot};
use crate::settings::Settings;

/// What its handlers work with.
#[derive(Clone)]
pub struct Contract {
    reads: Reads,
    pub tokens: LoginTokens,
    pub docs: Pages,
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
    pub async fn snapshot(&self, projections: &[Projection], caller: &str) -> Result<Snapshot, Problem> {
        self.reads.snapshot(projections, &Consistency::strong(), caller).await
    }

    /// A snapshot of what is folded, which waits for nothing: for a look at what may be old, and for the later parts of an
    /// answer whose first part was [`Self::snapshot`]'s.
    pub async fn eventual_snapshot(
        &self,
        projections: &[Projection],
        caller: &str,
    ) -> Result<Snapshot, Problem> {
        self.reads.snapshot(projections, &Consistency::eventual(), caller).await
    }
}
