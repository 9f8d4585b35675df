//! Records of the log as folds take them, and batches of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use runtime::kafka::{event_id, header};
use schemas::record::{Claim, Newer, Reading};
use schemas::{Event, Topic};
use uuid::Uuid;

/// One record, decoded.
#[derive(Debug)]
pub struct Record {
    /// Its topic.
    pub topic: Topic,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Arrival: the broker's clock.
    pub recorded_at: DateTime<Utc>,
    /// The aggregate's home.
    pub key: Vec<u8>,
    /// The event, or why it is none.
    pub reading: Reading,
    /// Length of its value.
    pub bytes: usize,
    /// The id of the event in it.
    pub event_id: Uuid,
}

/// An event and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Folded<'r> {
    /// The record.
    pub record: &'r Record,
    /// Its event.
    pub event: &'r Event,
}

impl Record {
    /// Its event, where it is one.
    #[must_use]
    pub const fn folded(&self) -> Option<Folded<'_>> {
        match &self.reading {
            Reading::Event(event) => Some(Folded { record: self, event }),
            Reading::Foreign(_) => None,
        }
    }
}

/// Next offsets by topic and partition.
pub type Positions = BTreeMap<(Topic, i32), i64>;

/// Offset and event's id of the last record of each partition: what tells whether the log is still the same.
pub type LastRecords = BTreeMap<(Topic, i32), (i64, Uuid)>;

/// How far a batch moves one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The next offset before the batch.
    pub from: i64,
    /// The next offset after it, control records counted.
    pub to: i64,
    /// Offset and event's id of its last record; `None` where only control records were passed.
    pub last: Option<(i64, Uuid)>,
}

/// Records and the moves they make together; the records of a partition are in its order. A batch may have moves
/// only: control records and aborted transactions take offsets too.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub records: Vec<Record>,
    /// One for each partition that moves.
    pub moves: Vec<Move>,
}

/// Decodes a consumed message of `topic`.
///
/// # Errors
/// When this binary is too old for it.
pub fn decode(topic: Topic, message: &BorrowedMessage<'_>) -> Result<Record, Newer> {
    let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    let reading = schemas::record::read(topic, key, value, || Claim::of(|name| header(message, name)))?;
    Ok(Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        recorded_at: instant(message),
        key: key.to_vec(),
        reading,
        bytes: value.len(),
        event_id: event_id(topic, message),
    })
}

/// The record's timestamp; 1970 where the broker gave none.
#[must_use]
pub fn instant(message: &BorrowedMessage<'_>) -> DateTime<Utc> {
    message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}
