//! What handlers share: what they answer from, and who may call them.

use axum::extract::FromRef;
use chrono_tz::Tz;
use runtime::Problem;
use runtime::auth::{Accounts, Caller, Credential, Role, Tokens};
use runtime::vault::Vault;

use super::callers::Callers;
use crate::read::Reads;

/// The roles that may read receipts and places.
pub const READERS: &[Role] = &[Role::Staff, Role::Analyst, Role::Admin];
/// The roles that may read figures.
pub const ANALYSTS: &[Role] = &[Role::Analyst, Role::Admin];

/// The state of the routes.
#[derive(Clone)]
pub struct App {
    /// Opens snapshots of the projections.
    pub reads: Reads,
    /// Finds out who calls.
    pub callers: Callers,
    /// Verifies the tokens of callers.
    pub tokens: Tokens,
    /// Opens what is sealed.
    pub vault: Vault,
    /// The number of partitions of each event topic.
    pub partitions: i32,
    /// The time zone that dates in parameters are of.
    pub zone: Tz,
}

impl FromRef<App> for Tokens {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}

impl Accounts for App {
    async fn caller(&self, credential: Credential) -> Result<Option<Caller>, Problem> {
        self.callers.find(credential).await
    }
}
