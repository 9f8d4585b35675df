//! Commands to accounts with short names, to test the rules of accounts with. A person, a name and a token are small
//! numbers.

#![allow(dead_code, reason = "not every test that shares this file needs all of it")]

use chrono::{DateTime, TimeDelta, Utc};
use domain::account::{
    self, AccountState, AssignRoles, ChangeAccount, CloseAccount, DisableAccount, EnableAccount, EndSession,
    IssueLoginToken, IssueTerminalKey, LockLogin, NoteUse, OpenAccount, OpenSession, REALM, RefreshSession,
    RevokeLoginToken, RevokeTerminalKey, SealAccount, UnlockLogin,
};
use domain::people::{ErasePerson, Person, RegisterCustomer, RemoveCustomer};
use domain::vault::USERNAME;
use domain::{Act, Asked, Command, Decision, Rejection, States, Waiting};
use schemas::accounts::{AccountRegistered, LoginLocked, LoginTokenIssued, PasswordChanged, RolesAssigned};
use schemas::keys::{BlindIndex, PersonKeyed};
use schemas::{Bytes, Event, Ref, Sealed};
use uuid::Uuid;

use crate::memory::Memory;

pub fn now() -> DateTime<Utc> {
    "2026-02-07T12:00:00Z".parse().unwrap()
}

pub fn minutes(minutes: i64) -> DateTime<Utc> {
    now() + TimeDelta::minutes(minutes)
}

pub fn asked() -> Asked {
    Asked { at: now(), by: "till/1".into(), key: None, print: None }
}

pub fn asked_at(at: DateTime<Utc>) -> Asked {
    Asked { at, ..asked() }
}

/// The person that opens an account. Another one is the person that a legacy account becomes.
pub fn subject(person: u8) -> Uuid {
    Uuid::from_u128(person.into())
}

pub fn id(number: u8) -> Uuid {
    Uuid::from_u128(0xbeef << 64 | u128::from(number))
}

pub fn digest(token: u8) -> Bytes {
    Bytes(vec![token; 32])
}

pub fn index(name: u8) -> BlindIndex {
    BlindIndex { kind: USERNAME.into(), value: vec![name; 16] }
}

/// The name in the clear, as accounts of earlier Tills have it.
pub fn in_clear(name: u8) -> String {
    format!("planted-name-{name}")
}

pub fn reference(number: i64) -> Ref {
    Ref { home: REALM.into(), id: number.to_string() }
}

pub fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub fn key(person: u8, name: u8) -> PersonKeyed {
    let (home, subject, wrapped) = (REALM.into(), subject(person), Bytes(vec![person; 60]));
    PersonKeyed { home, subject, wrapped, master: 1, indexes: vec![index(name)] }
}

pub fn sealed(person: u8, content: u8) -> Sealed {
    Sealed { subject: subject(person), sealed: Bytes(vec![content; 4]) }
}

/// An account of an earlier Till.
pub fn registered(number: i64, name: u8, roles: &[&str]) -> Event {
    AccountRegistered {
        realm: REALM.into(),
        username: in_clear(name),
        number,
        password_hash: "planted-hash-1".into(),
        roles: texts(roles),
        places: vec![],
        idempotency_id: Some(id(name)),
    }
    .into()
}

pub fn password_changed(name: u8) -> Event {
    PasswordChanged { realm: REALM.into(), username: in_clear(name), password_hash: "planted-hash-2".into() }
        .into()
}

pub fn roles_assigned(name: u8, roles: &[&str]) -> Event {
    let (realm, username, assigned_by) = (REALM.into(), in_clear(name), in_clear(1));
    RolesAssigned { realm, username, roles: texts(roles), places: vec![], assigned_by, account: 0 }.into()
}

pub fn login_locked(name: u8) -> Event {
    LoginLocked { realm: REALM.into(), username: in_clear(name), until: minutes(1), account: 0 }.into()
}

pub fn token_issued(name: u8, token: u8) -> Event {
    let (realm, username, Bytes(token_hash)) = (REALM.into(), in_clear(name), digest(token));
    LoginTokenIssued { realm, username, generation: 0, token_hash, account: 0 }.into()
}

pub fn open(person: u8, name: u8, roles: &[&str]) -> OpenAccount {
    OpenAccount {
        realm: REALM.into(),
        number: None,
        sealed: sealed(person, 0),
        key: key(person, name),
        roles: texts(roles),
        places: vec![],
        sellers: vec![],
        asked: asked(),
    }
}

/// The change that gives an account this name, and else leaves it as it is.
pub fn rename(states: &impl States, number: i64, name: u8) -> ChangeAccount {
    let state = account::load(states, REALM, number);
    let person = state.as_ref().and_then(|state| state.sealed.as_ref()).map(|sealed| sealed.subject);
    ChangeAccount {
        realm: REALM.into(),
        number,
        revision: state.as_ref().map_or(1, |state| state.revision),
        sealed: Sealed { subject: person.unwrap_or_default(), sealed: Bytes(vec![name; 4]) },
        indexes: vec![index(name)],
        roles: state.as_ref().map(|state| state.roles.clone()).unwrap_or_default(),
        places: vec![],
        sellers: vec![],
        ends_tokens: false,
        asked: asked(),
    }
}

