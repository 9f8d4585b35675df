//! What an account may do: its roles and places, and whether it may act at all. A realm never loses its last admin,
//! since nobody would be left to make another.

use schemas::Ref;
use schemas::accounts::{AccountClosed, AccountDisabled, AccountEnabled, RolesAssigned};

use super::rejection::Rejection;
use super::state::{
    AccountState, active, admins, before, change, changeable, forget_name, known, number_of, reference, whose,
};
use super::terminal;
use super::token::end_tokens;
use crate::{Asked, Decision, Recorded, States, Vault, asked, todo, vault};

/// The role whose holders may assign roles.
const ADMIN: &str = "admin";

/// Replace an account's roles and places, all of them.
#[derive(Clone, Debug)]
pub struct AssignRoles {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// All roles of the account from here on.
    pub roles: Vec<String>,
    /// All places of the account from here on; a terminal that has none may send receipts of any place.
    pub places: Vec<String>,
    /// The admin who assigns them, as `realm/number`.
    pub assigned_by: String,
}

/// Forbid an account everything until it is enabled.
#[derive(Clone, Debug)]
pub struct DisableAccount {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub asked: Asked,
}

/// Let a disabled account act again.
#[derive(Clone, Debug)]
pub struct EnableAccount {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub asked: Asked,
}

/// Close an account for good.
#[derive(Clone, Debug)]
pub struct CloseAccount {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// Who asks.
    pub asked: Asked,
}

/// Replaces roles and places, unless the account has exactly these.
pub(super) fn assign_roles(states: &impl States, command: AssignRoles) -> Result<Decision, Rejection> {
    let AssignRoles { realm, number, roles, places, assigned_by } = command;
    let account = changeable(states, &realm, number)?;
    if account.roles == roles && account.places == places {
        return Ok(Decision::Already(account.changed_at));
    }
    refuse_last_admin(states, &realm, number, &account, &roles)?;
    let username = String::new();
    Ok(Decision::append(RolesAssigned { realm, username, roles, places, assigned_by, account: number }))
}

/// Disables the account, once. Its sessions and keys stay, for the day when it is enabled.
pub(super) fn disable(states: &impl States, command: DisableAccount) -> Result<Decision, Rejection> {
    let DisableAccount { realm, number, reason, asked } = command;
    if let Some(before) = before(states, &realm, &asked)? {
        return Ok(Decision::Already(before));
    }
    let account = changeable(states, &realm, number)?;
    if account.is_disabled {
        return Ok(Decision::Already(account.changed_at));
    }
    refuse_last_admin(states, &realm, number, &account, &[])?;
    let head = asked.head(account.revision + 1);
    Ok(Decision::append(AccountDisabled { head, account: reference(&realm, number), reason }))
}

/// Enables the account, where it is disabled.
pub(super) fn enable(states: &impl States, command: EnableAccount) -> Result<Decision, Rejection> {
    let EnableAccount { realm, number, reason, asked } = command;
    if let Some(before) = before(states, &realm, &asked)? {
        return Ok(Decision::Already(before));
    }
    let account = changeable(states, &realm, number)?;
    if !account.is_disabled {
        return Ok(Decision::Already(account.changed_at));
    }
    let head = asked.head(account.revision + 1);
    Ok(Decision::append(AccountEnabled { head, account: reference(&realm, number), reason }))
}

/// Closes the account, once. Its username is free for others; its key stays, so that it can still be read who it was.
pub(super) fn close(states: &impl States, command: CloseAccount) -> Result<Decision, Rejection> {
    let CloseAccount { realm, number, asked } = command;
    let account = known(states, &realm, number)?;
    if account.is_closed {
        return Ok(Decision::Already(account.changed_at));
    }
    let account = changeable(states, &realm, number)?;
    refuse_last_admin(states, &realm, number, &account, &[])?;
    let key = account.sealed.and_then(|sealed| vault::key(states, sealed.subject));
    let vault = key.map(|key| Vault::reindex(key, Vec::new())).unwrap_or_default();
    let head = asked.head(account.revision + 1);
    Ok(Decision::append_with(AccountClosed { head, account: reference(&realm, number) }, vault))
}

/// Refuses to take the role admin from the realm's last account that may act in it. `roles` are those that the account
/// is to keep.
pub(super) fn refuse_last_admin(
    states: &impl States,
    realm: &str,
    number: i64,
    account: &AccountState,
    roles: &[String],
) -> Result<(), Rejection> {
    let is_lost = account.is_admin() && !is_admin(roles);
    if is_lost && !has_other_admin(states, realm, number) { Err(Rejection::LastAdmin) } else { Ok(()) }
}

/// Whether the account is the realm's only one that may act as an admin.
pub(crate) fn is_last_admin(states: &impl States, account: &Ref) -> bool {
    let Some(number) = number_of(account) else { return false };
    let is_admin = active(states, &account.home, number).is_ok_and(|account| account.is_admin());
    is_admin && !has_other_admin(states, &account.home, number)
}

/// Whether any account of the realm may act as an admin.
pub fn has_admin(states: &impl States, realm: &str) -> bool {
    // No account has the number 0.
    has_other_admin(states, realm, 0)
}

fn has_other_admin(states: &impl States, realm: &str, number: i64) -> bool {
    let admins = admins(states, realm).into_iter();
    admins.filter(|other| *other != number).any(|other| active(states, realm, other).is_ok())
}

fn is_admin(roles: &[String]) -> bool {
    roles.iter().any(|role| role == ADMIN)
}

impl AccountState {
    /// Whether the account has the role admin and is enabled and open. That it was erased is in another stream.
    pub(super) fn is_admin(&self) -> bool {
        is_admin(&self.roles) && !self.is_disabled && !self.is_closed
    }
}

pub(super) fn roles_assigned(states: &mut impl States, event: &RolesAssigned, recorded: &Recorded) {
    let RolesAssigned { realm, username, roles, places, account, .. } = event;
    let Some(account) = whose(states, realm, username, *account) else { return };
    change(states, &account, recorded, |state| {
        state.revision += 1;
        state.roles.clone_from(roles);
        state.places.clone_from(places);
    });
}

pub(super) fn disabled(states: &mut impl States, event: &AccountDisabled, recorded: &Recorded) {
    let AccountDisabled { head, account, .. } = event;
    change(states, account, recorded, |state| {
        state.follow(head);
        state.is_disabled = true;
    });
    asked::note(states, &account.home, head, recorded);
}

pub(super) fn enabled(states: &mut impl States, event: &AccountEnabled, recorded: &Recorded) {
    let AccountEnabled { head, account, .. } = event;
    change(states, account, recorded, |state| {
        state.follow(head);
        state.is_disabled = false;
    });
    asked::note(states, &account.home, head, recorded);
}

/// Closes the account. Nothing is left by which it could act, and no timer; the to-do that seals it stays where it is
/// open, so that its name does not stand in the clear for ever.
pub(super) fn closed(states: &mut impl States, event: &AccountClosed, recorded: &Recorded) {
    let AccountClosed { head, account } = event;
    let former = change(states, account, recorded, |state| {
        state.follow(head);
        state.is_closed = true;
        state.lock = None;
        state.token_hash = None;
    });
    let Some(former) = former else { return };
    if let Some(lock) = former.lock {
        todo::settle(states, lock.todo);
    }
    if let Some(unsealed) = &former.unsealed {
        forget_name(states, account, unsealed);
    }
    end_tokens(states, account, former.token_hash.as_ref());
    terminal::forget(states, account);
}
