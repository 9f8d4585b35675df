//! What the contract's handlers share.

use contracts::receipts::token::LoginTokens;
use runtime::Problem;
use runtime::openapi::Pages;
use runtime::vault::Vault;

use crate::http::App;
use crate::projections::definition::Projection;
use crate::read::{Consistency, Reads, Snapshot};
use crate::settings::Settings;

/// The state of the contract's routes.
#[derive(Clone)]
pub struct Contract {
    reads: Reads,
    pub tokens: LoginTokens,
    pub vault: Vault,
    pub docs: Pages,
}

impl Contract {
    /// What its handlers answer from.
    pub fn new(app: &App, settings: &Settings) -> Self {
        Self {
            reads: app.reads.clone(),
            tokens: LoginTokens::new(&settings.own.jwt_secret),
            vault: app.vault.clone(),
            docs: Pages::of("../swagger.json"),
        }
    }

    /// Opens a snapshot of projections that has seen everything accepted so far.
    pub async fn snapshot(&self, projections: &[Projection], caller: &str) -> Result<Snapshot, Problem> {
        self.reads.snapshot(projections, &Consistency::strong(), caller).await
    }

    /// Opens a snapshot of what is folded, without waiting. It is for what may be old, and for the later parts of an answer whose
    /// first part comes from [`Self::snapshot`].
    pub async fn eventual_snapshot(
        &self,
        projections: &[Projection],
        caller: &str,
    ) -> Result<Snapshot, Problem> {
        self.reads.snapshot(projections, &Consistency::eventual(), caller).await
    }
}
