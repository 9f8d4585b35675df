//! The codec between events and the values of records.
//!
//! [`Framing`] says how a value is written. The schema's fingerprint stands in the `schema` header too, so a value in
//! the Confluent wire format is read without asking a registry.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::types::Value;

use crate::Event;
use crate::datum::{self, Reader, Writer};
use crate::history::{self, Fingerprint, Version};

/// The first bytes of Avro single-object encoding.
pub(crate) const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
const SINGLE_OBJECT_HEADER_BYTES: usize = 10;
const CONFLUENT: u8 = 0x00;
const CONFLUENT_HEADER_BYTES: usize = 5;

/// How a value names the schema that its datum was written with.
#[derive(Clone, Debug)]
pub enum Framing {
    /// Avro single-object encoding: `C3 01`, the schema's fingerprint, the datum.
    SingleObject,
    /// Confluent wire format: `00`, the schema's id in a registry as 4 bytes big-endian, the datum.
    Confluent(SchemaIds),
}

/// The ids that a registry gave to the schemas of the history.
#[derive(Clone, Debug)]
pub struct SchemaIds(HashMap<Fingerprint, u32>);

impl Framing {
    /// The Confluent wire format, with ids in the order of [`history::all`].
    ///
    /// # Panics
    /// Where the number of ids is not the number of versions.
    #[must_use]
    pub fn confluent(ids: &[u32]) -> Self {
        let versions = history::all();
        assert_eq!(ids.len(), versions.len(), "each version is registered");
        Self::Confluent(SchemaIds(
            versions.iter().map(|version| version.fingerprint).zip(ids.iter().copied()).collect(),
        ))
    }

    fn begin(&self, fingerprint: &Fingerprint, value: &mut Vec<u8>) {
        match self {
            Self::SingleObject => {
                value.extend_from_slice(&SINGLE_OBJECT);
                value.extend_from_slice(fingerprint);
            }
            Self::Confluent(SchemaIds(ids)) => {
                value.push(CONFLUENT);
                value.extend_from_slice(&ids[fingerprint].to_be_bytes());
            }
        }
    }
}

/// An event as it is written into a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// The value of the record.
    pub value: Vec<u8>,
    /// The fingerprint of the schema, for the `schema` header.
    pub fingerprint: Fingerprint,
}

/// Why a value is no event of this binary's history.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The value is in neither single-object encoding nor Confluent wire format.
    #[error("the value is neither Avro single-object encoding nor Confluent wire format")]
    Framing,
    /// The value is in Confluent wire format, and the record has no `schema` header.
    #[error("the value is in Confluent wire format, but the record has no `schema` header")]
    NoFingerprint,
    /// The value's schema is not in this binary's history. [`crate::record`] tells whether a newer Till wrote it.
    #[error("schema {} is not in this binary's history", hex::encode(.0))]
    UnknownSchema(Fingerprint),
    /// The datum does not fit the schema that it names.
    #[error("the value does not fit schema {event_type} v{version}: {source}")]
    Datum {
        /// The type of event that the fingerprint stands for.
        event_type: &'static str,
        /// The version of that type's schema, from 1.
        version: u32,
        /// Avro's own error.
        source: Box<apache_avro::Error>,
    },
    /// So many bytes follow the datum.
    #[error("{0} bytes follow the event")]
    TrailingBytes(usize),
}

struct Codec {
    version: &'static Version,
    writer: Writer,
    reader: Reader,
}

/// Every version's writer and reader. They are built once: resolving a schema costs more than reading a thousand
/// events.
static CODECS: LazyLock<HashMap<Fingerprint, Codec>> =
    LazyLock::new(|| history::all().iter().map(|version| (version.fingerprint, codec(version))).collect());

static LATEST: LazyLock<HashMap<&'static str, Fingerprint>> = LazyLock::new(|| {
    let latest = history::all().iter().filter(|version| version.is_latest);
    latest.map(|version| (version.event_type, version.fingerprint)).collect()
});

fn codec(version: &'static Version) -> Codec {
    let (writer, reader) = datum::of(&version.schema);
    Codec { version, writer, reader }
}

