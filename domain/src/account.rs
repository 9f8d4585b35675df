//! Accounts: names unique within a realm, roles, login locks, passwords and login tokens.

pub mod token;

use chrono::{DateTime, Utc};
use schemas::{AccountRegistered, LoginLocked, LoginUnlocked, PasswordChanged, Position, RolesAssigned};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Decision, Recorded, Rejection, States, Todo, TodoKind};

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
pub(crate) fn register(
    account: Option<AccountState>,
    realm: RealmState,
    command: RegisterAccount,
) -> Result<Decision, Rejection> {
    if let Some(account) = account {
        let same_key = command.idempotency_id.is_some() && account.idempotency_id == command.idempotency_id;
        return if same_key {
            Ok(Decision::Already(position(account.registered_at)))
        } else {
            Err(Rejection::UsernameTaken)
        };
    }
    let event = AccountRegistered {
        realm: command.realm,
        username: command.username,
        number: realm.last_number + 1,
        password_hash: command.password_hash,
        roles: command.roles,
        places: Vec::new(),
        idempotency_id: command.idempotency_id,
    };
    Ok(Decision::Append(Box::new(event.into())))
}

/// Replaces roles and places, unless they are so already. The last admin stays one: nobody could make another.
pub(crate) fn assign_roles(
    account: Option<AccountState>,
    realm: RealmState,
    command: AssignRoles,
) -> Result<Decision, Rejection> {
    let account = account.ok_or(Rejection::AccountUnknown)?;
    if is_admin(&account.roles) && !is_admin(&command.roles) && realm.admins <= 1 {
        return Err(Rejection::LastAdmin);
    }
    if account.roles == command.roles && account.places == command.places {
        return Ok(Decision::Already(position(account.changed_at)));
    }
    let event = RolesAssigned {
        realm: command.realm,
        username: command.username,
        roles: command.roles,
        places: command.places,
        assigned_by: command.assigned_by,
    };
    Ok(Decision::Append(Box::new(event.into())))
}

/// Locks the login, unless it is locked.
pub(crate) fn lock_login(account: Option<AccountState>, command: LockLogin) -> Result<Decision, Rejection> {
    let account = account.ok_or(Rejection::AccountUnknown)?;
    if account.lock.is_some() {
        return Ok(Decision::Already(position(account.changed_at)));
    }
    let event = LoginLocked { realm: command.realm, username: command.username, until: command.until };
    Ok(Decision::Append(Box::new(event.into())))
}

/// Ends the lock the to-do belongs to; a lock that has ended, or a later one, is left alone.
pub(crate) fn unlock_login(
    account: Option<AccountState>,
    command: UnlockLogin,
) -> Result<Decision, Rejection> {
    let account = account.ok_or(Rejection::AccountUnknown)?;
    match account.lock {
        Some(lock) if lock.cause == command.cause => {
            let event = LoginUnlocked { realm: command.realm, username: command.username };
            Ok(Decision::Append(Box::new(event.into())))
        }
        _ => Ok(Decision::Already(position(account.changed_at))),
    }
}

/// Replaces the password's hash, unless it is so already.
pub(crate) fn change_password(
    account: Option<AccountState>,
    command: ChangePassword,
) -> Result<Decision, Rejection> {
    let account = account.ok_or(Rejection::AccountUnknown)?;
    if account.password_hash == command.password_hash {
        return Ok(Decision::Already(position(account.changed_at)));
    }
    let ChangePassword { realm, username, password_hash } = command;
    Ok(Decision::Append(Box::new(PasswordChanged { realm, username, password_hash }.into())))
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

pub(crate) fn registered(states: &mut impl States, event: &AccountRegistered, recorded: &Recorded) {
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

pub(crate) fn roles_assigned(states: &mut impl States, event: &RolesAssigned, recorded: &Recorded) {
    let Some(former) = load(states, &event.realm, &event.username) else { return };
    let mut realm = load_realm(states, &event.realm);
    realm.admins += admins_gained(Some(&former), &event.roles);
    states.put(realm_key(&event.realm), to_bytes(&realm));
    change(states, &event.realm, &event.username, recorded, |state| {
        state.roles.clone_from(&event.roles);
        state.places.clone_from(&event.places);
    });
}

pub(crate) fn login_locked(states: &mut impl States, event: &LoginLocked, recorded: &Recorded) {
    change(states, &event.realm, &event.username, recorded, |state| {
        state.lock = Some(Lock { cause: recorded.event_id, until: event.until });
    });
    let todo = Todo {
        cause: recorded.event_id,
        aggregate: format!("{}/{}", event.realm, event.username),
        due: event.until,
        kind: TodoKind::EndLoginLock { realm: event.realm.clone(), username: event.username.clone() },
    };
    todo.raise(states, recorded.position.partition);
}

pub(crate) fn login_unlocked(states: &mut impl States, event: &LoginUnlocked, recorded: &Recorded) {
    let mut ended = None;
    change(states, &event.realm, &event.username, recorded, |state| ended = state.lock.take());
    if let Some(lock) = ended {
        Todo::settle(states, recorded.position.partition, lock.cause);
    }
}

pub(crate) fn password_changed(states: &mut impl States, event: &PasswordChanged, recorded: &Recorded) {
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
    Position { topic: schemas::Topic::Accounts, partition, offset }
}