pub fn seal(states: &impl States, number: i64, person: u8) -> SealAccount {
    let found = account::unsealed(states, REALM, number);
    let name = found.as_ref().map(|(personal, _)| personal.username.as_ref().unwrap().expose());
    let name = name.and_then(|name| name.rsplit('-').next()).and_then(|name| name.parse().ok());
    let revision = found.as_ref().map_or(1, |(_, revision)| *revision);
    let (sealed, key) = (sealed(person, 9), key(person, name.unwrap_or(0)));
    SealAccount { realm: REALM.into(), number, revision, sealed, key, asked: Asked::by_todo(now()) }
}

pub fn assign(number: i64, roles: &[&str]) -> AssignRoles {
    let (realm, places, assigned_by) = (REALM.into(), vec![], "till/1".into());
    AssignRoles { realm, number, roles: texts(roles), places, assigned_by }
}

pub fn disable(number: i64) -> DisableAccount {
    DisableAccount { realm: REALM.into(), number, reason: "lost".into(), asked: asked() }
}

pub fn enable(number: i64) -> EnableAccount {
    EnableAccount { realm: REALM.into(), number, reason: "found".into(), asked: asked() }
}

pub fn close(number: i64) -> CloseAccount {
    CloseAccount { realm: REALM.into(), number, asked: asked() }
}

pub fn lock(number: i64) -> LockLogin {
    LockLogin { realm: REALM.into(), number, until: minutes(1) }
}

pub fn unlock(number: i64, cause: Uuid) -> UnlockLogin {
    UnlockLogin { realm: REALM.into(), number, cause }
}

/// Opens a session that lasts an hour.
pub fn log_in(number: i64, generation: i64, session: u8, token: u8) -> OpenSession {
    OpenSession {
        realm: REALM.into(),
        number,
        generation,
        session: id(session),
        digest: digest(token),
        expires_at: minutes(60),
        asked: asked(),
    }
}

pub fn refresh(number: i64, session: u8, presented: u8, next: u8) -> RefreshSession {
    RefreshSession {
        realm: REALM.into(),
        number,
        session: id(session),
        presented: digest(presented),
        next: digest(next),
        expires_at: minutes(90),
        asked: asked(),
    }
}

pub fn log_out(number: i64, session: Option<u8>) -> EndSession {
    let (realm, session, reason) = (REALM.into(), session.map(id), "logout".into());
    EndSession { realm, number, session, reason, asked: asked() }
}

pub fn issue_key(number: i64, key: u8, token: u8) -> IssueTerminalKey {
    IssueTerminalKey {
        realm: REALM.into(),
        number,
        key: id(key),
        digest: digest(token),
        places: vec![],
        label: "counter".into(),
        asked: asked(),
    }
}

pub fn revoke_key(number: i64, key: u8) -> RevokeTerminalKey {
    RevokeTerminalKey { realm: REALM.into(), number, key: id(key), asked: asked() }
}

pub fn use_key(number: i64, key: u8, at: DateTime<Utc>) -> NoteUse {
    NoteUse { realm: REALM.into(), number, key: id(key), asked: asked_at(at) }
}

pub fn issue(number: i64, generation: i64, token: u8) -> IssueLoginToken {
    let (realm, Bytes(token_hash)) = (REALM.into(), digest(token));
    IssueLoginToken { realm, number, generation, token_hash }
}

pub fn log_out_everywhere(number: i64, generation: i64) -> RevokeLoginToken {
    RevokeLoginToken { realm: REALM.into(), number, generation }
}

/// A customer of this number, who logs in with an account.
pub fn customer(customer: u8, account: Option<i64>) -> RegisterCustomer {
    let person = 240 + customer;
    RegisterCustomer {
        home: REALM.into(),
        id: Some(customer.to_string()),
        scope: "v1".into(),
        sealed: sealed(person, 0),
        key: PersonKeyed { indexes: vec![], ..key(person, 0) },
        active: true,
        account: account.map(reference),
        asked: asked(),
    }
}

pub fn remove_customer(customer: u8) -> RemoveCustomer {
    RemoveCustomer { home: REALM.into(), id: customer.to_string(), asked: asked() }
}

pub fn erase(person: Person) -> ErasePerson {
    ErasePerson {
        home: REALM.into(),
        person,
        reason: "asked for".into(),
        forget_at: minutes(1),
        asked: asked(),
    }
}

/// The account with this number.
pub fn state(till: &Memory, number: i64) -> AccountState {
    account::load(till, REALM, number).unwrap()
}

/// The number of the account that has the name.
pub fn named(till: &impl States, name: u8) -> Option<i64> {
    account::named(till, REALM, &in_clear(name), &index(name))
}

/// Why accounts refuse the command.
pub fn rejected(result: Result<Decision, Rejection>) -> account::Rejection {
    match result {
        Err(Rejection::Account(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

/// The event that the command happened as.
pub fn happened(result: Result<Decision, Rejection>) -> Event {
    match result {
        Ok(Decision::Append(event, _)) => event.as_ref().clone(),
        other => panic!("{other:?}"),
    }
}

/// The command that does a to-do, as its owner makes it. A person is drawn for an account to seal.
pub fn done(till: &Memory, waiting: &Waiting, person: u8) -> Command {
    match waiting.todo.act(waiting.cause, now()) {
        Act::Command(command) => *command,
        Act::Seal { home, id } => {
            assert_eq!(home, REALM);
            seal(till, id.parse().unwrap(), person).into()
        }
        Act::Tell { .. } => panic!("accounts tell nobody"),
    }
}
