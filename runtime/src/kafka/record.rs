//! Records of the log as they are read. It is the one place that decodes what Kafka's client has received.

use chrono::{DateTime, Utc};
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers};
use schemas::record::{Claim, Newer, Reading};
use schemas::{Event, Position, Topic, headers};
use uuid::Uuid;

/// A record that was received and is not decoded yet. It borrows the client's memory, so drop it before the client.
pub struct Message<'r> {
    topic: Topic,
    received: BorrowedMessage<'r>,
}

impl<'r> Message<'r> {
    pub(super) fn new(topic: Topic, received: BorrowedMessage<'r>) -> Self {
        Self { topic, received }
    }

    /// Where it stands in the log.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { topic: self.topic, partition: self.received.partition(), offset: self.received.offset() }
    }

    /// The record's key; of an event, the home of its aggregate. Empty where the record has none.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.received.key().unwrap_or_default()
    }

    /// When the broker appended it, by the broker's clock; 1970 where the broker gave no time.
    #[must_use]
    pub fn appended_at(&self) -> DateTime<Utc> {
        let millis = self.received.timestamp().to_millis();
        millis.and_then(DateTime::from_timestamp_millis).unwrap_or_default()
    }

    /// The first header of a name. Each call searches the headers, which costs more than decoding most values.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.received.headers()?.iter().find(|header| header.key == name)?.value
    }

    /// The id of the event in the record: see [`schemas::record::event_id`].
    #[must_use]
    pub fn event_id(&self) -> Uuid {
        let Position { topic, partition, offset } = self.position();
        schemas::record::event_id(self.header(headers::EVENT_ID), topic, partition, offset, self.value())
    }

    /// Decodes the value; the headers are searched for the event's id, and for its schema where the value does not name it.
    #[must_use]
    pub fn record(&self) -> Record {
        let claim = || Claim::of(|name| self.header(name));
        Record {
            position: self.position(),
            appended_at: self.appended_at(),
            event_id: self.event_id(),
            reading: schemas::record::read(self.topic, self.key(), self.received.payload(), claim),
            value_bytes: self.value().len(),
        }
    }

    fn value(&self) -> &[u8] {
        self.received.payload().unwrap_or_default()
    }
}

/// A record of the log, decoded.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it stands in the log.
    pub position: Position,
    /// When the broker appended it, by the broker's clock (`LogAppendTime`).
    pub appended_at: DateTime<Utc>,
    /// The id of the event in it: see [`schemas::record::event_id`].
    pub event_id: Uuid,
    /// What it is: an event, no event, or one that only a newer Till can read. A reader that has fetched ahead may hold the last
    /// kind for later, so it is no error before the record's turn has come.
    pub reading: Result<Reading, Newer>,
    /// The length of its value in the log.
    pub value_bytes: usize,
}

/// A newer Till wrote the record. A fold that went on without it would lack an event, so the reader must stop before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}/{} at {}: {newer}", position.topic.short_name(), position.partition, position.offset)]
pub struct Unreadable {
    /// Where the record stands in the log.
    pub position: Position,
    /// What the record says of its writer's schema.
    pub newer: Newer,
}

impl Record {
    /// The event; `None` where the record is none to any Till, which goes to the log as an error.
    ///
    /// # Errors
    /// When a newer Till wrote the record.
    pub fn event(&self) -> Result<Option<&Event>, Unreadable> {
        match &self.reading {
            Ok(Reading::Event(event)) => Ok(Some(event)),
            Ok(Reading::Foreign(reason)) => {
                self.tell_skipped(reason);
                Ok(None)
            }
            Err(newer) => Err(Unreadable { position: self.position, newer: newer.clone() }),
        }
    }

    /// As [`Self::event`], without a copy of the event.
    ///
    /// # Errors
    /// When a newer Till wrote the record.
    pub fn into_event(self) -> Result<Option<Event>, Unreadable> {
        self.event()?;
        match self.reading {
            Ok(Reading::Event(event)) => Ok(Some(event)),
            Ok(Reading::Foreign(_)) | Err(_) => Ok(None),
        }
    }

    fn tell_skipped(&self, reason: &schemas::record::Foreign) {
        let Position { topic, partition, offset } = self.position;
        tracing::error!(
            kafka.topic = topic.short_name(),
            kafka.partition = partition,
            kafka.offset = offset,
            %reason,
            "a record is skipped"
        );
    }
}
