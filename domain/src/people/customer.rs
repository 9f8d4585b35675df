//! Customers: recorded, changed, removed.

use schemas::keys::{BlindIndex, PersonKeyed};
use schemas::people::{CustomerChanged, CustomerRegistered, CustomerRemoved};
use schemas::{Ref, Sealed, Topic};
use uuid::Uuid;

use super::rejection::Rejection;
use super::state::{CustomerState, changeable, known, load, number_key, save};
use crate::order::has_orders;
use crate::{Asked, Decision, Recorded, States, Vault, account, asked, numbers, vault};

/// Record a customer.
#[derive(Clone, Debug)]
pub struct RegisterCustomer {
    /// The home: the set of customers in which documents and e-mail addresses are unique.
    pub home: String,
    /// The customer's id; `None`: the home's next number.
    pub id: Option<String>,
    /// Whose customer it is.
    pub scope: String,
    /// What is personal of it.
    pub sealed: Sealed,
    /// The key that seals it, with its blind indexes.
    pub key: PersonKeyed,
    /// Whether the customer may place orders.
    pub active: bool,
    /// The account that the customer logs in with.
    pub account: Option<Ref>,
    /// Who asks.
    pub asked: Asked,
}

/// Change a customer: all fields are as they shall be afterwards.
#[derive(Clone, Debug)]
pub struct ChangeCustomer {
    /// The home of the customer.
    pub home: String,
    /// The customer's id.
    pub id: String,
    /// The revision that the fields were merged with. Of another one the change is refused.
    pub revision: i32,
    /// What is personal of it.
    pub sealed: Sealed,
    /// The blind indexes of that, all of them.
    pub indexes: Vec<BlindIndex>,
    /// Whether the customer may place orders.
    pub active: bool,
    /// The account that the customer logs in with.
    pub account: Option<Ref>,
    /// Who asks.
    pub asked: Asked,
}

/// Take a customer off the lists.
#[derive(Clone, Debug)]
pub struct RemoveCustomer {
    /// The home of the customer.
    pub home: String,
    /// The customer's id.
    pub id: String,
    /// Who asks.
    pub asked: Asked,
}

/// Records the customer, unless its document or its e-mail address is another one's.
pub(super) fn register(states: &impl States, command: RegisterCustomer) -> Result<Decision, Rejection> {
    let RegisterCustomer { home, id, scope, sealed, key, active, account, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    if id.as_ref().is_some_and(|id| known(states, &home, id).is_some()) {
        return Err(Rejection::NumberTaken);
    }
    refuse_taken(states, &key.home, sealed.subject, &key.indexes)?;
    refuse_unknown(states, account.as_ref())?;
    let id = id.unwrap_or_else(|| (numbers::last(states, &number_key(&home)) + 1).to_string());
    let customer = Ref { home, id };
    let event = CustomerRegistered { head: asked.head(1), customer, scope, sealed, active, account };
    Ok(Decision::append_with(event, Vault::claim(key)))
}

/// Changes the customer, where it is still at the revision that the change was made from.
pub(super) fn change(states: &impl States, command: ChangeCustomer) -> Result<Decision, Rejection> {
    let ChangeCustomer { home, id, revision, sealed, indexes, active, account, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let state = changeable(states, &home, &id)?;
    if state.revision != revision || state.sealed.subject != sealed.subject {
        return Err(Rejection::Stale);
    }
    refuse_taken(states, &home, sealed.subject, &indexes)?;
    refuse_unknown(states, account.as_ref().filter(|account| state.account.as_ref() != Some(account)))?;
    let key = vault::key(states, sealed.subject).ok_or(Rejection::Erased)?;
    let (head, customer, scope) = (asked.head(revision + 1), Ref { home, id }, state.scope);
    let event = CustomerChanged { head, customer, scope, sealed, active, account };
    Ok(Decision::append_with(event, Vault::reindex(key, indexes)))
}

/// Removes the customer, and frees its document and its e-mail address. Its key stays: what was sealed for it elsewhere
/// is still read.
pub(super) fn remove(states: &impl States, command: RemoveCustomer) -> Result<Decision, Rejection> {
    let RemoveCustomer { home, id, asked } = command;
    let state = known(states, &home, &id).ok_or(Rejection::Unknown)?;
    if state.is_removed {
        return Ok(Decision::Already(state.changed_at));
    }
    if has_orders(states, &home, &id) {
        return Err(Rejection::HasOrders);
    }
    let vault = vault::key(states, state.sealed.subject).map(|key| Vault::reindex(key, Vec::new()));
    let event = CustomerRemoved { head: asked.head(state.revision + 1), customer: Ref { home, id } };
    Ok(Decision::append_with(event, vault.unwrap_or_default()))
}

fn before(states: &impl States, home: &str, asked: &Asked) -> Result<Option<schemas::Position>, Rejection> {
    asked::before(states, Topic::People, home, asked).map_err(|asked::Reused| Rejection::IdempotencyKeyReused)
}

fn refuse_taken(
    states: &impl States,
    home: &str,
    subject: Uuid,
    indexes: &[BlindIndex],
) -> Result<(), Rejection> {
    match vault::taken(states, home, subject, indexes) {
        Some(index) if index.kind == vault::DOCUMENT => Err(Rejection::DocumentTaken),
        Some(_) => Err(Rejection::EmailTaken),
        None => Ok(()),
    }
}

/// Refuses an account that the customer cannot log in with.
fn refuse_unknown(states: &impl States, account: Option<&Ref>) -> Result<(), Rejection> {
    match account {
        Some(account) if !account::is_living(states, account) => Err(Rejection::NoAccount),
        _ => Ok(()),
    }
}

pub(super) fn registered(states: &mut impl States, event: &CustomerRegistered, recorded: &Recorded) {
    let CustomerRegistered { head, customer, scope, sealed, active, account } = event;
    let state = CustomerState {
        revision: head.revision,
        scope: scope.clone(),
        sealed: sealed.clone(),
        active: *active,
        account: account.clone(),
        is_removed: false,
        created_at: head.at,
        updated_at: head.at,
        changed_at: recorded.position,
    };
    save(states, customer, &state);
    asked::note(states, &customer.home, head, recorded);
    numbers::note(states, number_key(&customer.home), &customer.id);
}

pub(super) fn changed(states: &mut impl States, event: &CustomerChanged, recorded: &Recorded) {
    let CustomerChanged { head, customer, scope, sealed, active, account } = event;
    let Some(former) = load(states, &customer.home, &customer.id) else { return };
    let state = CustomerState {
        revision: head.revision,
        scope: scope.clone(),
        sealed: sealed.clone(),
        active: *active,
        account: account.clone(),
        updated_at: head.at,
        changed_at: recorded.position,
        ..former
    };
    save(states, customer, &state);
    asked::note(states, &customer.home, head, recorded);
}

pub(super) fn removed(states: &mut impl States, event: &CustomerRemoved, recorded: &Recorded) {
    let CustomerRemoved { head, customer } = event;
    let Some(former) = known(states, &customer.home, &customer.id) else { return };
    let state = CustomerState {
        revision: head.revision,
        is_removed: true,
        updated_at: head.at,
        changed_at: recorded.position,
        ..former
    };
    save(states, customer, &state);
}
