//! Accounts: names unique within a realm, roles, login locks, passwords and login tokens.

mod rejection;
mod state;
pub mod token;

use chrono::{DateTime, Utc};
use schemas::accounts::{
    AccountRegistered, Event, LoginLocked, LoginUnlocked, PasswordChanged, RolesAssigned,
};
use serde::{Deserialize, Serialize};
use state::{change, known, save, save_realm};
use token::{IssueLoginToken, RevokeLoginToken};
use uuid::Uuid;

pub use rejection::Rejection;
pub use state::{AccountState, Lock, RealmState, load, load_realm};

use crate::{Act, Decision, Due, Recorded, States, raise, todo};

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

/// What an account still owes: the timer of its login lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {
    /// The timer that ends a login lock: due when the lock ends, done by the command [`UnlockLogin`].
    EndLoginLock {
        /// The realm of the locked account.
        realm: String,
        /// The name of the locked account.
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

/// The realm that the accounts of `/v1` are in; contracts have realms of their own.
pub const REALM: &str = "till";

/// Open an account with the next number of its realm.
#[derive(Clone)]
pub struct RegisterAccount {
    /// The realm: the set of accounts that the name is unique in.
    pub realm: String,
    /// The name, 1 to 150 characters; the route has checked it by its rules.
    pub username: String,
    /// The password's Argon2id hash, as a PHC string.
    pub password_hash: String,
    /// The roles the account begins with.
    pub roles: Vec<String>,
    /// UUIDv5 of caller, route and `Idempotency-Key`. It is `None` where the client sent no such header.
    pub idempotency_id: Option<Uuid>,
}

impl std::fmt::Debug for RegisterAccount {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegisterAccount").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Replace an account's roles and places, all of them.
#[derive(Clone, Debug)]
pub struct AssignRoles {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// All roles of the account from here on.
    pub roles: Vec<String>,
    /// All places of the account from here on; a terminal that has none may send receipts of any place.
    pub places: Vec<String>,
    /// The name of the admin who assigns them.
    pub assigned_by: String,
}

/// Slow an account's logins down until an instant.
#[derive(Clone, Debug)]
pub struct LockLogin {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The instant at which the lock ends.
    pub until: DateTime<Utc>,
}

/// End the login lock that one event began, and no later lock.
#[derive(Clone, Debug)]
pub struct UnlockLogin {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The id of the event that began the lock.
    pub cause: Uuid,
}

/// Replace an account's password.
#[derive(Clone)]
pub struct ChangePassword {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The new password's Argon2id hash, as a PHC string.
    pub password_hash: String,
}

impl std::fmt::Debug for ChangePassword {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChangePassword").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Opens the account unless its name is taken.
fn register(states: &impl States, command: RegisterAccount) -> Result<Decision, Rejection> {
    if let Some(account) = load(states, &command.realm, &command.username) {
        let same_key = command.idempotency_id.is_some() && account.idempotency_id == command.idempotency_id;
        let registered = Decision::Already(account.registered_at);
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

/// Replaces roles and places, unless the account has exactly these. The last admin cannot lose the role, since nobody
/// would be left to give it to another account.
fn assign_roles(states: &impl States, command: AssignRoles) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    let is_last = load_realm(states, &command.realm).admins <= 1;
    if is_admin(&account.roles) && !is_admin(&command.roles) && is_last {
        return Err(Rejection::LastAdmin);
    }
    if account.roles == command.roles && account.places == command.places {
        return Ok(Decision::Already(account.changed_at));
    }
    let AssignRoles { realm, username, roles, places, assigned_by } = command;
    Ok(Decision::append(RolesAssigned { realm, username, roles, places, assigned_by }))
}

/// Locks the login. A login that is locked stays locked by the earlier event, with its end.
fn lock_login(states: &impl States, command: LockLogin) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    if account.lock.is_some() {
        return Ok(Decision::Already(account.changed_at));
    }
    let LockLogin { realm, username, until } = command;
    Ok(Decision::append(LoginLocked { realm, username, until }))
}

/// Ends the lock that the to-do belongs to. Where that lock has ended, or a later one holds, nothing happens.
fn unlock_login(states: &impl States, command: UnlockLogin) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    match account.lock {
        Some(lock) if lock.cause == command.cause => {
            let UnlockLogin { realm, username, .. } = command;
            Ok(Decision::append(LoginUnlocked { realm, username }))
        }
        _ => Ok(Decision::Already(account.changed_at)),
    }
}

/// Replaces the password's hash, unless it is this one already.
fn change_password(states: &impl States, command: ChangePassword) -> Result<Decision, Rejection> {
    let account = known(states, &command.realm, &command.username)?;
    if account.password_hash == command.password_hash {
        return Ok(Decision::Already(account.changed_at));
    }
    let ChangePassword { realm, username, password_hash } = command;
    Ok(Decision::append(PasswordChanged { realm, username, password_hash }))
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
    let state = AccountState {
        number: event.number,
        password_hash: event.password_hash.clone(),
        roles: event.roles.clone(),
        places: event.places.clone(),
        idempotency_id: event.idempotency_id,
        lock: None,
        token_generation: 0,
        token_hash: None,
        registered_at: recorded.position,
        changed_at: recorded.position,
    };
    let former = load(states, &event.realm, &event.username);
    save(states, &event.realm, &event.username, &state);
    let mut realm = load_realm(states, &event.realm);
    realm.last_number = event.number;
    realm.admins += admins_gained(former.as_ref(), &event.roles);
    save_realm(states, &event.realm, &realm);
}

fn roles_assigned(states: &mut impl States, event: &RolesAssigned, recorded: &Recorded) {
    let Some(former) = load(states, &event.realm, &event.username) else { return };
    let mut realm = load_realm(states, &event.realm);
    realm.admins += admins_gained(Some(&former), &event.roles);
    save_realm(states, &event.realm, &realm);
    change(states, &event.realm, &event.username, recorded, |state| {
        state.roles.clone_from(&event.roles);
        state.places.clone_from(&event.places);
    });
}

fn login_locked(states: &mut impl States, event: &LoginLocked, recorded: &Recorded) {
    let LoginLocked { realm, username, until } = event;
    let end = Todo::EndLoginLock { realm: realm.clone(), username: username.clone() };
    let Some(former) = load(states, realm, username) else { return };
    let todo = raise(states, recorded, 0, Due::At(*until), end);
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

/// The role whose holders may assign roles.
const ADMIN: &str = "admin";

fn is_admin(roles: &[String]) -> bool {
    roles.iter().any(|role| role == ADMIN)
}

/// What a change of roles adds to the realm's number of admins: 1, 0 or -1. An account that is new has no former state.
fn admins_gained(former: Option<&AccountState>, roles: &[String]) -> i64 {
    let was = former.is_some_and(|account| is_admin(&account.roles));
    i64::from(is_admin(roles)) - i64::from(was)
}
