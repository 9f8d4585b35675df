//! Every schema version ever released, oldest first within a type. A released file is never edited or
//! removed: records written with it stay in the log for ever.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use serde_json::Value;

use crate::{Event, Topic};

/// 8 bytes, CRC-64-AVRO, little-endian: names a schema on the wire.
pub type Fingerprint = [u8; 8];

/// One released version of one event's schema.
#[derive(Debug)]
pub struct Version {
    /// The topic its events are in.
    pub topic: Topic,
    /// The event's type.
    pub event_type: &'static str,
    /// Counts from 1.
    pub number: u32,
    /// The schema.
    pub schema: Schema,
    /// The file's text.
    pub text: &'static str,
    /// What names it on the wire.
    pub fingerprint: Fingerprint,
    /// Today's events of the type are written with it.
    pub is_latest: bool,
}

static HISTORY: LazyLock<Vec<Version>> = LazyLock::new(|| {
    let types =
        Event::RELEASED.iter().flat_map(|(topic, types)| types.iter().map(|released| (*topic, *released)));
    let versions = types.flat_map(|(topic, (event_type, texts))| {
        let is_latest = move |index| index + 1 == texts.len();
        texts
            .iter()
            .enumerate()
            .map(move |(index, text)| version(topic, event_type, index, text, is_latest(index)))
    });
    versions.collect()
});

static BY_FINGERPRINT: LazyLock<HashMap<Fingerprint, &'static Version>> =
    LazyLock::new(|| HISTORY.iter().map(|version| (version.fingerprint, version)).collect());

fn version(
    topic: Topic,
    event_type: &'static str,
    index: usize,
    text: &'static str,
    is_latest: bool,
) -> Version {
    let schema = Schema::parse_str(text).expect("released schemas parse");
    let number = u32::try_from(index + 1).expect("few versions");
    Version { topic, event_type, number, schema, text, fingerprint: fingerprint(text), is_latest }
}

/// CRC-64-AVRO of the parsing canonical form, which by Avro's specification has no logical types: apache-avro
/// leaves their attributes in, so they are taken out before it sees the schema.
fn fingerprint(text: &str) -> Fingerprint {
    let mut definition: Value = serde_json::from_str(text).expect("released schemas are JSON");
    strip_logical_types(&mut definition);
    let schema = Schema::parse(&definition).expect("released schemas parse");
    schema.fingerprint::<Rabin>().bytes.as_slice().try_into().expect("CRC-64 has 8 bytes")
}

fn strip_logical_types(definition: &mut Value) {
    match definition {
        Value::Object(attributes) => {
            for attribute in ["logicalType", "precision", "scale"] {
                attributes.remove(attribute);
            }
            attributes.values_mut().for_each(strip_logical_types);
        }
        Value::Array(elements) => elements.iter_mut().for_each(strip_logical_types),
        _ => {}
    }
}

/// All versions, oldest first within a type.
#[must_use]
pub fn all() -> &'static [Version] {
    &HISTORY
}

/// The version a fingerprint names.
#[must_use]
pub fn find(fingerprint: Fingerprint) -> Option<&'static Version> {
    BY_FINGERPRINT.get(&fingerprint).copied()
}

/// The version events of the type are written with.
#[must_use]
pub fn latest(event_type: &str) -> Option<&'static Version> {
    HISTORY.iter().find(|version| version.is_latest && version.event_type == event_type)
}
