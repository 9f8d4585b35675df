//! What is kept of accounts and of their realms.

use chrono::{DateTime, Utc};
use schemas::Position;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection;
use crate::{Recorded, States, TodoKey};

/// The state of an account, in JSON under `a<realm>/<username>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// The account's number: the first of a realm is 1, and none is left out.
    pub number: i64,
    /// The password's Argon2id hash, as a PHC string.
    pub password_hash: String,
    /// All roles that the account has.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// The registration's idempotency id, where the client sent an `Idempotency-Key`.
    pub idempotency_id: Option<Uuid>,
    /// The login lock, while one holds.
    pub lock: Option<Lock>,
    /// How many of the account's login tokens were revoked. The next token is made of this number.
    pub token_generation: i64,
    /// The SHA-256 of the account's login token, while it has one.
    pub token_hash: Option<Vec<u8>>,
    /// The position of the event that registered the account.
    pub(super) registered_at: Position,
    /// The position of the account's last event. A command that changes nothing is answered with it.
    pub(super) changed_at: Position,
}

/// A login lock that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The id of the event that began the lock.
    pub cause: Uuid,
    /// The instant at which the lock ends.
    pub until: DateTime<Utc>,
    /// The key of the to-do that ends the lock.
    pub(super) todo: TodoKey,
}

/// The state of a realm, in JSON under `n<realm>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealmState {
    /// The number of the newest account; 0 in a realm without accounts.
    pub last_number: i64,
    /// How many accounts of the realm have the role admin.
    pub admins: i64,
}

/// The state of the account with this name, if there is such an account.
pub fn load(states: &impl States, realm: &str, username: &str) -> Option<AccountState> {
    serde_json::from_slice(&states.get(&account_key(realm, username))?).ok()
}

/// The state of the realm; of a realm without accounts it is all zeros.
pub fn load_realm(states: &impl States, realm: &str) -> RealmState {
    let bytes = states.get(&realm_key(realm));
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The state of the account with this name, or the rejection [`Rejection::Unknown`].
pub(super) fn known(states: &impl States, realm: &str, username: &str) -> Result<AccountState, Rejection> {
    load(states, realm, username).ok_or(Rejection::Unknown)
}

/// Changes the account's state as `apply` says, and notes the event as its last. Without such an account nothing
/// happens.
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

/// Writes the account's state.
pub(super) fn save(states: &mut impl States, realm: &str, username: &str, state: &AccountState) {
    states.put(account_key(realm, username), to_bytes(state));
}

fn to_bytes(state: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(state).expect("a state has text keys only")
}

/// The key of an account's state. No realm contains `/`, because Till and its contracts choose them and no
/// client does, so two accounts never share a key.
fn account_key(realm: &str, username: &str) -> Vec<u8> {
    format!("a{realm}/{username}").into_bytes()
}

fn realm_key(realm: &str) -> Vec<u8> {
    format!("n{realm}").into_bytes()
}

/// Writes the realm's state.
pub(super) fn save_realm(states: &mut impl States, realm: &str, state: &RealmState) {
    states.put(realm_key(realm), to_bytes(state));
}