/// Writes an event with its type's latest schema.
///
/// # Panics
/// Where an event's Rust type and its latest schema differ, which the golden tests rule out.
#[must_use]
pub fn encode(event: &Event, framing: &Framing) -> Encoded {
    let fingerprint = LATEST[event.type_name()];
    let mut value = Vec::with_capacity(256);
    framing.begin(&fingerprint, &mut value);
    event.write(&CODECS[&fingerprint].writer, &mut value).expect("an event fits its latest schema");
    Encoded { value, fingerprint }
}

/// Reads a record's value, written with any version of its schema, into today's event.
///
/// `schema_header` is the `schema` header's value, where the record has one.
///
/// # Errors
/// See [`DecodeError`]. No input panics.
pub fn decode(value: &[u8], schema_header: Option<&[u8]>) -> Result<Event, DecodeError> {
    let (fingerprint, datum) = unframe(value, schema_header)?;
    let codec = CODECS.get(&fingerprint).ok_or(DecodeError::UnknownSchema(fingerprint))?;
    let version = codec.version;
    let failed = |source| DecodeError::Datum {
        event_type: version.event_type,
        version: version.number,
        source: Box::new(source),
    };
    let mut rest = datum;
    let event = if version.is_latest {
        Event::read(version.topic, version.event_type, &codec.reader, &mut rest)
    } else {
        read_older(codec, &mut rest)
    };
    let event = event.map_err(failed)?;
    if rest.is_empty() { Ok(event) } else { Err(DecodeError::TrailingBytes(rest.len())) }
}

fn unframe<'v>(
    value: &'v [u8],
    schema_header: Option<&[u8]>,
) -> Result<(Fingerprint, &'v [u8]), DecodeError> {
    if value.starts_with(&SINGLE_OBJECT) && value.len() >= SINGLE_OBJECT_HEADER_BYTES {
        let (head, datum) = value.split_at(SINGLE_OBJECT_HEADER_BYTES);
        let fingerprint = head[SINGLE_OBJECT.len()..].try_into().expect("10 - 2 bytes");
        return Ok((fingerprint, datum));
    }
    if value.first() == Some(&CONFLUENT) && value.len() >= CONFLUENT_HEADER_BYTES {
        let header = schema_header.ok_or(DecodeError::NoFingerprint)?;
        let fingerprint = header.try_into().map_err(|_| DecodeError::NoFingerprint)?;
        return Ok((fingerprint, &value[CONFLUENT_HEADER_BYTES..]));
    }
    Err(DecodeError::Framing)
}

/// Reads a datum of an older version. Avro's resolution from the writer's schema to the latest one does the upcasting.
/// It gives a value and not a serde type, so the value is written with the latest schema and read again.
fn read_older(older: &Codec, datum: &mut &[u8]) -> Result<Event, apache_avro::Error> {
    let latest = &CODECS[&LATEST[older.version.event_type]];
    let resolved = widened(older.reader.read_value(datum)?)?.resolve(&latest.version.schema)?;
    let rewritten = latest.writer.write_value_to_vec(resolved)?;
    Event::read(latest.version.topic, latest.version.event_type, &latest.reader, &mut rewritten.as_slice())
}

/// How many bytes hold the largest amount a schema allows, which has 38 digits.
const DECIMAL_BYTES: usize = 16;

/// The value with every decimal at full length. Avro writes only as many bytes as a number needs, but apache-avro
/// refuses to resolve a decimal whose bytes could not hold every number of the schema's precision.
fn widened(value: Value) -> Result<Value, apache_avro::Error> {
    Ok(match value {
        Value::Decimal(decimal) => {
            let bytes = Vec::<u8>::try_from(decimal)?;
            let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xFF } else { 0x00 };
            let mut wide = vec![sign; DECIMAL_BYTES.saturating_sub(bytes.len())];
            wide.extend_from_slice(&bytes);
            Value::Decimal(wide.into())
        }
        Value::Union(branch, inner) => Value::Union(branch, Box::new(widened(*inner)?)),
        Value::Array(values) => Value::Array(values.into_iter().map(widened).collect::<Result<_, _>>()?),
        Value::Record(fields) => {
            let fields = fields.into_iter().map(|(name, value)| Ok((name, widened(value)?)));
            Value::Record(fields.collect::<Result<_, apache_avro::Error>>()?)
        }
        other => other,
    })
}

/// Whether [`decode`] needs the `schema` header to read this value.
pub(crate) fn needs_header(value: &[u8]) -> bool {
    value.first() == Some(&CONFLUENT)
}
