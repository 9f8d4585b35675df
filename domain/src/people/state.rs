//! What is kept of customers, and of persons who were erased.

use chrono::{DateTime, Utc};
use schemas::{Position, Ref, Sealed};
use serde::{Deserialize, Serialize};

use super::rejection::Rejection;
use crate::states::{load as read, save as write};
use crate::{States, person};

/// The state of a customer, under `u`, its home and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerState {
    /// The revision that the customer is at.
    pub revision: i32,
    /// Whose customer it is.
    pub scope: String,
    /// What is personal of it.
    pub sealed: Sealed,
    /// Whether the customer may place orders.
    pub active: bool,
    /// The account that the customer logs in with.
    pub account: Option<Ref>,
    /// Whether the customer was taken off the lists.
    pub is_removed: bool,
    /// The instant at which the customer was recorded.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub created_at: DateTime<Utc>,
    /// The instant of the last change.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub updated_at: DateTime<Utc>,
    /// The position of the last event. A command that changes nothing is answered with it.
    pub changed_at: Position,
}

/// The customer, where it is known and was not removed.
pub fn load(states: &impl States, home: &str, id: &str) -> Option<CustomerState> {
    known(states, home, id).filter(|customer| !customer.is_removed)
}

/// The customer, whether or not it was removed.
pub(super) fn known(states: &impl States, home: &str, id: &str) -> Option<CustomerState> {
    read(states, &customer_key(home, id))
}

/// The customer to be changed.
pub(super) fn changeable(states: &impl States, home: &str, id: &str) -> Result<CustomerState, Rejection> {
    let customer = load(states, home, id).ok_or(Rejection::Unknown)?;
    if person::is_erased(states, customer.sealed.subject) { Err(Rejection::Erased) } else { Ok(customer) }
}

/// The ids of a home's customers that log in with the account, and of those that did so when they were removed.
pub(super) fn customers_of(states: &impl States, home: &str, account: &Ref) -> Vec<String> {
    read(states, &account_key(home, account)).unwrap_or_default()
}

pub(super) fn save(states: &mut impl States, customer: &Ref, state: &CustomerState) {
    let former = known(states, &customer.home, &customer.id).and_then(|former| former.account);
    if former != state.account {
        former.iter().for_each(|former| unlink(states, customer, former));
        state.account.iter().for_each(|account| link(states, customer, account));
    }
    write(states, customer_key(&customer.home, &customer.id), state);
    let ended_at = state.is_removed.then_some(state.changed_at);
    person::hold(states, state.sealed.subject, customer, ended_at);
}

fn link(states: &mut impl States, customer: &Ref, account: &Ref) {
    let mut customers = customers_of(states, &customer.home, account);
    customers.push(customer.id.clone());
    write(states, account_key(&customer.home, account), &customers);
}

fn unlink(states: &mut impl States, customer: &Ref, account: &Ref) {
    let mut customers = customers_of(states, &customer.home, account);
    customers.retain(|id| *id != customer.id);
    if customers.is_empty() {
        states.remove(account_key(&customer.home, account));
    } else {
        write(states, account_key(&customer.home, account), &customers);
    }
}

fn customer_key(home: &str, id: &str) -> Vec<u8> {
    [b"u", home.as_bytes(), &[0], id.as_bytes()].concat()
}

/// The key of the customers of an account. The customers' home stands in it, because the customers of another one are in
/// another stream.
fn account_key(home: &str, account: &Ref) -> Vec<u8> {
    [b"w", home.as_bytes(), &[0], account.home.as_bytes(), &[0], account.id.as_bytes()].concat()
}

/// The key of the count of a home's customers.
pub(super) fn number_key(home: &str) -> Vec<u8> {
    [b"np", home.as_bytes()].concat()
}
