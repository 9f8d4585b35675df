//! What is kept of accounts. Each state is in the form postcard.

use std::fmt;

use chrono::{DateTime, Utc};
use schemas::keys::BlindIndex;
use schemas::{Bytes, Head, Position, Ref, Sealed, Topic};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection;
use crate::states::{load as read, save as write};
use crate::{Asked, Recorded, States, TodoKey, asked, numbers, person, vault};

/// The state of an account, under `a`, its realm and its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountState {
    /// The revision that the account is at.
    pub revision: i32,
    /// What is personal of it; `None` of an account that stands in the clear until it is sealed: see
    /// [`super::unsealed`].
    pub sealed: Option<Sealed>,
    /// What is personal of an account that is not sealed yet.
    pub(super) unsealed: Option<Unsealed>,
    /// All roles that the account has.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// The sellers that the account acts for.
    pub sellers: Vec<Ref>,
    /// The generation of the account's tokens. A token that was made of an earlier one is worth nothing.
    pub generation: i64,
    /// The SHA-256 of the account's login token, while it has one.
    pub token_hash: Option<Bytes>,
    /// The idempotency id of the request that opened the account, where the client sent an `Idempotency-Key`.
    pub idempotency_id: Option<Uuid>,
    /// The login lock, while one holds.
    pub lock: Option<Lock>,
    /// Whether the account may do nothing until it is enabled.
    pub is_disabled: bool,
    /// Whether the account was closed for good.
    pub is_closed: bool,
    /// The instant at which the account was opened; `None` where its first event says none.
    #[serde(with = "chrono::serde::ts_microseconds_option")]
    pub created_at: Option<DateTime<Utc>>,
    /// The instant of the last change whose event says one.
    #[serde(with = "chrono::serde::ts_microseconds_option")]
    pub updated_at: Option<DateTime<Utc>>,
    /// The position of the account's first event.
    pub registered_at: Position,
    /// The position of the account's last event. A command that changes nothing is answered with it.
    pub changed_at: Position,
}

/// What is personal of an account that is not sealed yet.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsealed {
    pub(super) username: String,
    /// The password's Argon2id hash, as a PHC string.
    pub(super) password_hash: String,
    /// The to-do that seals the account.
    pub(super) todo: TodoKey,
}

impl fmt::Debug for Unsealed {
    /// Leaves the name and the hash out, so that no log can hold them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsealed").field("todo", &self.todo).finish_non_exhaustive()
    }
}

/// A login lock that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The id of the event that began the lock.
    pub cause: Uuid,
    /// The instant at which the lock ends.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub until: DateTime<Utc>,
    /// The key of the to-do that ends the lock.
    pub(super) todo: TodoKey,
}

impl AccountState {
    /// An account without any content, of which this position is the first event's.
    pub(super) fn first(position: Position) -> Self {
        Self {
            revision: 1,
            sealed: None,
            unsealed: None,
            roles: Vec::new(),
            places: Vec::new(),
            sellers: Vec::new(),
            generation: 0,
            token_hash: None,
            idempotency_id: None,
            lock: None,
            is_disabled: false,
            is_closed: false,
            created_at: None,
            updated_at: None,
            registered_at: position,
            changed_at: position,
        }
    }

    /// The account has the revision and the time of an event that changed what it is.
    pub(super) fn follow(&mut self, head: &Head) {
        self.revision = head.revision;
        self.updated_at = Some(head.at);
    }

    /// The account's tokens are of this generation from here on. Its login token, of another one, is worth nothing.
    pub(super) fn enter(&mut self, generation: i64) {
        if self.generation != generation {
            self.generation = generation;
            self.token_hash = None;
        }
    }
}

/// The account with this number, also one that is disabled, closed or erased.
pub fn load(states: &impl States, realm: &str, number: i64) -> Option<AccountState> {
    find(states, &reference(realm, number))
}

/// The account, also one that is disabled, closed or erased.
pub(crate) fn find(states: &impl States, account: &Ref) -> Option<AccountState> {
    read(states, &account_key(account))
}

/// The number of the account that has a username, whose blind index is `index`. A closed or erased account has none any
/// more.
pub fn named(states: &impl States, realm: &str, username: &str, index: &BlindIndex) -> Option<i64> {
    numbered(states, realm, username).or_else(|| {
        let (_, holder) = vault::holder(states, realm, index)?;
        number_of(&holder)
    })
}

/// The account, where it may act.
///
/// # Errors
/// It is unknown, disabled, closed or erased.
pub fn active(states: &impl States, realm: &str, number: i64) -> Result<AccountState, Rejection> {
    let account = changeable(states, realm, number)?;
    if account.is_disabled { Err(Rejection::Disabled) } else { Ok(account) }
}

/// The number of the account of this name that is open and not sealed yet.
fn numbered(states: &impl States, realm: &str, username: &str) -> Option<i64> {
    read(states, &name_key(realm, username))
}

/// The account that a token of this number and generation speaks for; `None` where such a token is worth nothing.
pub fn bearer(states: &impl States, realm: &str, number: i64, generation: i64) -> Option<AccountState> {
    active(states, realm, number).ok().filter(|account| account.generation == generation)
}

