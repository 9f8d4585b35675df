//! What a record is to its readers: an event, no event, or an event that only a newer Till can read.
//!
//! All readers use this one rule, because states and figures that are folded from one log must agree: see ADR 17.

use uuid::Uuid;

use crate::codec::{self, DecodeError};
use crate::history::Fingerprint;
use crate::keys::KeyForgotten;
use crate::{Event, Topic, headers};

/// What a record turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every record is an event: a box would be an allocation for each"
)]
pub enum Reading {
    /// The record is this event.
    Event(Event),
    /// The record is no event to any Till. Every reader skips it, and says so.
    Foreign(Foreign),
}

/// Why a record is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// No schema of the history reads the value. The text says why.
    #[error("it is no event of Till: {0}")]
    Value(String),
    /// The value is an event of this type, but it stands under another key than its own, or in another topic.
    #[error("it is no event of Till: a {0} does not belong in this topic under this key")]
    Place(&'static str),
}

/// Why a record stops its reader: a Till wrote it with a schema that this binary does not know. A fold that went on
/// would lack an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this binary is older than the writer: no schema of its history has the fingerprint {fingerprint} of this {event_type}; upgrade it (readers before writers)"
)]
pub struct Newer {
    /// The type of the event, as its writer calls it.
    pub event_type: String,
    /// The fingerprint of the writer's schema, in hexadecimal.
    pub fingerprint: String,
}

/// What the headers of a record say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The fingerprint in the `schema` header; `None` where that has not exactly 8 bytes.
    pub schema: Option<Fingerprint>,
    /// The name in the `event-type` header; `None` unless all of Till's headers are there and well-formed.
    pub event_type: Option<String>,
}

/// The most bytes that the name of an event type may have.
const MAX_TYPE_BYTES: usize = 100;

impl Claim {
    /// Reads the claim from a record's headers; `header` finds one by its name.
    pub fn of<'r>(header: impl Fn(&str) -> Option<&'r [u8]>) -> Self {
        let schema = header(headers::SCHEMA).and_then(|bytes| bytes.try_into().ok());
        let event_id = header(headers::EVENT_ID).and_then(|bytes| Uuid::from_slice(bytes).ok());
        let name = header(headers::EVENT_TYPE).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let name = name.filter(|name| (1..=MAX_TYPE_BYTES).contains(&name.len()));
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let event_type = name.filter(|name| is_name(name) && event_id.is_some() && schema.is_some());
        Self { schema, event_type: event_type.map(str::to_owned) }
    }
}

/// Reads a record of a topic. A record of [`Topic::Keys`] without a value says that its person's key is forgotten; elsewhere
/// such a record is no event. An empty value is none of those: compaction deletes nothing because of it. `claim` is called
/// only where the value alone does not tell, because finding headers costs more than reading most values.
///
/// # Errors
/// [`Newer`]: the reader must stop before this record, and say that its binary is too old.
pub fn read(
    topic: Topic,
    key: &[u8],
    value: Option<&[u8]>,
    claim: impl FnOnce() -> Claim,
) -> Result<Reading, Newer> {
    let Some(value) = value else { return Ok(without_value(topic, key)) };
    let (claim, decoded) = if codec::needs_header(value) {
        let claim = claim();
        let decoded = codec::decode(value, claim.schema.as_ref().map(<[u8; 8]>::as_slice));
        (Some(claim), decoded)
    } else {
        match codec::decode(value, None) {
            Ok(event) => (None, Ok(event)),
            Err(error) => (Some(claim()), Err(error)),
        }
    };
    match decoded {
        Ok(event) if event.topic() == topic && event.key().as_bytes() == key => Ok(Reading::Event(event)),
        Ok(event) => Ok(Reading::Foreign(Foreign::Place(event.type_name()))),
        Err(error) => match newer(&error, claim.unwrap_or_default()) {
            Some(newer) => Err(newer),
            None => Ok(Reading::Foreign(Foreign::Value(error.to_string()))),
        },
    }
}

fn without_value(topic: Topic, key: &[u8]) -> Reading {
    let subject = std::str::from_utf8(key).ok().and_then(|key| Uuid::try_parse(key).ok());
    match subject {
        Some(subject) if topic == Topic::Keys => Reading::Event(KeyForgotten { subject }.into()),
        _ => Reading::Foreign(Foreign::Value("it has no value".to_owned())),
    }
}

/// Whether a newer Till wrote the record: its framing is well-formed, it has Till's headers, and both name the same
/// schema.
fn newer(error: &DecodeError, claim: Claim) -> Option<Newer> {
    let DecodeError::UnknownSchema(fingerprint) = error else { return None };
    let event_type = claim.event_type.filter(|_| claim.schema == Some(*fingerprint))?;
    Some(Newer { event_type, fingerprint: hex::encode(fingerprint) })
}

/// The id of the event in a record: the one in its header, else one that is made of its position and value. So an event
/// that was copied without its headers is an event to every reader, and has the same id for all of them.
#[must_use]
pub fn event_id(header: Option<&[u8]>, topic: Topic, partition: i32, offset: i64, value: &[u8]) -> Uuid {
    header.and_then(|bytes| Uuid::from_slice(bytes).ok()).unwrap_or_else(|| {
        let mut name = format!("{}/{partition}/{offset}/", topic.short_name()).into_bytes();
        name.extend_from_slice(value);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &name)
    })
}
