//! Between Kafka's records and events with their place and id.

use domain::Recorded;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders};
use schemas::codec::{self, DecodeError};
use schemas::{Event, EventHeaders, Position, Topic, headers};
use uuid::Uuid;

/// A record no command-api can fold: nothing may be skipped, so it stops the follower.
#[derive(Debug, thiserror::Error)]
#[error("{topic}/{partition} at {offset}: {reason}")]
pub struct Unreadable {
    topic: String,
    partition: i32,
    offset: i64,
    reason: UnreadableReason,
}

#[derive(Debug, thiserror::Error)]
enum UnreadableReason {
    #[error(transparent)]
    Value(#[from] DecodeError),
    #[error("the record has no `event-id` header of 16 bytes")]
    NoEventId,
}

/// The event in a record.
pub fn read(topic: Topic, message: &BorrowedMessage<'_>) -> Result<(Event, Recorded), Unreadable> {
    let position = Position { topic, partition: message.partition(), offset: message.offset() };
    let unreadable = |reason| Unreadable {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        reason,
    };
    let event_id = event_id(message).ok_or_else(|| unreadable(UnreadableReason::NoEventId))?;
    let schema = header(message, headers::SCHEMA);
    let event = codec::decode(message.payload().unwrap_or_default(), schema)
        .map_err(|error| unreadable(error.into()))?;
    Ok((event, Recorded { position, event_id }))
}

/// The id in a record's headers.
pub fn event_id(message: &BorrowedMessage<'_>) -> Option<Uuid> {
    Uuid::from_slice(header(message, headers::EVENT_ID)?).ok()
}

fn header<'m>(message: &'m BorrowedMessage<'_>, key: &str) -> Option<&'m [u8]> {
    message.headers()?.iter().find(|header| header.key == key)?.value
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
