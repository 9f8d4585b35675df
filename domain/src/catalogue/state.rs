//! What sellers, products and cashback types have in common: their keys, their numbers, and how they change.

use chrono::{DateTime, Utc};
use schemas::{Position, Topic};
use serde::{Deserialize, Serialize};

use super::rejection::Rejection;
use crate::{Asked, States, asked, numbers};

/// The kinds of what is listed. Each has numbers of its own in a home.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Kind {
    Seller = b's',
    Product = b'p',
    CashbackType = b'y',
}

/// How often something was changed, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The revision that it is at, from 1.
    pub revision: i32,
    /// Whether it was taken off the lists.
    pub is_removed: bool,
    /// The instant at which it was listed.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub created_at: DateTime<Utc>,
    /// The instant of the last change.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub updated_at: DateTime<Utc>,
    /// The position of the last event. A command that changes nothing is answered with it.
    pub changed_at: Position,
}

impl Version {
    pub(super) const fn first(at: DateTime<Utc>, position: Position) -> Self {
        Self { revision: 1, is_removed: false, created_at: at, updated_at: at, changed_at: position }
    }

    pub(super) const fn next(&self, revision: i32, at: DateTime<Utc>, position: Position) -> Self {
        let Self { is_removed, created_at, .. } = *self;
        Self { revision, is_removed, created_at, updated_at: at, changed_at: position }
    }

    /// Fails where a change was made from another revision than this one. A change that names none is made to whatever
    /// is there.
    pub(super) fn expect(&self, revision: Option<i32>) -> Result<(), Rejection> {
        if revision.is_some_and(|revision| revision != self.revision) {
            Err(Rejection::Stale)
        } else {
            Ok(())
        }
    }
}

/// The position of the event that was recorded under the same idempotency id; `None` where the id is new.
pub(super) fn before(states: &impl States, home: &str, asked: &Asked) -> Result<Option<Position>, Rejection> {
    asked::before(states, Topic::Catalogue, home, asked)
        .map_err(|asked::Reused| Rejection::IdempotencyKeyReused)
}

/// The id of something new; see [`numbers::id`].
pub(super) fn new_id(
    states: &impl States,
    kind: Kind,
    home: &str,
    id: Option<String>,
) -> Result<String, Rejection> {
    let id = numbers::id(states, &number_key(kind, home), id);
    let id = id.map_err(|numbers::NotNext| Rejection::NumberNotNext)?;
    if states.get(&key(kind, home, &id)).is_some() { Err(Rejection::Known) } else { Ok(id) }
}

pub(super) fn note_number(states: &mut impl States, kind: Kind, home: &str, id: &str) {
    numbers::note(states, number_key(kind, home), id);
}

pub(super) fn key(kind: Kind, home: &str, id: &str) -> Vec<u8> {
    [&[kind as u8], home.as_bytes(), &[0], id.as_bytes()].concat()
}

fn number_key(kind: Kind, home: &str) -> Vec<u8> {
    [&[b'n', b'c', kind as u8], home.as_bytes()].concat()
}
