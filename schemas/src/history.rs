//! Every schema version that was ever released, oldest first within a type. A released file is never edited or removed,
//! because records that were written with it stay in the log for ever.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use serde_json::Value;

use crate::{Event, Topic};

/// The name of a schema on the wire: its CRC-64-AVRO fingerprint, 8 bytes, little-endian.
pub type Fingerprint = [u8; 8];

/// One released version of one event's schema.
#[derive(Debug)]
pub struct Version {
    /// The topic that events of the type are in.
    pub topic: Topic,
    /// The name of the event's type.
    pub event_type: &'static str,
    /// The number of the version within its type, from 1.
    pub number: u32,
    /// The schema, parsed with its logical types.
    pub schema: Schema,
    /// The text of the schema's file, byte for byte.
    pub text: &'static str,
    /// The fingerprint that stands for the schema on the wire.
    pub fingerprint: Fingerprint,
    /// Whether it is the version that today's events of the type are written with.
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

/// CRC-64-AVRO of the schema's parsing canonical form. By Avro's specification that form has no logical types, but
/// apache-avro leaves their attributes in. So they are taken out before it sees the schema.
pub(crate) fn fingerprint(text: &str) -> Fingerprint {
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

/// All versions of all types, oldest first within a type.
#[must_use]
pub fn all() -> &'static [Version] {
    &HISTORY
}

/// The version that has this fingerprint, if it is in the history.
#[must_use]
pub fn find(fingerprint: Fingerprint) -> Option<&'static Version> {
    BY_FINGERPRINT.get(&fingerprint).copied()
}

/// The version that events of this type are written with, if there is such a type.
#[must_use]
pub fn latest(event_type: &str) -> Option<&'static Version> {
    HISTORY.iter().find(|version| version.is_latest && version.event_type == event_type)
}
