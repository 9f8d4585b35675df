//! Keys that terminals send receipts with, until they are revoked. A key is told once; states and events hold its digest
//! only.

use chrono::{DateTime, TimeDelta, Utc};
use schemas::accounts::{TerminalKeyIssued, TerminalKeyRevoked, TerminalKeyUsed};
use schemas::{Bytes, Ref};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection;
use super::state::{
    AccountState, active, before, change, key as found_by, key_of, known, number_of, reference,
};
use crate::states::{load as read, save as write};
use crate::{Asked, Decision, Recorded, States, asked};

/// How many keys an account may have.
pub const MAX_KEYS: usize = 100;

/// How long a use of a key stands for later ones.
const USED_FOR: TimeDelta = TimeDelta::hours(1);

/// A terminal's key that is good, under `fk`, the account's realm and the key's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalKey {
    /// The number of the account that it acts for.
    pub account: i64,
    /// The id of the key.
    pub id: Uuid,
    /// What people call it.
    pub label: String,
    /// The places whose receipts it may send; empty: those of its account.
    pub places: Vec<String>,
    /// The instant at which it was issued.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub issued_at: DateTime<Utc>,
    /// The instant of a use that is at most an hour older than the last one; `None` of a key that was never used.
    #[serde(with = "chrono::serde::ts_microseconds_option")]
    pub used_at: Option<DateTime<Utc>>,
}

/// Which keys an account has, under `ck`, its realm and its number: the first issued first.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Keys(Vec<(Uuid, Bytes)>);

/// Give an account a key for a terminal.
#[derive(Clone, Debug)]
pub struct IssueTerminalKey {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The id of the key.
    pub key: Uuid,
    /// The SHA-256 of the key.
    pub digest: Bytes,
    /// The places whose receipts it may send; empty: those of its account.
    pub places: Vec<String>,
    /// What people call it.
    pub label: String,
    /// Who asks.
    pub asked: Asked,
}

/// Revoke a terminal's key.
#[derive(Clone, Debug)]
pub struct RevokeTerminalKey {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The id of the key.
    pub key: Uuid,
    /// Who asks.
    pub asked: Asked,
}

/// Note that a terminal's key is used.
#[derive(Clone, Debug)]
pub struct NoteUse {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The id of the key.
    pub key: Uuid,
    /// Who asks.
    pub asked: Asked,
}

/// The key that has this digest, and its account; `None` where there is no such key, or where the account may not act.
pub fn find(states: &impl States, realm: &str, digest: &[u8]) -> Option<(TerminalKey, AccountState)> {
    let key: TerminalKey = read(states, &digest_key(realm, digest))?;
    let account = active(states, realm, key.account).ok()?;
    Some((key, account))
}

/// The keys of an account, the first issued first.
pub fn of(states: &impl States, realm: &str, number: i64) -> Vec<TerminalKey> {
    let Keys(keys) = all(states, &reference(realm, number));
    keys.iter().filter_map(|(_, Bytes(digest))| read(states, &digest_key(realm, digest))).collect()
}

/// Issues the key, unless the account has too many.
pub(super) fn issue(states: &impl States, command: IssueTerminalKey) -> Result<Decision, Rejection> {
    let IssueTerminalKey { realm, number, key, digest, places, label, asked } = command;
    if let Some(before) = before(states, &realm, &asked)? {
        return Ok(Decision::Already(before));
    }
    let state = active(states, &realm, number)?;
    let account = reference(&realm, number);
    let Keys(keys) = all(states, &account);
    match keys.iter().find(|(known, _)| *known == key) {
        Some((_, known)) if *known == digest => return Ok(Decision::Already(state.changed_at)),
        Some(_) => return Err(Rejection::KeyTaken),
        None if states.get(&digest_key(&realm, &digest.0)).is_some() => return Err(Rejection::KeyTaken),
        None if keys.len() >= MAX_KEYS => return Err(Rejection::KeysFull),
        None => {}
    }
    let head = asked.head(state.revision);
    Ok(Decision::append(TerminalKeyIssued { head, account, key, digest, places, label }))
}

