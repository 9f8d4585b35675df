//! Till's rules, pure: `decide` says what a command does to the state, `evolve` what an event does to it,
//! and a to-do is what the state still owes the world. No I/O, clock or randomness: times and ids come in
//! with the command.
//!
//! An aggregate's stream is one key of one topic, and `evolve` reads and writes states of that stream only, so that
//! topics and partitions may be replayed in any order. `decide` may read the states of its own home in every topic:
//! they are all in one shard.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants,
    reason = "a new event asks each fold"
)]

#[macro_use]
mod aggregate;
mod asked;
pub mod names;
mod numbers;
pub mod person;
mod states;
mod todo;
pub mod vault;

use std::sync::Arc;

pub use aggregate::Class;
pub use asked::Asked;
pub use states::{Recorded, States};
pub use todo::{Due, Key as TodoKey, Sort, UnknownTodo};
pub use vault::Vault;

use chrono::{DateTime, Utc};
use schemas::{Event, Position, Topic};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

aggregates! {
    receipt => Receipt of Receipts,
    account => Account of Accounts,
    people => People of People,
    catalogue => Catalogue of Catalogue,
    stock => Stock of Stock,
    order => Order of Orders;
    keys of Keys in vault;
    none of Analytics, Shards
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The command happens, as one event, with the records of keys that go with it. With two events, a torn transaction
    /// could keep one of them.
    Append(Arc<Event>, Vault),
    /// The command changes keys alone, which no event tells of.
    Keys(Vault),
    /// The command had happened before, as the event at this position. It is answered as it was then.
    Already(Position),
}

impl Decision {
    /// The command happens, as this event.
    pub fn append(event: impl Into<Event>) -> Self {
        Self::append_with(event, Vault::default())
    }

    /// The command happens, as this event, with records of keys.
    pub fn append_with(event: impl Into<Event>, vault: Vault) -> Self {
        Self::Append(Arc::new(event.into()), vault)
    }
}

/// How a to-do is done.
pub type Act = todo::Act<Command>;
/// A function that makes, of the events of told commands, the command that settles their to-do.
pub type Settle = todo::Settle<Command>;
/// A to-do as it waits in a store, with the event that raised it.
pub type Waiting = todo::Waiting<Todo>;

/// Raises a to-do: the `nth` (from 0) of an event that was recorded. The aggregate's state keeps the key that is
/// returned, to settle the to-do by it.
#[must_use]
fn raise(states: &mut impl States, recorded: &Recorded, nth: u8, due: Due, todo: impl Into<Todo>) -> TodoKey {
    let todo = todo.into();
    let sort = todo.sort();
    todo::raise(states, recorded, nth, due, sort, todo)
}

/// The name and the content of a JSON object that has exactly one member.
fn tagged(json: Value) -> Option<(String, Value)> {
    let Value::Object(members) = json else { return None };
    let mut members = members.into_iter();
    members.next().filter(|_| members.next().is_none())
}
