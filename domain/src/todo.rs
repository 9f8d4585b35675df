//! To-dos: what an aggregate still owes. `evolve` alone raises and settles them. An aggregate's state keeps the
//! [`Key`]s of its open ones, so that the event that ends one can settle it without a search.

use chrono::{DateTime, Utc};
use schemas::{Event, Position, Topic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::states::{Recorded, States};

/// The version of the bytes of keys and values below: it counts up whenever they change.
pub(crate) const FOLD_VERSION: u32 = 1;

/// The first byte of every to-do's key.
const PREFIX: u8 = b't';

/// A function from the events of told commands, in the commands' order, to the command that settles the to-do, which is
/// of the to-do's own home.
pub type Settle<C> = Box<dyn FnOnce(&[Event]) -> C + Send>;

/// How a to-do is done; `C` is the type of commands.
pub enum Act<C> {
    /// The to-do's owner decides this command itself, in its next batch: the command's home is the to-do's.
    Command(Box<C>),
    /// The owners of other homes are told these commands. What their events say becomes the command that settles the
    /// to-do.
    Tell {
        /// The commands. Each is decided once, however often it is told.
        commands: Vec<C>,
        /// The function that makes the settling command of their events.
        settle: Settle<C>,
    },
    /// The to-do's owner draws a key for a person, seals under it what [`crate::account::unsealed`] says of an account,
    /// and decides [`crate::account::SealAccount`] in its next batch. No rule can do that, because it has no randomness
    /// and no master key.
    Seal {
        /// The account's realm, which is the to-do's home.
        home: String,
        /// The account's number.
        id: String,
    },
}

impl<C> Act<C> {
    /// A to-do that is done by a command of its own home.
    pub fn command(command: impl Into<C>) -> Self {
        Self::Command(Box::new(command.into()))
    }

    /// A to-do that is done by telling commands to other homes, and settled by what their events say.
    pub fn tell<S: Into<C>>(commands: Vec<C>, settle: impl FnOnce(&[Event]) -> S + Send + 'static) -> Self {
        Self::Tell { commands, settle: Box::new(|events| settle(events).into()) }
    }
}

/// The queues of to-dos. Those of one sort wait in one queue, and those of another go on beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// To-dos that are done by [`Act::Command`] or [`Act::Seal`].
    Command,
    /// To-dos that are done by [`Act::Tell`].
    Tell,
}

impl Sort {
    /// Every sort, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Command, Self::Tell];

    const fn letter(self) -> u8 {
        match self {
            Self::Command => b'c',
            Self::Tell => b't',
        }
    }
}

/// When a to-do is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once, but after the earlier to-dos of its lane and sort, in the order of the events that raised them. A lane
    /// is an aggregate, or a part of one whose to-dos must not overlap.
    InLane(String),
    /// At an instant or later, independently of all other to-dos.
    At(DateTime<Utc>),
}

/// The key of a to-do in a store: partition, sort, the microseconds at which it is due (0: at once), and the event that
/// raised it. Keys of one partition and sort are in the order in which their to-dos are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; Key::BYTES]);

impl Key {
    /// The length of every key, in bytes.
    pub const BYTES: usize = 22;

    /// The key of the `nth` to-do that the event at a position raises.
    fn new(position: Position, sort: Sort, due_micros: i64, nth: u8) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&Self::prefix(position.partition, sort));
        bytes[4..12].copy_from_slice(&due_micros.max(0).to_be_bytes());
        bytes[12] = position.topic.letter();
        bytes[13..21].copy_from_slice(&position.offset.to_be_bytes());
        bytes[21] = nth;
        Self(bytes)
    }

    /// The first bytes of the key of every to-do of a partition and sort.
    #[must_use]
    pub const fn prefix(partition: i32, sort: Sort) -> [u8; 4] {
        let [_, _, high, low] = partition.to_be_bytes();
        [PREFIX, high, low, sort.letter()]
    }

    /// Reads a key of a store; `None` where it is the key of another state.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = Self(bytes.try_into().ok()?);
        (bytes[0] == PREFIX && key.event().is_some() && key.try_sort().is_some()).then_some(key)
    }

    /// The key's bytes, as a store has them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The queue in which the to-do waits.
    ///
    /// # Panics
    /// Never: every key is made with a sort, and [`Self::from_bytes`] checks it.
    #[must_use]
    pub fn sort(&self) -> Sort {
        self.try_sort().expect("no key is made without a sort")
    }

    /// The instant at which the to-do is due; `None`: at once.
    #[must_use]
    pub fn due(&self) -> Option<DateTime<Utc>> {
        let micros = i64::from_be_bytes(self.0[4..12].try_into().expect("8 bytes"));
        if micros == 0 { None } else { DateTime::from_timestamp_micros(micros) }
    }

    /// The key with its partition and sort moved to the end. It sorts to-dos of one sort as they are done, whatever
    /// their partition.
    #[must_use]
    pub fn order(&self) -> [u8; Self::BYTES] {
        let mut order = [0; Self::BYTES];
        order[..Self::BYTES - 4].copy_from_slice(&self.0[4..]);
        order[Self::BYTES - 4..].copy_from_slice(&self.0[..4]);
        order
    }

    /// The position of the event that raised the to-do.
    ///
    /// # Panics
    /// Never: every key is made with a topic, and [`Self::from_bytes`] checks it.
    #[must_use]
    pub fn raised_by(&self) -> Position {
        self.event().expect("no key is made without a topic")
    }

    fn event(&self) -> Option<Position> {
        let topic = Topic::lettered(self.0[12])?;
        let partition = u16::from_be_bytes([self.0[1], self.0[2]]).into();
        let offset = i64::from_be_bytes(self.0[13..21].try_into().expect("8 bytes"));
        Some(Position { topic, partition, offset })
    }

    fn try_sort(&self) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| sort.letter() == self.0[3])
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = hex::decode(String::deserialize(deserializer)?).ok();
        let key = bytes.and_then(|bytes| Self::from_bytes(&bytes));
        key.ok_or_else(|| de::Error::custom("no to-do has this key"))
    }
}

