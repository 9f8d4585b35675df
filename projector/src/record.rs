//! Records of the log as folds take them, and batches of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};
use schemas::{Event, Topic, codec, headers};

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
    /// The event, or why it cannot be read.
    pub event: Result<Event, String>,
    /// Length of its value.
    pub bytes: usize,
}

/// An event and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Folded<'r> {
    /// The record.
    pub record: &'r Record,
    /// Its event.
    pub event: &'r Event,
}

/// Next offsets by topic and partition.
pub type Positions = BTreeMap<(Topic, i32), i64>;

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
#[must_use]
pub fn decode(topic: Topic, message: &BorrowedMessage<'_>) -> Record {
    let value = message.payload();
    let event = match value {
        // Only the Confluent wire format needs the header, and reading headers costs more than the datum.
        Some(bytes) if bytes.first() == Some(&0) => codec::decode(bytes, header(message, headers::SCHEMA)),
        Some(bytes) => codec::decode(bytes, None),
        None => codec::decode(&[], None),
    };
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        recorded_at: instant(message),
        key: message.key().unwrap_or_default().to_vec(),
        event: event.map_err(|error| error.to_string()),
        bytes: value.map_or(0, <[u8]>::len),
    }
}

/// The record's timestamp; 1970 where the broker gave none.
#[must_use]
pub fn instant(message: &BorrowedMessage<'_>) -> DateTime<Utc> {
    message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

/// A header's value.
#[must_use]
pub fn header<'m>(message: &'m BorrowedMessage<'_>, name: &str) -> Option<&'m [u8]> {
    let headers = message.headers()?;
    (0..headers.count()).map(|index| headers.get(index)).find(|header| header.key == name)?.value
}
