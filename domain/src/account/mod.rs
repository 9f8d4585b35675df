//! Accounts: names unique within a realm, roles, login locks, passwords and login tokens.

pub mod token;

use chrono::{DateTime, Utc};
use schemas::accounts::{
    AccountRegistered, Event, LoginLocked, LoginUnlocked, PasswordChanged, RolesAssigned,
};
use schemas::{Position, Topic};
use serde::{Deserialize, Serialize};
use token::{IssueLoginToken, RevokeLoginToken};
use uuid::Uuid;

use crate::{Act, Decision, Due, Recorded, States, TodoKey, todo};

pub(crate) const FOLD_VERSION: u32 = 3;

commands! { Accounts at (realm);
    RegisterAccount => register;
    AssignRoles => assign_roles;
    LockLogin => lock_login;
    UnlockLogin => unlock_login;
    ChangePassword => change_password;
    IssueLoginToken => token::issue;
    RevokeLoginToken => token::revoke;
}

rejections! {
    UsernameTaken: Conflict "urn:till:username-taken" "Username taken",
        "an account with this username exists";
    IdempotencyKeyReused: Invalid "urn:till:idempotency-key-reused" "Idempotency-Key reused",
        "this Idempotency-Key was used with another body";
    LastAdmin: Conflict "urn:till:last-admin" "Last admin",
        "this is the last account with the role admin: give the role to another one first";
    Unknown: Unknown "urn:till:account-unknown" "No such account",
        "there is no account with this username";
    LoginTokenOutdated: Conflict "urn:till:login-token-outdated" "Logged out meanwhile",
        "the account's login token was revoked meanwhile";
}

/// What an account still owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {
    /// End a login lock: a timer.
    EndLoginLock {
        /// The account's realm.
        realm: String,
        /// The account's name.
        username: String,
    },
}

impl Todo {
    pub(crate) fn act(&self, cause: Uuid) -> Act {
        match self {
            Self::EndLoginLock { realm, username } => {
                let (realm, username) = (realm.clone(), username.clone());
                Act::command(UnlockLogin { realm, username, cause })
            }
        }
    }
}

/// The realm of `/v1`'s accounts.
pub const REALM: &str = "till";

/// Open an account.
#[derive(Clone)]
pub struct RegisterAccount {
    /// The user store the name is unique in.
    pub realm: String,
    /// The name.
    pub username: String,
    /// Argon2id, PHC string.
    pub password_hash: String,
    /// What it may do.
    pub roles: Vec<String>,
    /// UUIDv5 of caller, route and `Idempotency-Key`, where the client sent one.
    pub idempotency_id: Option<Uuid>,
}

impl std::fmt::Debug for RegisterAccount {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisterAccount").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Replace an account's roles.
#[derive(Clone, Debug)]
pub struct AssignRoles {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// Its roles from here on.
    pub roles: Vec<String>,
    /// Its places from here on.
    pub places: Vec<String>,
    /// The admin.
    pub assigned_by: String,
}

/// Slow logins down until an instant.
#[derive(Clone, Debug)]
pub struct LockLogin {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// When the lock ends.
    pub until: DateTime<Utc>,
}

/// End the login lock that an event began.
#[derive(Clone, Debug)]
pub struct UnlockLogin {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// The lock's event.
    pub cause: Uuid,
}

/// Replace an account's password.
#[derive(Clone)]
pub struct ChangePassword {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// Argon2id, PHC string.
    pub password_hash: String,
}

impl std::fmt::Debug for ChangePassword {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangePassword").field("username", &self.username).finish_non_exhaustive()
    }
}

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
    /// Position of the registration: partition and offset.
    registered_at: (i32, i64),
    /// Position of the last event: partition and offset.
    changed_at: (i32, i64),
}

/// A login lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// The event that began it.
    pub cause: Uuid,
    /// When it ends.
    pub until: DateTime<Utc>,
    /// What ends it.
    todo: TodoKey,
}

/// What is kept of a realm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealmState {
    /// The newest account's number; 0 where there is none.
    pub last_number: i64,
    /// How many accounts have the role admin.
    pub admins: i64,
}

/// Opens the account unless its name is taken.
fn register(states: &impl States, command: RegisterAccount) -> Result<Decision, Rejection> {
    if let Some(account) = load(states, &command.realm, &command.username) {
        let same_key = command.idempotency_id.is_some() && account.idempotency_id == command.idempotency_id;
        let registered = Decision::Already(position(account.registered_at));
        return if same_key { Ok(registered) } else { Err(Rejection::UsernameTaken) };
    }
    let number = load_realm(states, &command.realm).last_number + 1;
    Ok(Decision::append(AccountRegistered {
        realm: command.realm,
        username: command.username,
        number,
        password_hash: command.password_hash,
        roles: command.roles,
        places: Vec::new(),
        idempotency_id: command.idempotency_id,
    }))
}

/// Replaces roles and places, unless they are so already. The last admin stays one: nobody could make another.
fn assign_roles(states: &impl States, command: AssignRoles) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    let is_last = load_realm(states, &command.realm).admins <= 1;
    if is_admin(&account.roles) && !is_admin(&command.roles) && is_last {
        return Err(Rejection::LastAdmin);
    }
    if account.roles == command.roles && account.places == command.places {
        return Ok(Decision::Already(position(account.changed_at)));
    }
    let AssignRoles { realm, username, roles, places, assigned_by } = command;
    Ok(Decision::append(RolesAssigned { realm, username, roles, places, assigned_by }))
}

