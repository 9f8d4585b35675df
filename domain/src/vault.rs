//! The keys of persons, as a shard keeps them: who has a key, and which names are taken.
//!
//! A person's key is usable while a record of it is there and no erasure names it. The two are in two topics that are
//! folded into two states, so it does not matter which a reader folds first, nor whether a backup brings a record back.

use schemas::Ref;
use schemas::keys::{BlindIndex, Event, KeyForgotten, PersonKeyed};
use uuid::Uuid;

use crate::person;
use crate::states::{self, States};

pub use schemas::keys::{DOCUMENT, EMAIL, USERNAME};

pub(crate) const FOLD_VERSION: u32 = 1;

/// The records of keys that go with a command. The shard's owner writes them in the transaction of its event, in three
/// steps: claims, event, releases. Of a transaction that is torn, a beginning is committed. So no event stands without
/// its key, and no index is free too early.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vault {
    /// Written before the event: a key, with the indexes that it has before or after the event.
    pub claims: Vec<PersonKeyed>,
    /// Written after the event: a key with fewer indexes, or that it is forgotten.
    pub releases: Vec<Event>,
}

impl Vault {
    /// A new person's key.
    pub(crate) fn claim(key: PersonKeyed) -> Self {
        Self { claims: vec![key], releases: Vec::new() }
    }

    /// A key whose indexes become `indexes`, all of them. There are no records where they are so already.
    pub(crate) fn reindex(key: PersonKeyed, indexes: Vec<BlindIndex>) -> Self {
        let added = indexes.iter().any(|index| !key.indexes.contains(index));
        let taken = key.indexes.iter().any(|index| !indexes.contains(index));
        let mut both = key.indexes.clone();
        both.extend(indexes.iter().filter(|index| !key.indexes.contains(index)).cloned());
        let claims = if added { vec![PersonKeyed { indexes: both, ..key.clone() }] } else { Vec::new() };
        let releases =
            if taken { vec![Event::PersonKeyed(PersonKeyed { indexes, ..key })] } else { Vec::new() };
        Self { claims, releases }
    }

    /// The keys of these subjects are forgotten.
    pub(crate) fn forget(subjects: &[Uuid]) -> Self {
        let forgotten = |subject: &Uuid| Event::KeyForgotten(KeyForgotten { subject: *subject });
        Self { claims: Vec::new(), releases: subjects.iter().map(forgotten).collect() }
    }

    /// Whether there are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.releases.is_empty()
    }
}

/// The person's key, if it has one and was not erased.
pub fn key(states: &impl States, subject: Uuid) -> Option<PersonKeyed> {
    if person::is_erased(states, subject) { None } else { record(states, subject) }
}

/// The key's last record, whether or not the person was erased.
pub(crate) fn record(states: &impl States, subject: Uuid) -> Option<PersonKeyed> {
    states::load(states, &key_key(subject))
}

/// The living person who has a blind index in a home. The index of a person who was removed or erased, and that of a key
/// which no person has, count for nothing.
pub fn holder(states: &impl States, home: &str, index: &BlindIndex) -> Option<(Uuid, Ref)> {
    let subject = states::load(states, &index_key(home, index))?;
    Some((subject, person::living(states, subject)?))
}

/// The first of these indexes that a living person other than `subject` has.
pub(crate) fn taken<'i>(
    states: &impl States,
    home: &str,
    subject: Uuid,
    indexes: &'i [BlindIndex],
) -> Option<&'i BlindIndex> {
    indexes.iter().find(|index| holder(states, home, index).is_some_and(|(holder, _)| holder != subject))
}

pub(crate) fn evolve(states: &mut impl States, event: &Event) {
    match event {
        Event::PersonKeyed(event) => keyed(states, event),
        Event::KeyForgotten(event) => forgotten(states, event.subject),
    }
}

fn keyed(states: &mut impl States, event: &PersonKeyed) {
    let former = record(states, event.subject);
    for index in
        former.iter().flat_map(|former| &former.indexes).filter(|index| !event.indexes.contains(index))
    {
        free(states, &event.home, index, event.subject);
    }
    for index in &event.indexes {
        states::save(states, index_key(&event.home, index), &event.subject);
    }
    states::save(states, key_key(event.subject), event);
}

fn forgotten(states: &mut impl States, subject: Uuid) {
    let Some(former) = record(states, subject) else { return };
    for index in &former.indexes {
        free(states, &former.home, index, subject);
    }
    states.remove(key_key(subject));
}

/// Frees an index where it still is the subject's. Somebody else may have claimed it since.
fn free(states: &mut impl States, home: &str, index: &BlindIndex, subject: Uuid) {
    let key = index_key(home, index);
    if states::load(states, &key) == Some(subject) {
        states.remove(key);
    }
}

/// The first byte of the keys under which a store has the keys of persons.
pub const PREFIX: u8 = b'K';

/// Reads a value that a store has under such a key.
#[must_use]
pub fn from_bytes(value: &[u8]) -> Option<PersonKeyed> {
    postcard::from_bytes(value).ok()
}

/// The key of a store under which it has the person's key.
#[must_use]
pub fn key_key(subject: Uuid) -> Vec<u8> {
    [&[PREFIX], subject.as_bytes().as_slice()].concat()
}

fn index_key(home: &str, BlindIndex { kind, value }: &BlindIndex) -> Vec<u8> {
    [b"I", home.as_bytes(), &[0], kind.as_bytes(), &[0], value].concat()
}