/// Revokes the key, whatever the account may do.
pub(super) fn revoke(states: &impl States, command: RevokeTerminalKey) -> Result<Decision, Rejection> {
    let RevokeTerminalKey { realm, number, key, asked } = command;
    if let Some(before) = before(states, &realm, &asked)? {
        return Ok(Decision::Already(before));
    }
    let state = known(states, &realm, number)?;
    let account = reference(&realm, number);
    digest_of(states, &account, key).ok_or(Rejection::UnknownKey)?;
    Ok(Decision::append(TerminalKeyRevoked { head: asked.head(state.revision), account, key }))
}

/// Notes the use, unless one was noted within the hour before it.
pub(super) fn note_use(states: &impl States, command: NoteUse) -> Result<Decision, Rejection> {
    let NoteUse { realm, number, key, asked } = command;
    let state = active(states, &realm, number)?;
    let account = reference(&realm, number);
    let digest = digest_of(states, &account, key).ok_or(Rejection::UnknownKey)?;
    let noted: Option<TerminalKey> = read(states, &digest_key(&realm, &digest.0));
    if noted.and_then(|key| key.used_at).is_some_and(|used_at| asked.at < used_at + USED_FOR) {
        return Ok(Decision::Already(state.changed_at));
    }
    Ok(Decision::append(TerminalKeyUsed { head: asked.head(state.revision), account, key }))
}

pub(super) fn issued(states: &mut impl States, event: &TerminalKeyIssued, recorded: &Recorded) {
    let TerminalKeyIssued { head, account, key, digest, places, label } = event;
    let Some(number) = number_of(account) else { return };
    let issued = TerminalKey {
        account: number,
        id: *key,
        label: label.clone(),
        places: places.clone(),
        issued_at: head.at,
        used_at: None,
    };
    write(states, digest_key(&account.home, &digest.0), &issued);
    let Keys(mut keys) = all(states, account);
    keys.push((*key, digest.clone()));
    write(states, keys_key(account), &Keys(keys));
    change(states, account, recorded, |_| ());
    asked::note(states, &account.home, head, recorded);
}

pub(super) fn revoked(states: &mut impl States, event: &TerminalKeyRevoked, recorded: &Recorded) {
    let TerminalKeyRevoked { head, account, key } = event;
    if let Some(digest) = digest_of(states, account, *key) {
        states.remove(digest_key(&account.home, &digest.0));
    }
    let Keys(mut keys) = all(states, account);
    keys.retain(|(known, _)| known != key);
    write(states, keys_key(account), &Keys(keys));
    change(states, account, recorded, |_| ());
    asked::note(states, &account.home, head, recorded);
}

pub(super) fn used(states: &mut impl States, event: &TerminalKeyUsed, recorded: &Recorded) {
    let TerminalKeyUsed { head, account, key } = event;
    let digest = digest_of(states, account, *key);
    let Some(place) = digest.map(|digest| digest_key(&account.home, &digest.0)) else { return };
    let Some(noted) = read::<TerminalKey>(states, &place) else { return };
    write(states, place, &TerminalKey { used_at: Some(head.at), ..noted });
    change(states, account, recorded, |_| ());
}

/// Takes all keys from the account.
pub(super) fn forget(states: &mut impl States, account: &Ref) {
    let Keys(keys) = all(states, account);
    for (_, Bytes(digest)) in keys {
        states.remove(digest_key(&account.home, &digest));
    }
    states.remove(keys_key(account));
}

fn all(states: &impl States, account: &Ref) -> Keys {
    read(states, &keys_key(account)).unwrap_or_default()
}

fn digest_of(states: &impl States, account: &Ref, key: Uuid) -> Option<Bytes> {
    let Keys(keys) = all(states, account);
    keys.into_iter().find(|(known, _)| *known == key).map(|(_, digest)| digest)
}

fn keys_key(account: &Ref) -> Vec<u8> {
    key_of(b"ck", account)
}

fn digest_key(realm: &str, digest: &[u8]) -> Vec<u8> {
    found_by(b"fk", realm, digest)
}
