//! Between Kafka's records and events with their place and id.

use domain::Recorded;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, OwnedHeaders};
use runtime::kafka::{event_id, header};
use schemas::record::{Claim, Newer, Reading};
use schemas::{Event, EventHeaders, Position, Topic, headers};

/// A record this binary is too old for: nothing may be skipped, so it stops the reader.
#[derive(Debug, thiserror::Error)]
#[error("{topic}/{partition} at {offset}: {newer}")]
pub struct Unreadable {
    topic: String,
    partition: i32,
    offset: i64,
    newer: Newer,
}

/// The event in a record; `None` where it is none, to no Till.
pub fn read(topic: Topic, message: &BorrowedMessage<'_>) -> Result<Option<(Event, Recorded)>, Unreadable> {
    let (partition, offset) = (message.partition(), message.offset());
    let claim = || Claim::of(|name| header(message, name));
    let key = message.key().unwrap_or_default();
    match schemas::record::read(topic, key, message.payload().unwrap_or_default(), claim) {
        Ok(Reading::Event(event)) => {
            let position = Position { topic, partition, offset };
            Ok(Some((event, Recorded { position, event_id: event_id(topic, message) })))
        }
        Ok(Reading::Foreign(reason)) => {
            tracing::error!(kafka.topic = message.topic(), kafka.partition = partition, kafka.offset = offset, %reason, "a record is skipped");
            Ok(None)
        }
        Err(newer) => Err(Unreadable { topic: message.topic().to_owned(), partition, offset, newer }),
    }
}

/// The headers of a record to be written.
pub fn write_headers(event: &Event, fingerprint: &[u8; 8], headers_of: &EventHeaders) -> OwnedHeaders {
    let mut written = OwnedHeaders::new_with_capacity(6)
        .insert(Header { key: headers::EVENT_ID, value: Some(headers_of.event_id.as_bytes()) })
        .insert(Header { key: headers::EVENT_TYPE, value: Some(event.type_name()) })
        .insert(Header { key: headers::SCHEMA, value: Some(fingerprint) });
    if let Some(causation_id) = &headers_of.causation_id {
        written = written.insert(Header { key: headers::CAUSATION_ID, value: Some(causation_id.as_bytes()) });
    }
    if let Some(correlation_id) = &headers_of.correlation_id {
        written = written.insert(Header { key: headers::CORRELATION_ID, value: Some(correlation_id) });
    }
    if let Some(traceparent) = &headers_of.traceparent {
        written = written.insert(Header { key: headers::TRACEPARENT, value: Some(traceparent) });
    }
    written
}
