//! What handlers share: what they answer from, and who may call them.

use axum::extract::FromRef;
use chrono_tz::Tz;
use runtime::auth::{Role, Tokens};

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
    /// Verifies the tokens of callers.
    pub tokens: Tokens,
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
