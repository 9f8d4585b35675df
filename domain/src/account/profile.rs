//! What an account is: opened, and changed as a whole.

use schemas::accounts::{AccountChanged, AccountOpened};
use schemas::keys::{BlindIndex, PersonKeyed};
use schemas::{Ref, Sealed};

use super::rejection::Rejection;
use super::rights::refuse_last_admin;
use super::state::{
    AccountState, before, change, changeable, count, find, last_number, load, reference, save,
};
use super::token::end_tokens;
use super::unsealed;
use crate::{Asked, Decision, Recorded, States, Vault, asked, person, vault};

/// Open an account.
///
/// An account that is not sealed yet has its name in the clear, which no command may hold. So whoever asks looks with
/// [`super::named`] before whether such an account has the name.
#[derive(Clone, Debug)]
pub struct OpenAccount {
    /// The realm: the set of accounts in which usernames are unique.
    pub realm: String,
    /// The account's number, which must be the realm's next; `None`: the realm's next.
    pub number: Option<i64>,
    /// What is personal of it: its username, its password's hash, and whatever else.
    pub sealed: Sealed,
    /// The new person's key, with the blind index of the username.
    pub key: PersonKeyed,
    /// All roles of the account.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// The sellers that the account acts for.
    pub sellers: Vec<Ref>,
    /// Who asks.
    pub asked: Asked,
}

/// Change an account: all fields are as they shall be afterwards. Of another name, whoever asks looks before as with
/// [`OpenAccount`].
#[derive(Clone, Debug)]
pub struct ChangeAccount {
    /// The realm of the account.
    pub realm: String,
    /// The number of the account.
    pub number: i64,
    /// The revision that the fields were merged with. Of another one the change is refused.
    pub revision: i32,
    /// What is personal of it.
    pub sealed: Sealed,
    /// The blind indexes of that, all of them.
    pub indexes: Vec<BlindIndex>,
    /// All roles of the account.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// The sellers that the account acts for.
    pub sellers: Vec<Ref>,
    /// Whether the account's tokens are to be worth nothing any more, and its sessions to end: its password is another one.
    pub ends_tokens: bool,
    /// Who asks.
    pub asked: Asked,
}

/// Opens the account with the realm's next number, unless its username is another one's.
pub(super) fn open(states: &impl States, command: OpenAccount) -> Result<Decision, Rejection> {
    let OpenAccount { realm, number, sealed, key, roles, places, sellers, asked } = command;
    if let Some(before) = before(states, &realm, &asked)? {
        return Ok(Decision::Already(before));
    }
    // A subject is drawn for one command, so the account that has it was opened by this one.
    if let Some(opened) = person::holder(states, sealed.subject).and_then(|account| find(states, &account)) {
        return Ok(Decision::Already(opened.registered_at));
    }
    let number = next_number(states, &realm, number)?;
    refuse_taken(states, &realm, &sealed, &key.indexes)?;
    let (head, account, generation) = (asked.head(1), reference(&realm, number), 0);
    let event = AccountOpened { head, account, sealed, roles, places, sellers, generation };
    Ok(Decision::append_with(event, Vault::claim(key)))
}

fn next_number(states: &impl States, realm: &str, asked_for: Option<i64>) -> Result<i64, Rejection> {
    let next = last_number(states, realm) + 1;
    match asked_for {
        Some(number) if load(states, realm, number).is_some() => Err(Rejection::NumberTaken),
        Some(number) if number != next => Err(Rejection::NumberSkipped),
        _ => Ok(next),
    }
}

/// Changes the account, where it is still at the revision that the change was made from. One that stands in the clear is
/// sealed first.
pub(super) fn change_account(states: &impl States, command: ChangeAccount) -> Result<Decision, Rejection> {
    let ChangeAccount { realm, number, revision, sealed, indexes, .. } = command;
    let ChangeAccount { roles, places, sellers, ends_tokens, asked, .. } = command;
    if let Some(before) = before(states, &realm, &asked)? {
        return Ok(Decision::Already(before));
    }
    let account = changeable(states, &realm, number)?;
    let is_subject = account.sealed.as_ref().is_some_and(|present| present.subject == sealed.subject);
    if account.revision != revision || !is_subject {
        return Err(Rejection::Stale);
    }
    refuse_taken(states, &realm, &sealed, &indexes)?;
    refuse_last_admin(states, &realm, number, &account, &roles)?;
    let key = vault::key(states, sealed.subject).ok_or(Rejection::Erased)?;
    let generation = account.generation + i64::from(ends_tokens);
    let (head, account) = (asked.head(revision + 1), reference(&realm, number));
    let event = AccountChanged { head, account, sealed, roles, places, sellers, generation };
    Ok(Decision::append_with(event, Vault::reindex(key, indexes)))
}

fn refuse_taken(
    states: &impl States,
    realm: &str,
    sealed: &Sealed,
    indexes: &[BlindIndex],
) -> Result<(), Rejection> {
    match vault::taken(states, realm, sealed.subject, indexes) {
        Some(_) => Err(Rejection::UsernameTaken),
        None => Ok(()),
    }
}

/// Opens the account. One that stood in the clear is sealed: what its event does not say, it keeps.
pub(super) fn opened(states: &mut impl States, event: &AccountOpened, recorded: &Recorded) {
    let AccountOpened { head, account, sealed, roles, places, sellers, generation } = event;
    let former = find(states, account);
    if let Some(unsealed) = former.as_ref().and_then(|former| former.unsealed.as_ref()) {
        unsealed::sealed(states, account, unsealed);
    }
    let (created_at, idempotency_id) = (Some(head.at), head.key);
    let first = AccountState::first(recorded.position);
    let first = AccountState { created_at, updated_at: created_at, idempotency_id, ..first };
    let state = AccountState {
        revision: head.revision,
        sealed: Some(sealed.clone()),
        unsealed: None,
        roles: roles.clone(),
        places: places.clone(),
        sellers: sellers.clone(),
        generation: *generation,
        changed_at: recorded.position,
        ..former.clone().unwrap_or(first)
    };
    save(states, account, former.as_ref(), &state);
    count(states, account);
    asked::note(states, &account.home, head, recorded);
}

pub(super) fn changed(states: &mut impl States, event: &AccountChanged, recorded: &Recorded) {
    let AccountChanged { head, account, sealed, roles, places, sellers, generation } = event;
    let former = change(states, account, recorded, |state| {
        state.follow(head);
        state.sealed = Some(sealed.clone());
        state.roles.clone_from(roles);
        state.places.clone_from(places);
        state.sellers.clone_from(sellers);
        state.enter(*generation);
    });
    if let Some(former) = former.filter(|former| former.generation != *generation) {
        end_tokens(states, account, former.token_hash.as_ref());
    }
    asked::note(states, &account.home, head, recorded);
}
