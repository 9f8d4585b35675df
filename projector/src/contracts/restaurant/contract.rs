//! What the contract's handlers share.

use axum::http::StatusCode;
use contracts::answers::Refused;
use contracts::restaurant::fastapi::detail;
use runtime::Problem;
use runtime::openapi::Pages;
use runtime::vault::Vault;

use crate::http::App;
use crate::projections::definition::Projection;
use crate::read::{Consistency, Reads, Snapshot};

/// The caller whose turns its reads take, because anyone may read without a token.
const ANYONE: &str = "readers of the restaurant contract";

/// The state of the contract's routes.
#[derive(Clone)]
pub struct Contract {
    reads: Reads,
    pub vault: Vault,
    pub docs: Pages,
}

impl Contract {
    /// What its handlers answer from.
    pub fn new(app: &App) -> Self {
        Self { reads: app.reads.clone(), vault: app.vault.clone(), docs: Pages::of("../openapi.json") }
    }

    /// Opens a snapshot of projections that has seen everything accepted so far.
    pub async fn snapshot(&self, projections: &[Projection]) -> Result<Snapshot, Problem> {
        self.reads.snapshot(projections, &Consistency::strong(), ANYONE).await
    }

    /// Opens a snapshot for a part of a list: the first one has seen everything accepted so far, and later ones what is folded.
    pub async fn part(&self, projections: &[Projection], is_first: bool) -> Result<Snapshot, Problem> {
        let consistency = if is_first { Consistency::strong() } else { Consistency::eventual() };
        self.reads.snapshot(projections, &consistency, ANYONE).await
    }
}

/// 404, in the contract's words.
pub fn unknown(text: &str) -> Refused {
    detail(StatusCode::NOT_FOUND, text).into()
}