/// Whether there is such an account, neither closed nor erased.
pub(crate) fn is_living(states: &impl States, account: &Ref) -> bool {
    number_of(account).is_some_and(|number| changeable(states, &account.home, number).is_ok())
}

/// The account, where it is neither closed nor erased.
pub(super) fn changeable(states: &impl States, realm: &str, number: i64) -> Result<AccountState, Rejection> {
    let account = known(states, realm, number)?;
    if account.sealed.as_ref().is_some_and(|sealed| person::is_erased(states, sealed.subject)) {
        return Err(Rejection::Erased);
    }
    if account.is_closed { Err(Rejection::Closed) } else { Ok(account) }
}

/// The account, also one that is disabled, closed or erased.
pub(super) fn known(states: &impl States, realm: &str, number: i64) -> Result<AccountState, Rejection> {
    load(states, realm, number).ok_or(Rejection::Unknown)
}

/// The position of the event that was recorded under the same idempotency id; `None` where the id is new.
pub(super) fn before(
    states: &impl States,
    realm: &str,
    asked: &Asked,
) -> Result<Option<Position>, Rejection> {
    let before = asked::before(states, Topic::Accounts, realm, asked);
    before.map_err(|asked::Reused| Rejection::IdempotencyKeyReused)
}

/// The account as events name it.
pub(crate) fn reference(realm: &str, number: i64) -> Ref {
    Ref { home: realm.to_owned(), id: number.to_string() }
}

/// The number of an account that an event names.
pub(super) fn number_of(account: &Ref) -> Option<i64> {
    account.id.parse().ok()
}

/// The account of an event of an earlier form: that with the number, or where it is 0, that with the name.
pub(super) fn whose(states: &impl States, realm: &str, username: &str, number: i64) -> Option<Ref> {
    let number = if number == 0 { numbered(states, realm, username)? } else { number };
    Some(reference(realm, number))
}

/// Changes the account's state as `apply` says, and notes the event as its last. It gives the former state; of an
/// unknown account there is none, and nothing happens.
pub(super) fn change(
    states: &mut impl States,
    account: &Ref,
    recorded: &Recorded,
    apply: impl FnOnce(&mut AccountState),
) -> Option<AccountState> {
    let former = find(states, account)?;
    let mut state = former.clone();
    apply(&mut state);
    state.changed_at = recorded.position;
    save(states, account, Some(&former), &state);
    Some(former)
}

/// Writes the account's state, in place of the former one, and notes whether it is an admin.
pub(super) fn save(
    states: &mut impl States,
    account: &Ref,
    former: Option<&AccountState>,
    state: &AccountState,
) {
    write(states, account_key(account), state);
    if let Some(sealed) = &state.sealed {
        let ended_at = state.is_closed.then_some(state.changed_at);
        person::hold(states, sealed.subject, account, ended_at);
    }
    let is_moved = former.is_some_and(AccountState::is_admin) != state.is_admin();
    if let Some(number) = number_of(account).filter(|_| is_moved) {
        let mut admins = admins(states, &account.home);
        admins.retain(|admin| *admin != number);
        admins.extend(state.is_admin().then_some(number));
        write(states, admins_key(&account.home), &admins);
    }
}

/// The numbers of the realm's admins who are enabled and open. Those who were erased are among them: that is in another
/// stream.
pub(super) fn admins(states: &impl States, realm: &str) -> Vec<i64> {
    read(states, &admins_key(realm)).unwrap_or_default()
}

/// The number of the realm's newest account; 0 without one.
pub(super) fn last_number(states: &impl States, realm: &str) -> i64 {
    numbers::last(states, &number_key(realm))
}

/// Counts an account of the realm. One that was counted before, such as one that is sealed, moves nothing.
pub(super) fn count(states: &mut impl States, account: &Ref) {
    let Some(number) = number_of(account) else { return };
    let last = last_number(states, &account.home);
    write(states, number_key(&account.home), &last.max(number));
}

/// The account that stands in the clear is found by its name.
pub(super) fn name(states: &mut impl States, realm: &str, username: &str, number: i64) {
    write(states, name_key(realm, username), &number);
}

/// Nothing finds the account by its name in the clear any more.
pub(super) fn forget_name(states: &mut impl States, account: &Ref, former: &Unsealed) {
    states.remove(name_key(&account.home, &former.username));
}

/// The key of what is kept of one account. `kind` is a letter, or two where more than one thing begins with it.
pub(super) fn key_of(kind: &[u8], account: &Ref) -> Vec<u8> {
    key(kind, &account.home, account.id.as_bytes())
}

/// The key of what is found in a realm by a name or a digest.
pub(super) fn key(kind: &[u8], realm: &str, name: &[u8]) -> Vec<u8> {
    [kind, realm.as_bytes(), &[0], name].concat()
}

fn account_key(account: &Ref) -> Vec<u8> {
    key_of(b"a", account)
}

fn number_key(realm: &str) -> Vec<u8> {
    [b"na", realm.as_bytes()].concat()
}

fn admins_key(realm: &str) -> Vec<u8> {
    [b"ca", realm.as_bytes()].concat()
}

fn name_key(realm: &str, username: &str) -> Vec<u8> {
    key(b"fn", realm, username.as_bytes())
}
