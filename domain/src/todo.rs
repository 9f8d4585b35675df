//! To-dos: what an aggregate still owes, raised and settled by `evolve` alone. An aggregate's state keeps the [`Key`]s of
//! its open ones, so that the event that ends one can settle it without a search.

use chrono::{DateTime, Utc};
use schemas::{Event, Position, Topic};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::states::{Recorded, States};

/// Counts up whenever the bytes of keys or values below change.
pub(crate) const FOLD_VERSION: u32 = 1;

/// What the keys of to-dos begin with.
const PREFIX: u8 = b't';

/// From the events of told commands, in the commands' order, to the command of the to-do's own home that settles it.
pub type Settle<C> = Box<dyn FnOnce(&[Event]) -> C + Send>;

/// What is to be done; `C` is any command.
pub enum Act<C> {
    /// The owner decides this command in a batch of its own: its home is the to-do's.
    Command(Box<C>),
    /// The owners of other homes are told these commands; what their events say becomes the command that settles the to-do.
    Tell {
        /// Each is decided once, however often it is told.
        commands: Vec<C>,
        /// Makes the command that settles the to-do.
        settle: Settle<C>,
    },
}

impl<C> Act<C> {
    /// To decide a command of the to-do's own home.
    pub fn command(command: impl Into<C>) -> Self {
        Self::Command(Box::new(command.into()))
    }

    /// To tell commands to other homes, and to settle the to-do by what their events say.
    pub fn tell<S: Into<C>>(commands: Vec<C>, settle: impl FnOnce(&[Event]) -> S + Send + 'static) -> Self {
        Self::Tell { commands, settle: Box::new(|events| settle(events).into()) }
    }

    /// The queue that such to-dos wait in.
    #[must_use]
    pub const fn sort(&self) -> Sort {
        match self {
            Self::Command(_) => Sort::Command,
            Self::Tell { .. } => Sort::Tell,
        }
    }
}

/// To-dos of one sort wait in one queue: those of another go on beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// See [`Act::Command`].
    Command,
    /// See [`Act::Tell`].
    Tell,
}

impl Sort {
    /// Every sort.
    pub const ALL: [Self; 2] = [Self::Command, Self::Tell];

    const fn letter(self) -> u8 {
        match self {
            Self::Command => b'c',
            Self::Tell => b't',
        }
    }
}

/// When a to-do is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once, in the order of the events that raised them among those of one lane and sort. A lane is an aggregate, or
    /// what of it must not overlap.
    InLane(String),
    /// Not before an instant, and beside all others.
    At(DateTime<Utc>),
}

/// Where a to-do stands in a store: partition, sort, microseconds when it is due (0: at once), and the event that raised it.
/// Keys sort in the order in which to-dos are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; Key::BYTES]);

impl Key {
    /// Its length.
    pub const BYTES: usize = 22;

    /// Of the `nth` to-do of the event at a position.
    fn new(position: Position, sort: Sort, due_micros: i64, nth: u8) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&Self::prefix(position.partition, sort));
        bytes[4..12].copy_from_slice(&due_micros.max(0).to_be_bytes());
        bytes[12] = position.topic.letter();
        bytes[13..21].copy_from_slice(&position.offset.to_be_bytes());
        bytes[21] = nth;
        Self(bytes)
    }

    /// What the keys of a partition's to-dos of a sort begin with.
    #[must_use]
    pub const fn prefix(partition: i32, sort: Sort) -> [u8; 4] {
        let [_, _, high, low] = partition.to_be_bytes();
        [PREFIX, high, low, sort.letter()]
    }

    /// The key in a store's bytes; `None` of another state's key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = Self(bytes.try_into().ok()?);
        (bytes[0] == PREFIX && key.event().is_some() && key.try_sort().is_some()).then_some(key)
    }

    /// As in a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The queue it waits in.
    ///
    /// # Panics
    /// Never: no key is made without a sort.
    #[must_use]
    pub fn sort(&self) -> Sort {
        self.try_sort().expect("no key is made without a sort")
    }

    /// When it is due; `None`: at once.
    #[must_use]
    pub fn due(&self) -> Option<DateTime<Utc>> {
        let micros = i64::from_be_bytes(self.0[4..12].try_into().expect("8 bytes"));
        if micros == 0 { None } else { DateTime::from_timestamp_micros(micros) }
    }

    /// What orders to-dos of one sort, whatever their partition.
    #[must_use]
    pub fn order(&self) -> [u8; Self::BYTES] {
        let mut order = [0; Self::BYTES];
        order[..Self::BYTES - 4].copy_from_slice(&self.0[4..]);
        order[Self::BYTES - 4..].copy_from_slice(&self.0[..4]);
        order
    }

    /// The position of the event that raised it.
    ///
    /// # Panics
    /// Never: no key is made without a topic.
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
        let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&hex)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        let byte = |index| u8::from_str_radix(hex.get(2 * index..2 * index + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..hex.len().div_ceil(2)).map(byte).collect();
        bytes
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or_else(|| de::Error::custom("no to-do has this key"))
    }
}

/// A to-do as it waits in a store, under its [`Key`]; `T` is any to-do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting<T> {
    /// The id of the event that raised it.
    pub cause: Uuid,
    /// See [`Due::InLane`].
    pub lane: Option<String>,
    /// What is owed.
    pub todo: T,
}

/// A to-do of a kind that this binary does not know: it is kept for one that does.
#[derive(Debug, thiserror::Error)]
#[error("this binary does not know how to do {0}")]
pub struct UnknownTodo(String);

impl<T: DeserializeOwned> Waiting<T> {
    /// Reads a store's value.
    ///
    /// # Errors
    /// A newer Till wrote it.
    pub fn from_bytes(value: &[u8]) -> Result<Self, UnknownTodo> {
        serde_json::from_slice(value).map_err(|_| UnknownTodo(kind_of(value)))
    }
}

/// `Order.ReserveStock`: its fields may name people, so that they are in no message.
fn kind_of(value: &[u8]) -> String {
    let waiting: serde_json::Value = serde_json::from_slice(value).unwrap_or_default();
    let aggregate = waiting["todo"].as_object().and_then(|todo| todo.iter().next());
    let kind = aggregate.and_then(|(_, todo)| todo.as_object()?.keys().next());
    match (aggregate, kind) {
        (Some((aggregate, _)), Some(kind)) => format!("{aggregate}.{kind}"),
        _ => "a to-do of another form".to_owned(),
    }
}

/// Raises the `nth` to-do (from 0) of an event that was recorded, to wait in the queue of a sort.
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

/// Settles a to-do: it has been done, or is not owed any more.
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
