//! Login tokens: one an account, made of its name and a generation; revoking raises the generation. Only digests are kept.

use schemas::accounts::{LoginTokenIssued, LoginTokenRevoked};

use super::rejection::Rejection;
use super::state::{AccountState, change, known, load};
use crate::{Decision, Recorded, States};

/// Give the account's token to who logged in.
#[derive(Clone, Debug)]
pub struct IssueLoginToken {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// The generation the token was made of.
    pub generation: i64,
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
}

/// End the account's token.
#[derive(Clone, Debug)]
pub struct RevokeLoginToken {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// The token's generation: a later one is left alone.
    pub generation: i64,
}

/// Notes the token's digest, unless it is known.
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

/// Ends the token of the generation, unless it has ended or was never given.
pub(super) fn revoke(states: &impl States, command: RevokeLoginToken) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    if account.token_generation != command.generation || account.token_hash.is_none() {
        return Ok(Decision::Already(account.changed_at));
    }
    let RevokeLoginToken { realm, username, generation } = command;
    Ok(Decision::append(LoginTokenRevoked { realm, username, generation }))
}

/// The account whose token has this digest, and its name.
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
