//! The headers of a record: which event it is, and what caused it.

use uuid::Uuid;

/// 16 bytes: the event's own id, UUIDv7.
pub const EVENT_ID: &str = "event-id";
/// UTF-8: the event's type, such as `ReceiptRecorded`.
pub const EVENT_TYPE: &str = "event-type";
/// 8 bytes: CRC-64-AVRO fingerprint of the writer's schema, little-endian, as in Avro's single-object encoding.
pub const SCHEMA: &str = "schema";
/// 16 bytes: id of the event that made a to-do send the command; absent on a client's command.
pub const CAUSATION_ID: &str = "causation-id";
/// UTF-8: the client's `X-Request-Id`; absent where it sent none.
pub const CORRELATION_ID: &str = "correlation-id";
/// UTF-8: W3C trace context of the request; absent where the client sent none.
pub const TRACEPARENT: &str = "traceparent";

/// The headers of one record, without type and schema, which the codec knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHeaders {
    /// The event's own id.
    pub event_id: Uuid,
    /// The id of the event whose to-do sent the command; `None` on a client's command.
    pub causation_id: Option<Uuid>,
    /// The client's `X-Request-Id`, where it sent one.
    pub correlation_id: Option<String>,
    /// The W3C trace context of the request, where the client sent one.
    pub traceparent: Option<String>,
}

impl EventHeaders {
    /// The headers of an event that nothing known has caused.
    #[must_use]
    pub const fn new(event_id: Uuid) -> Self {
        Self { event_id, causation_id: None, correlation_id: None, traceparent: None }
    }
}
