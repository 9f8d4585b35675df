//! What handlers need, and who may call them.

use axum::extract::FromRef;
use chrono_tz::Tz;
use runtime::auth::{Role, Tokens};

use crate::read::Reads;

/// Who may read receipts and places.
pub const READERS: &[Role] = &[Role::Staff, Role::Analyst, Role::Admin];
/// Who may read figures.
pub const ANALYSTS: &[Role] = &[Role::Analyst, Role::Admin];

/// What handlers need.
#[derive(Clone)]
pub struct App {
    /// Snapshots of the projections.
    pub reads: Reads,
    /// Verifies callers.
    pub tokens: Tokens,
    /// Partitions of each event topic.
    pub partitions: i32,
    /// Zone of dates.
    pub zone: Tz,
}

impl FromRef<App> for Tokens {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}