/// Locks the login, unless it is locked.
fn lock_login(states: &impl States, command: LockLogin) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    if account.lock.is_some() {
        return Ok(Decision::Already(position(account.changed_at)));
    }
    let LockLogin { realm, username, until } = command;
    Ok(Decision::append(LoginLocked { realm, username, until }))
}

/// Ends the lock the to-do belongs to; a lock that has ended, or a later one, is left alone.
fn unlock_login(states: &impl States, command: UnlockLogin) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    match account.lock {
        Some(lock) if lock.cause == command.cause => {
            let UnlockLogin { realm, username, .. } = command;
            Ok(Decision::append(LoginUnlocked { realm, username }))
        }
        _ => Ok(Decision::Already(position(account.changed_at))),
    }
}

/// Replaces the password's hash, unless it is so already.
fn change_password(states: &impl States, command: ChangePassword) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    if account.password_hash == command.password_hash {
        return Ok(Decision::Already(position(account.changed_at)));
    }
    let ChangePassword { realm, username, password_hash } = command;
    Ok(Decision::append(PasswordChanged { realm, username, password_hash }))
}

fn known(states: &impl States, realm: &str, username: &str) -> Result<AccountState, Rejection> {
    load(states, realm, username).ok_or(Rejection::Unknown)
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

pub(crate) fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
    match event {
        Event::AccountRegistered(event) => registered(states, event, recorded),
        Event::RolesAssigned(event) => roles_assigned(states, event, recorded),
        Event::LoginLocked(event) => login_locked(states, event, recorded),
        Event::LoginUnlocked(event) => login_unlocked(states, event, recorded),
        Event::PasswordChanged(event) => password_changed(states, event, recorded),
        Event::LoginTokenIssued(event) => token::issued(states, event, recorded),
        Event::LoginTokenRevoked(event) => token::revoked(states, event, recorded),
    }
}

fn registered(states: &mut impl States, event: &AccountRegistered, recorded: &Recorded) {
    let at = (recorded.position.partition, recorded.position.offset);
    let state = AccountState {
        number: event.number,
        password_hash: event.password_hash.clone(),
        roles: event.roles.clone(),
        places: event.places.clone(),
        idempotency_id: event.idempotency_id,
        lock: None,
        token_generation: 0,
        token_hash: None,
        registered_at: at,
        changed_at: at,
    };
    let former = load(states, &event.realm, &event.username);
    save(states, &event.realm, &event.username, &state);
    let mut realm = load_realm(states, &event.realm);
    realm.last_number = event.number;
    realm.admins += admins_gained(former.as_ref(), &event.roles);
    states.put(realm_key(&event.realm), to_bytes(&realm));
}

fn roles_assigned(states: &mut impl States, event: &RolesAssigned, recorded: &Recorded) {
    let Some(former) = load(states, &event.realm, &event.username) else { return };
    let mut realm = load_realm(states, &event.realm);
    realm.admins += admins_gained(Some(&former), &event.roles);
    states.put(realm_key(&event.realm), to_bytes(&realm));
    change(states, &event.realm, &event.username, recorded, |state| {
        state.roles.clone_from(&event.roles);
        state.places.clone_from(&event.places);
    });
}

fn login_locked(states: &mut impl States, event: &LoginLocked, recorded: &Recorded) {
    let LoginLocked { realm, username, until } = event;
    let end = Todo::EndLoginLock { realm: realm.clone(), username: username.clone() };
    let Some(former) = load(states, realm, username) else { return };
    let todo = todo::raise(states, recorded, 0, Due::At(*until), end);
    if let Some(lock) = former.lock {
        todo::settle(states, lock.todo);
    }
    change(states, realm, username, recorded, |state| {
        state.lock = Some(Lock { cause: recorded.event_id, until: *until, todo });
    });
}

fn login_unlocked(states: &mut impl States, event: &LoginUnlocked, recorded: &Recorded) {
    let mut ended = None;
    change(states, &event.realm, &event.username, recorded, |state| ended = state.lock.take());
    if let Some(lock) = ended {
        todo::settle(states, lock.todo);
    }
}

fn password_changed(states: &mut impl States, event: &PasswordChanged, recorded: &Recorded) {
    change(states, &event.realm, &event.username, recorded, |state| {
        state.password_hash.clone_from(&event.password_hash);
    });
}

fn change(
    states: &mut impl States,
    realm: &str,
    username: &str,
    recorded: &Recorded,
    apply: impl FnOnce(&mut AccountState),
) {
    let Some(mut state) = load(states, realm, username) else { return };
    apply(&mut state);
    state.changed_at = (recorded.position.partition, recorded.position.offset);
    save(states, realm, username, &state);
}

/// The role that may assign roles.
const ADMIN: &str = "admin";

fn is_admin(roles: &[String]) -> bool {
    roles.iter().any(|role| role == ADMIN)
}

/// 1, 0 or -1: what an account's change of roles adds to the realm's admins.
fn admins_gained(former: Option<&AccountState>, roles: &[String]) -> i64 {
    let was = former.is_some_and(|account| is_admin(&account.roles));
    i64::from(is_admin(roles)) - i64::from(was)
}

fn save(states: &mut impl States, realm: &str, username: &str, state: &AccountState) {
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

const fn position((partition, offset): (i32, i64)) -> Position {
    Position { topic: Topic::Accounts, partition, offset }
}
