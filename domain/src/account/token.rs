//! Login tokens. An account has one, which is made of its name and a generation; revoking it raises the generation.
//! States and events hold a token's digest only.

use schemas::accounts::{LoginTokenIssued, LoginTokenRevoked};

use super::rejection::Rejection;
use super::state::{AccountState, change, known, load};
use crate::{Decision, Recorded, States};

/// Give the account its login token, after a login with the right password.
#[derive(Clone, Debug)]
pub struct IssueLoginToken {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The generation that the token was made of.
    pub generation: i64,
    /// The SHA-256 of the token.
    pub token_hash: Vec<u8>,
}

/// End the account's login token of one generation.
#[derive(Clone, Debug)]
pub struct RevokeLoginToken {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The generation of the token to end. A token of a later generation stays.
    pub generation: i64,
}

/// Keeps the token's digest, unless it is the one that is kept. A token of another generation than the account's is
/// refused: it was revoked after it had been made.
pub(super) fn issue(states: &impl States, command: IssueLoginToken) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    if account.token_generation != command.generation {
        return Err(Rejection::LoginTokenOutdated);
    }
    if account.token_hash.as_ref() == Some(&command.token_hash) {
        return Ok(Decision::Already(account.changed_at));
    }
    let IssueLoginToken { realm, username, generation, token_hash } = command;
    Ok(Decision::append(LoginTokenIssued { realm, username, generation, token_hash }))
}

/// Ends the token of this generation. Where it has ended before, or was never issued, nothing happens.
pub(super) fn revoke(states: &impl States, command: RevokeLoginToken) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    if account.token_generation != command.generation || account.token_hash.is_none() {
        return Ok(Decision::Already(account.changed_at));
    }
    let RevokeLoginToken { realm, username, generation } = command;
    Ok(Decision::append(LoginTokenRevoked { realm, username, generation }))
}

/// The name and the state of the account whose token has this digest.
pub fn find(states: &impl States, realm: &str, token_hash: &[u8]) -> Option<(String, AccountState)> {
    let username = String::from_utf8(states.get(&key(realm, token_hash))?).ok()?;
    let account = load(states, realm, &username)?;
    Some((username, account))
}

pub(super) fn issued(states: &mut impl States, event: &LoginTokenIssued, recorded: &Recorded) {
    let mut former = None;
    change(states, &event.realm, &event.username, recorded, |state| {
        former = state.token_hash.replace(event.token_hash.clone());
        state.token_generation = event.generation;
    });
    if let Some(former) = former {
        states.remove(key(&event.realm, &former));
    }
    states.put(key(&event.realm, &event.token_hash), event.username.clone().into_bytes());
}

pub(super) fn revoked(states: &mut impl States, event: &LoginTokenRevoked, recorded: &Recorded) {
    let mut former = None;
    change(states, &event.realm, &event.username, recorded, |state| {
        former = state.token_hash.take();
        state.token_generation = event.generation.saturating_add(1);
    });
    if let Some(former) = former {
        states.remove(key(&event.realm, &former));
    }
}

fn key(realm: &str, token_hash: &[u8]) -> Vec<u8> {
    let mut key = format!("k{realm}/").into_bytes();
    key.extend_from_slice(token_hash);
    key
}
