//! Erasure: the keys of a person are destroyed. What was sealed under them stays in the log, as noise.

use chrono::{DateTime, Utc};
use schemas::keys::PersonKeyed;
use schemas::people::{PersonErased, PersonForgotten};
use schemas::{Bytes, Ref};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection;
use super::state::{customers_of, known};
use crate::person::{self, Erased};
use crate::{Act, Asked, Decision, Due, Recorded, Sort, States, Vault, account, raise, todo, vault};

/// What is still owed to a person who was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {
    /// The keys are to be deleted once more: due when compaction may take the first tombstones, done by [`ForgetPerson`].
    ForgetPerson {
        /// The home of the person's customers and accounts.
        home: String,
        /// The subjects that the person had.
        subjects: Vec<Uuid>,
    },
}

impl Todo {
    pub(crate) const fn sort(&self) -> Sort {
        match self {
            Self::ForgetPerson { .. } => Sort::Command,
        }
    }

    pub(crate) fn act(&self, _: Uuid, now: DateTime<Utc>) -> Act {
        match self {
            Self::ForgetPerson { home, subjects } => {
                let (home, subjects) = (home.clone(), subjects.clone());
                Act::command(ForgetPerson { home, subjects, asked: Asked::by_todo(now) })
            }
        }
    }
}

/// Whom an erasure is asked for. A person is an account and all customers that log in with it, or a customer without an
/// account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Person {
    /// The person who has the customer with this id.
    Customer(String),
    /// The person who has the account with this number.
    Account(i64),
}

/// Erase a person.
#[derive(Clone, Debug)]
pub struct ErasePerson {
    /// The home of the person's customers and accounts.
    pub home: String,
    /// Whom.
    pub person: Person,
    /// Why.
    pub reason: String,
    /// When the keys are to be deleted once more.
    pub forget_at: DateTime<Utc>,
    /// Who asks.
    pub asked: Asked,
}

/// Delete the keys of an erased person once more.
#[derive(Clone, Debug)]
pub struct ForgetPerson {
    /// The home of the person's customers and accounts.
    pub home: String,
    /// The subjects that the person had.
    pub subjects: Vec<Uuid>,
    /// A to-do asks.
    pub asked: Asked,
}

/// Put a key under another master key, or delete it where no living person has it.
#[derive(Clone, Debug)]
pub struct TendKey {
    /// The home of the key's indexes.
    pub home: String,
    /// The person.
    pub subject: Uuid,
    /// The wrapped key that was read. A key that is another one by now is left alone.
    pub former: Bytes,
    /// The same key under another master key, with that one's number; `None` where it is under the right one.
    pub rewrapped: Option<(Bytes, i32)>,
}

/// Erases the person once. Its keys are gone with the same transaction.
pub(super) fn erase(states: &impl States, command: ErasePerson) -> Result<Decision, Rejection> {
    let ErasePerson { home, person: whom, reason, forget_at, asked } = command;
    let mut subjects = subjects(states, &home, &whom)?;
    let erased = subjects.first().and_then(|first| person::erased(states, *first));
    subjects.retain(|subject| !person::is_erased(states, *subject));
    if let Some(erased) = erased.filter(|_| subjects.is_empty()) {
        return Ok(Decision::Already(erased.at));
    }
    let vault = Vault::forget(&subjects);
    let event = PersonErased { head: asked.head(1), home, subjects, reason, forget_at: Some(forget_at) };
    Ok(Decision::append_with(event, vault))
}

/// The subjects that the person has in its home, that of the account or customer that was asked for first.
fn subjects(states: &impl States, home: &str, whom: &Person) -> Result<Vec<Uuid>, Rejection> {
    let (customer, account) = match whom {
        Person::Customer(id) => {
            let customer = known(states, home, id).ok_or(Rejection::Unknown)?;
            (Some(customer.sealed.subject), customer.account.filter(|account| account.home == home))
        }
        Person::Account(number) => {
            account::load(states, home, *number).ok_or(Rejection::AccountUnknown)?;
            (None, Some(account::reference(home, *number)))
        }
    };
    let mut subjects = Vec::from_iter(customer);
    if let Some(account) = account {
        subjects.extend(account_subject(states, &account)?);
        let customers = customers_of(states, home, &account);
        let customers = customers.iter().filter_map(|id| known(states, home, id));
        subjects.extend(
            customers.map(|customer| customer.sealed.subject).filter(|other| customer != Some(*other)),
        );
    }
    Ok(subjects)
}

/// The account's subject, where there is such an account. The realm keeps its last admin, and an account that stands in
/// the clear is sealed first.
fn account_subject(states: &impl States, account: &Ref) -> Result<Option<Uuid>, Rejection> {
    let Some(state) = account::find(states, account) else { return Ok(None) };
    let sealed = state.sealed.ok_or(Rejection::NotSealed)?;
    if account::is_last_admin(states, account) { Err(Rejection::LastAdmin) } else { Ok(Some(sealed.subject)) }
}

/// Deletes the keys once more, where the to-do is still open.
pub(super) fn forget(states: &impl States, command: ForgetPerson) -> Result<Decision, Rejection> {
    let ForgetPerson { home, subjects, asked } = command;
    let first = *subjects.first().ok_or(Rejection::Unknown)?;
    let erased = person::erased(states, first).ok_or(Rejection::Unknown)?;
    if erased.forget.is_none() {
        return Ok(Decision::Already(erased.at));
    }
    let vault = Vault::forget(&subjects);
    Ok(Decision::append_with(PersonForgotten { head: asked.head(2), home, subjects }, vault))
}

/// Rewrites the key as it was read, under another master key. A key that no person has, or whose person was erased, is
/// deleted: a backup may have brought it back, or a torn transaction left it.
pub(super) fn tend(states: &impl States, command: TendKey) -> Result<Decision, Rejection> {
    let TendKey { subject, former, rewrapped, .. } = command;
    let key = vault::record(states, subject).filter(|key| key.wrapped == former);
    let key = key.ok_or(Rejection::KeyMovedOn)?;
    if person::is_erased(states, subject) || !person::is_held(states, subject) {
        return Ok(Decision::Keys(Vault::forget(&[subject])));
    }
    let (wrapped, master) = rewrapped.ok_or(Rejection::KeyMovedOn)?;
    Ok(Decision::Keys(Vault::claim(PersonKeyed { wrapped, master, ..key })))
}

pub(super) fn erased(states: &mut impl States, event: &PersonErased, recorded: &Recorded) {
    let PersonErased { home, subjects, forget_at, .. } = event;
    let forget = forget_at.map(|forget_at| {
        let todo = Todo::ForgetPerson { home: home.clone(), subjects: subjects.clone() };
        raise(states, recorded, 0, Due::At(forget_at), todo)
    });
    for subject in subjects {
        person::save_erased(states, *subject, &Erased { at: recorded.position, forget });
    }
}

pub(super) fn forgotten(states: &mut impl States, event: &PersonForgotten) {
    for subject in &event.subjects {
        let Some(erased) = person::erased(states, *subject) else { continue };
        if let Some(forget) = erased.forget {
            todo::settle(states, forget);
        }
        person::save_erased(states, *subject, &Erased { forget: None, ..erased });
    }
}