/// A to-do as it waits in a store, under its [`Key`]; `T` is the type of to-dos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting<T> {
    /// The id of the event that raised the to-do.
    pub cause: Uuid,
    /// The lane of a to-do that is due [in its lane](Due::InLane); `None` of one that is due at an instant.
    pub lane: Option<String>,
    /// What is owed.
    pub todo: T,
}

/// A to-do of a kind that this binary does not know. It stays in the store for a newer one that does.
#[derive(Debug, thiserror::Error)]
#[error("this binary does not know how to do {0}")]
pub struct UnknownTodo(String);

impl<T: DeserializeOwned> Waiting<T> {
    /// Reads the value that a store has under a to-do's key.
    ///
    /// # Errors
    /// The kind of the to-do, where a newer Till wrote it.
    pub fn from_bytes(value: &[u8]) -> Result<Self, UnknownTodo> {
        serde_json::from_slice(value).map_err(|_| UnknownTodo(kind_of(value)))
    }
}

/// The kind of a to-do, such as `Order.ReserveStock`. A message names no more: the to-do's fields may name people.
fn kind_of(value: &[u8]) -> String {
    let waiting: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
    let aggregate = waiting["todo"].as_object().and_then(|todo| todo.iter().next());
    let kind = aggregate.and_then(|(_, todo)| todo.as_object()?.keys().next());
    match (aggregate, kind) {
        (Some((aggregate, _)), Some(kind)) => format!("{aggregate}.{kind}"),
        _ => "a to-do of another form".to_owned(),
    }
}

/// Raises a to-do: the `nth` (from 0) of an event that was recorded. It waits in the queue of `sort`.
pub(crate) fn raise(
    states: &mut impl States,
    recorded: &Recorded,
    nth: u8,
    due: Due,
    sort: Sort,
    todo: impl Serialize,
) -> Key {
    let (lane, due_micros) = match due {
        Due::InLane(lane) => (Some(lane), 0),
        Due::At(due) => (None, due.timestamp_micros().max(1)),
    };
    let key = Key::new(recorded.position, sort, due_micros, nth);
    let waiting = Waiting { cause: recorded.event_id, lane, todo };
    states.put(key.0.to_vec(), serde_json::to_vec(&waiting).expect("a to-do has text keys only"));
    key
}

/// Settles a to-do, which was done or is not owed any more.
pub(crate) fn settle(states: &mut impl States, key: Key) {
    states.remove(key.0.to_vec());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(partition: i32, due_micros: i64, offset: i64) -> Key {
        let position = Position { topic: Topic::Accounts, partition, offset };
        Key::new(position, Sort::Tell, due_micros, 3)
    }

    #[test]
    fn a_key_says_what_it_was_made_of_and_survives_its_text() {
        let key = key(513, 7, 1 << 40);
        assert_eq!(key.raised_by(), Position { topic: Topic::Accounts, partition: 513, offset: 1 << 40 });
        assert_eq!((key.sort(), key.due()), (Sort::Tell, DateTime::from_timestamp_micros(7)));
        assert!(key.as_bytes().starts_with(&Key::prefix(513, Sort::Tell)));
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key);
        assert!(serde_json::from_str::<Key>("\"74é\"").is_err());
        assert_eq!(Key::from_bytes(b"atill/ana"), None);
    }

    #[test]
    fn to_dos_are_ordered_by_time_then_by_offset_whatever_their_partition() {
        let in_order = [key(9, 0, 1), key(1, 0, 2), key(2, 5, 0), key(0, 6, 0)];
        assert!(in_order.is_sorted_by_key(Key::order));
        assert!(!in_order.is_sorted());
    }

    #[test]
    fn a_to_do_of_an_unknown_kind_is_named_without_its_fields() {
        let newer = br#"{"cause":"00000000-0000-0000-0000-000000000001","lane":null,"todo":{"Robot":{"Dance":{"with":"ana"}}}}"#;
        let error = Waiting::<()>::from_bytes(newer).unwrap_err().to_string();
        assert!(error.contains("Robot.Dance") && !error.contains("ana"), "{error}");
    }
}
