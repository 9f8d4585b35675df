//! Records of the log as folds take them, and batches of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use runtime::kafka::{self, Unreadable};
use schemas::record::Reading;
use schemas::{Event, Topic};
use uuid::Uuid;

/// A record of the log, with the event in it, if it is one.
#[derive(Debug)]
pub struct Record {
    pub topic: Topic,
    pub partition: i32,
    pub offset: i64,
    /// When it arrived, by the broker's clock.
    pub recorded_at: DateTime<Utc>,
    /// Of an event the home of its aggregate.
    pub key: Vec<u8>,
    /// The event, or why the record is none.
    pub reading: Reading,
    /// The length of the value as it is in the log.
    pub bytes: usize,
    /// The id of the event: see [`schemas::record::event_id`].
    pub event_id: Uuid,
}

/// An event and the record it is in.
#[derive(Clone, Copy, Debug)]
pub struct EventRecord<'r> {
    pub record: &'r Record,
    pub event: &'r Event,
}

impl Record {
    /// The record with its event, if it is an event to Till.
    #[must_use]
    pub const fn as_event(&self) -> Option<EventRecord<'_>> {
        match &self.reading {
            Reading::Event(event) => Some(EventRecord { record: self, event }),
            Reading::Foreign(_) => None,
        }
    }
}

pub use runtime::kafka::Positions;

/// The last record folded of each partition, as its offset and its event's id. If another event stands there, or none, then the
/// log is another one.
pub type LastRecords = BTreeMap<(Topic, i32), (i64, Uuid)>;

/// How far a batch moves one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    pub topic: Topic,
    pub partition: i32,
    /// The next offset to fold before the batch.
    pub from: i64,
    /// The next offset to fold after the batch. Control records take offsets too, so it may be past the last record by more than one.
    pub to: i64,
    /// Offset and event's id of the partition's last record; `None` where only control records were passed.
    pub last: Option<(i64, Uuid)>,
}

/// Records, and how far each partition is once they are folded. The records of a partition are in its order. A batch may have
/// moves and no records, because control records and aborted transactions take offsets too.
#[derive(Debug, Default)]
pub struct Batch {
    pub records: Vec<Record>,
    /// A move for each partition that is further after the batch.
    pub moves: Vec<Move>,
}

/// A message that was received, decoded.
///
/// # Errors
/// When a newer Till has written it, with a schema that this binary does not know.
pub fn decode(message: &kafka::Message<'_>) -> Result<Record, Unreadable> {
    let kafka::Record { position, appended_at, event_id, reading, value_bytes } = message.record();
    let reading = reading.map_err(|newer| Unreadable { position, newer })?;
    Ok(Record {
        topic: position.topic,
        partition: position.partition,
        offset: position.offset,
        recorded_at: appended_at,
        key: message.key().to_vec(),
        reading,
        bytes: value_bytes,
        event_id,
    })
}
