//! What is kept of accounts and of their realms.

use chrono::{DateTime, Utc};
use schemas::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection;
use crate::{Recorded, States, TodoKey};

/// What is kept of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// Dense within the realm.
    pub number: i64,
    /// Argon2id, PHC string.
    pub password_hash: String,
    /// What it may do.
    pub roles: Vec<String>,
    /// The places it is bound to.
    pub places: Vec<String>,
    /// The registration's id, where it had an `Idempotency-Key`.
    pub idempotency_id: Option<Uuid>,
    /// The login lock that holds.
    pub lock: Option<Lock>,
    /// How many of its login tokens were revoked: the next one is made of this.
    pub token_generation: i64,
    /// SHA-256 of its login token, while it has one.
    pub token_hash: Option<Vec<u8>>,
    /// The registration's event.
    pub(super) registered_at: Position,
    /// The last event.
    pub(super) changed_at: Position,
}

/// A login lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The event that began it.
    pub cause: Uuid,
    /// When it ends.
    pub until: DateTime<Utc>,
    /// What ends it.
    pub(super) todo: TodoKey,
}

/// What is kept of a realm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealmState {
    /// The newest account's number; 0 where there is none.
    pub last_number: i64,
    /// How many accounts have the role admin.
    pub admins: i64,
}

/// The account of this name.
pub fn load(states: &impl States, realm: &str, username: &str) -> Option<AccountState> {
    serde_json::from_slice(&states.get(&account_key(realm, username))?).ok()
}

/// What is kept of the realm.
pub fn load_realm(states: &impl States, realm: &str) -> RealmState {
    let bytes = states.get(&realm_key(realm));
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The account of this name, or the rejection where there is none.
pub(super) fn known(states: &impl States, realm: &str, username: &str) -> Result<AccountState, Rejection> {
    load(states, realm, username).ok_or(Rejection::Unknown)
}

/// Applies what an event says to the account, if there is one.
pub(super) fn change(
    states: &mut impl States,
    realm: &str,
    username: &str,
    recorded: &Recorded,
    apply: impl FnOnce(&mut AccountState),
) {
    let Some(mut state) = load(states, realm, username) else { return };
    apply(&mut state);
    state.changed_at = recorded.position;
    save(states, realm, username, &state);
}

/// Keeps the account.
pub(super) fn save(states: &mut impl States, realm: &str, username: &str, state: &AccountState) {
    states.put(account_key(realm, username), to_bytes(state));
}

fn to_bytes(state: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(state).expect("a state has text keys only")
}

/// Realms are Till's own names, without `/`.
fn account_key(realm: &str, username: &str) -> Vec<u8> {
    format!("a{realm}/{username}").into_bytes()
}

fn realm_key(realm: &str) -> Vec<u8> {
    format!("n{realm}").into_bytes()
}

/// Keeps what is known of a realm.
pub(super) fn save_realm(states: &mut impl States, realm: &str, state: &RealmState) {
    states.put(realm_key(realm), to_bytes(state));
}
