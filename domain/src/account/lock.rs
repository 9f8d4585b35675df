//! Login locks: too many wrong passwords slow an account's logins down for a while.

use chrono::{DateTime, Utc};
use schemas::accounts::{LoginLocked, LoginUnlocked};
use uuid::Uuid;

use super::rejection::Rejection;
use super::state::{Lock, change, changeable, find, known, number_of, whose};
use super::todo::Todo;
use crate::{Decision, Due, Recorded, States, raise, todo};

/// Slow an account's logins down until an instant.
#[derive(Clone, Debug)]
pub struct LockLogin {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The instant at which the lock ends.
    pub until: DateTime<Utc>,
}

/// End the login lock that one event began, and no later lock.
#[derive(Clone, Debug)]
pub struct UnlockLogin {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The id of the event that began the lock.
    pub cause: Uuid,
}

/// Locks the login. A login that is locked stays locked by the earlier event, with its end.
pub(super) fn lock(states: &impl States, command: LockLogin) -> Result<Decision, Rejection> {
    let LockLogin { realm, number, until } = command;
    let account = changeable(states, &realm, number)?;
    if account.lock.is_some() {
        return Ok(Decision::Already(account.changed_at));
    }
    Ok(Decision::append(LoginLocked { realm, username: String::new(), until, account: number }))
}

/// Ends the lock that the to-do belongs to, also where the person was erased meanwhile. Where that lock has ended, or a
/// later one holds, nothing happens.
pub(super) fn unlock(states: &impl States, command: UnlockLogin) -> Result<Decision, Rejection> {
    let UnlockLogin { realm, number, cause } = command;
    let account = known(states, &realm, number)?;
    if account.lock.is_none_or(|lock| lock.cause != cause) {
        return Ok(Decision::Already(account.changed_at));
    }
    Ok(Decision::append(LoginUnlocked { realm, username: String::new(), account: number }))
}

pub(super) fn locked(states: &mut impl States, event: &LoginLocked, recorded: &Recorded) {
    let LoginLocked { realm, username, until, account } = event;
    let Some(account) = whose(states, realm, username, *account) else { return };
    let (Some(former), Some(number)) = (find(states, &account), number_of(&account)) else { return };
    let end = Todo::EndLoginLock { realm: realm.clone(), number };
    let todo = raise(states, recorded, 0, Due::At(*until), end);
    if let Some(lock) = former.lock {
        todo::settle(states, lock.todo);
    }
    change(states, &account, recorded, |state| {
        state.lock = Some(Lock { cause: recorded.event_id, until: *until, todo });
    });
}

pub(super) fn unlocked(states: &mut impl States, event: &LoginUnlocked, recorded: &Recorded) {
    let LoginUnlocked { realm, username, account } = event;
    let Some(account) = whose(states, realm, username, *account) else { return };
    let former = change(states, &account, recorded, |state| state.lock = None);
    if let Some(lock) = former.and_then(|former| former.lock) {
        todo::settle(states, lock.todo);
    }
}
