//! Every schema version ever released, oldest first within a type. A released file is never edited or
//! removed: records written with it stay in the log for ever.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use serde_json::Value;

/// 8 bytes, CRC-64-AVRO, little-endian: names a schema on the wire.
pub type Fingerprint = [u8; 8];

/// One released version of one event's schema.
#[derive(Debug)]
pub struct Version {
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

macro_rules! released {
    ($($event_type:literal: [$($file:literal),+]),+ $(,)?) => {
        const RELEASED: &[(&str, &[&str])] = &[
            $(($event_type, &[$(include_str!(concat!("../avro/", $file, ".avsc"))),+])),+
        ];
    };
}

released! {
    "ReceiptRecorded": ["receipt_recorded/v1"],
    "ReceiptVoided": ["receipt_voided/v1"],
    "AccountRegistered": ["account_registered/v1"],
    "RolesAssigned": ["roles_assigned/v1"],
    "LoginLocked": ["login_locked/v1"],
    "LoginUnlocked": ["login_unlocked/v1"],
    "LoginTokenIssued": ["login_token_issued/v1"],
    "LoginTokenRevoked": ["login_token_revoked/v1"],
    "PasswordChanged": ["password_changed/v1"],
    "PlaceHourComputed": ["place_hour_computed/v1", "place_hour_computed/v2"],
    "HourClosed": ["hour_closed/v1", "hour_closed/v2"],
    "ShardAnnounced": ["shard_announced/v1"],
    "TopologyDeclared": ["topology_declared/v1"],
}

static HISTORY: LazyLock<Vec<Version>> = LazyLock::new(|| {
    let versions = RELEASED.iter().flat_map(|(event_type, texts)| {
        texts
            .iter()
            .enumerate()
            .map(move |(index, text)| version(event_type, index, text, index + 1 == texts.len()))
    });
    versions.collect()
});

static BY_FINGERPRINT: LazyLock<HashMap<Fingerprint, &'static Version>> =
    LazyLock::new(|| HISTORY.iter().map(|version| (version.fingerprint, version)).collect());

fn version(event_type: &'static str, index: usize, text: &'static str, is_latest: bool) -> Version {
    let schema = Schema::parse_str(text).expect("released schemas parse");
    let number = u32::try_from(index + 1).expect("few versions");
    Version { event_type, number, schema, text, fingerprint: fingerprint(text), is_latest }
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
