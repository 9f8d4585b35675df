//! Customers, and the erasure of persons.

mod customer;
mod erasure;
mod rejection;
mod state;

use schemas::people::Event;

pub use customer::{ChangeCustomer, RegisterCustomer, RemoveCustomer};
pub use erasure::{ErasePerson, ForgetPerson, Person, TendKey, Todo};
pub use rejection::Rejection;
pub use state::{CustomerState, load};

use crate::{Recorded, States};

pub(crate) const FOLD_VERSION: u32 = 2;

/// The home of `/v1`'s customers; contracts have homes of their own.
pub const HOME: &str = "till";

commands! { People at (home);
    RegisterCustomer => customer::register;
    ChangeCustomer => customer::change;
    RemoveCustomer => customer::remove;
    ErasePerson => erasure::erase;
    ForgetPerson => erasure::forget;
    TendKey => erasure::tend;
}

pub(crate) fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
    match event {
        Event::CustomerRegistered(event) => customer::registered(states, event, recorded),
        Event::CustomerChanged(event) => customer::changed(states, event, recorded),
        Event::CustomerRemoved(event) => customer::removed(states, event, recorded),
        Event::PersonErased(event) => erasure::erased(states, event, recorded),
        Event::PersonForgotten(event) => erasure::forgotten(states, event),
    }
}
