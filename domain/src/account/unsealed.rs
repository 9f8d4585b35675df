//! Accounts of earlier Tills, whose names and passwords' hashes stand in the clear: until they are sealed, they are found
//! by name here.

use schemas::accounts::{AccountOpened, AccountRegistered, PasswordChanged};
use schemas::keys::PersonKeyed;
use schemas::{Personal, Ref, Sealed};

use super::rejection::Rejection;
use super::state::{
    AccountState, Unsealed, change, count, find, forget_name, known, load, name, reference, save, whose,
};
use super::todo::Todo;
use crate::{Asked, Decision, Due, Recorded, States, Vault, raise, todo, vault};

/// Seal an account that stands in the clear.
#[derive(Clone, Debug)]
pub struct SealAccount {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The revision that [`unsealed`] gave. Of another one the command is refused: the password may be another by now.
    pub revision: i32,
    /// What [`unsealed`] gave.
    pub sealed: Sealed,
    /// The new person's key, with the blind index of its username.
    pub key: PersonKeyed,
    /// A to-do asks.
    pub asked: Asked,
}

/// What is personal of an account that is not sealed yet, and the revision that the account is at; `None` where it is
/// sealed, or unknown.
pub fn unsealed(states: &impl States, realm: &str, number: i64) -> Option<(Personal, i32)> {
    let AccountState { revision, unsealed, .. } = load(states, realm, number)?;
    let Unsealed { username, password_hash, .. } = unsealed?;
    let (username, password_hash) = (Some(username.into()), Some(password_hash.into()));
    Some((Personal { username, password_hash, ..Personal::default() }, revision))
}

/// Seals the account: it is opened anew, under its number, with all that it has. One that was closed before gives its
/// name to nobody, as it would not have one any more.
pub(super) fn seal(states: &impl States, command: SealAccount) -> Result<Decision, Rejection> {
    let SealAccount { realm, number, revision, sealed, key, asked } = command;
    let AccountState { is_closed, roles, places, sellers, generation, .. } =
        unsealed_at(states, &realm, number, revision)?;
    let indexes = if is_closed { Vec::new() } else { key.indexes };
    if vault::taken(states, &realm, sealed.subject, &indexes).is_some() {
        return Err(Rejection::UsernameTaken);
    }
    let (head, account) = (asked.head(revision + 1), reference(&realm, number));
    let event = AccountOpened { head, account, sealed, roles, places, sellers, generation };
    Ok(Decision::append_with(event, Vault::claim(PersonKeyed { indexes, ..key })))
}

fn unsealed_at(
    states: &impl States,
    realm: &str,
    number: i64,
    revision: i32,
) -> Result<AccountState, Rejection> {
    let account = known(states, realm, number)?;
    let is_present = account.unsealed.is_some() && account.revision == revision;
    if is_present { Ok(account) } else { Err(Rejection::Stale) }
}

/// Keeps the account in the clear, and raises the to-do that seals it: for every such event of the log, also where it is
/// read from its beginning. What ends the to-do is in the log too, once it was done.
pub(super) fn registered(states: &mut impl States, event: &AccountRegistered, recorded: &Recorded) {
    let AccountRegistered { realm, username, number, password_hash, roles, places, idempotency_id } = event;
    let account = reference(realm, *number);
    // No log that Till wrote has a number twice.
    if find(states, &account).is_some() {
        return;
    }
    let lane = Due::InLane(format!("account/{realm}/{number}"));
    let todo = raise(states, recorded, 0, lane, Todo::SealAccount { realm: realm.clone(), number: *number });
    let unsealed = Unsealed { username: username.clone(), password_hash: password_hash.clone(), todo };
    let state = AccountState {
        unsealed: Some(unsealed),
        roles: roles.clone(),
        places: places.clone(),
        idempotency_id: *idempotency_id,
        ..AccountState::first(recorded.position)
    };
    save(states, &account, None, &state);
    count(states, &account);
    name(states, realm, username, *number);
}

pub(super) fn password_changed(states: &mut impl States, event: &PasswordChanged, recorded: &Recorded) {
    let Some(account) = whose(states, &event.realm, &event.username, 0) else { return };
    change(states, &account, recorded, |state| {
        state.revision += 1;
        if let Some(unsealed) = &mut state.unsealed {
            unsealed.password_hash.clone_from(&event.password_hash);
        }
    });
}

/// The account is sealed: nothing finds it by its name in the clear any more, and its to-do is done.
pub(super) fn sealed(states: &mut impl States, account: &Ref, former: &Unsealed) {
    forget_name(states, account, former);
    todo::settle(states, former.todo);
}
