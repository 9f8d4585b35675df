//! Login tokens. An account has one, which is made of a generation; logging out everywhere raises the generation. States
//! and events hold a token's digest only.

use schemas::accounts::{LoginTokenIssued, LoginTokenRevoked};
use schemas::{Bytes, Ref};

use super::rejection::Rejection;
use super::session;
use super::state::{AccountState, active, change, changeable, key as found_by, number_of, whose};
use crate::states::{load as read, save as write};
use crate::{Decision, Recorded, States};

/// Give the account its login token, after a login with the right password.
#[derive(Clone, Debug)]
pub struct IssueLoginToken {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The generation that the token was made of.
    pub generation: i64,
    /// The SHA-256 of the token.
    pub token_hash: Vec<u8>,
}

/// Log an account out everywhere: end its login token, its sessions, and every token that was made of its generation.
#[derive(Clone, Debug)]
pub struct RevokeLoginToken {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The generation to end. Tokens of a later generation stay.
    pub generation: i64,
}

/// Keeps the token's digest, unless it is the one that is kept. A token of another generation than the account's is
/// refused: the account was logged out everywhere after it had been made.
pub(super) fn issue(states: &impl States, command: IssueLoginToken) -> Result<Decision, Rejection> {
    let IssueLoginToken { realm, number, generation, token_hash } = command;
    let account = active(states, &realm, number)?;
    if account.generation != generation {
        return Err(Rejection::LoginTokenOutdated);
    }
    if account.token_hash.is_some_and(|Bytes(present)| present == token_hash) {
        return Ok(Decision::Already(account.changed_at));
    }
    let username = String::new();
    Ok(Decision::append(LoginTokenIssued { realm, username, generation, token_hash, account: number }))
}

/// Ends the generation. Where it has ended before, nothing happens.
pub(super) fn revoke(states: &impl States, command: RevokeLoginToken) -> Result<Decision, Rejection> {
    let RevokeLoginToken { realm, number, generation } = command;
    let account = changeable(states, &realm, number)?;
    if account.generation != generation {
        return Ok(Decision::Already(account.changed_at));
    }
    Ok(Decision::append(LoginTokenRevoked { realm, username: String::new(), generation, account: number }))
}

/// The number and the state of the account whose login token has this digest; `None` where there is no such token, or
/// where the account may not act.
pub fn find(states: &impl States, realm: &str, token_hash: &[u8]) -> Option<(i64, AccountState)> {
    let number = read(states, &key(realm, token_hash))?;
    let account = active(states, realm, number).ok()?;
    Some((number, account))
}

pub(super) fn issued(states: &mut impl States, event: &LoginTokenIssued, recorded: &Recorded) {
    let LoginTokenIssued { realm, username, generation, token_hash, account } = event;
    let Some(account) = whose(states, realm, username, *account) else { return };
    let former = change(states, &account, recorded, |state| {
        state.generation = *generation;
        state.token_hash = Some(Bytes(token_hash.clone()));
    });
    let (Some(former), Some(number)) = (former, number_of(&account)) else { return };
    if let Some(former) = &former.token_hash {
        forget(states, &account, former);
    }
    write(states, key(realm, token_hash), &number);
}

pub(super) fn revoked(states: &mut impl States, event: &LoginTokenRevoked, recorded: &Recorded) {
    let LoginTokenRevoked { realm, username, generation, account } = event;
    let Some(account) = whose(states, realm, username, *account) else { return };
    let former = change(states, &account, recorded, |state| state.enter(generation.saturating_add(1)));
    let token_hash = former.and_then(|former| former.token_hash);
    end_tokens(states, &account, token_hash.as_ref());
}

/// Nothing is found by the account's former login token any more, and its sessions are ended.
pub(super) fn end_tokens(states: &mut impl States, account: &Ref, token_hash: Option<&Bytes>) {
    if let Some(token_hash) = token_hash {
        forget(states, account, token_hash);
    }
    session::forget(states, account);
}

/// Nothing is found by the digest any more.
fn forget(states: &mut impl States, account: &Ref, Bytes(token_hash): &Bytes) {
    states.remove(key(&account.home, token_hash));
}

fn key(realm: &str, token_hash: &[u8]) -> Vec<u8> {
    found_by(b"k", realm, token_hash)
}
