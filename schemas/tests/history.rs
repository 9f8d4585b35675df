//! The promise of the log: what was ever written can be read for ever.
//!
//! `released.txt` has a line for each released schema file, with its SHA-256. `golden/` has an event of each version
//! twice: `.hex` as it was written, and `.json` as it is read today. For a new version, write its `.json` yourself;
//! `TILL_RELEASE=1 cargo test -p schemas` then adds the line and the `.hex`. It never changes a line or file that is
//! there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod samples;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use apache_avro::schema_compatibility::SchemaCompatibility;
use proptest::prelude::*;
use schemas::codec;
use schemas::codec::Framing;
use schemas::history::{self, Version};
use schemas::personal;
use sha2::{Digest, Sha256};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn releasing() -> bool {
    std::env::var_os("TILL_RELEASE").is_some()
}

fn name(version: &Version) -> String {
    format!("{}_v{}", version.event_type, version.number)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_released_schema_is_never_edited_or_removed() {
    let path = root().join("avro/released.txt");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut released: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        .collect();
    let events = history::all().iter().map(|version| (name(version), version.text));
    let personal = (1..).zip(personal::RELEASED).map(|(number, text)| (format!("Personal_v{number}"), *text));
    let present: BTreeMap<String, String> =
        events.chain(personal).map(|(name, text)| (name, hex(&Sha256::digest(text.as_bytes())))).collect();
    for (name, digest) in &released {
        assert_eq!(present.get(name), Some(digest), "{name} was released: edit a new version instead");
    }
    if releasing() {
        released.extend(present.clone());
        let lines: Vec<_> = released.iter().map(|(name, digest)| format!("{name} {digest}\n")).collect();
        fs::write(&path, lines.concat()).unwrap();
    }
    for name in present.keys() {
        assert!(released.contains_key(name), "{name} is new: see this file's first lines");
    }
}

#[test]
fn every_schema_file_is_in_the_history() {
    let folders =
        fs::read_dir(root().join("avro")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap()).count();
    let listed = history::all().len() + personal::RELEASED.len();
    assert_eq!(files, listed, "the streams, or personal.rs, list every file under avro/");
}

#[test]
fn versions_of_a_type_read_each_other() {
    for earlier in history::all() {
        for later in history::all().iter().filter(|later| later.event_type == earlier.event_type) {
            let compatible = SchemaCompatibility::mutual_read(&earlier.schema, &later.schema);
            assert!(compatible.is_ok(), "{} and {}: {compatible:?}", name(earlier), name(later));
        }
    }
}

#[test]
fn an_incompatible_version_is_noticed() {
    let text = history::latest("LoginLocked").unwrap().text;
    let earlier = apache_avro::Schema::parse_str(text).unwrap();
    let without_default = text.replace("\"until\"", "\"ends_at\"");
    let later = apache_avro::Schema::parse_str(&without_default).unwrap();
    assert!(SchemaCompatibility::mutual_read(&earlier, &later).is_err());
}

#[test]
fn what_every_version_wrote_is_read_into_todays_type() {
    for version in history::all() {
        let path = root().join("tests/golden").join(format!("{}.hex", name(version)));
        let sample = samples::of(version);
        let written = hex(&codec::encode(&sample, &Framing::SingleObject).value);
        if releasing() && !path.exists() && version.is_latest {
            fs::write(&path, &written).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        assert_eq!(codec::decode(&bytes(&golden), None).unwrap(), sample, "{}", name(version));
        if version.is_latest {
            assert_eq!(written, golden.trim(), "{} is written as ever", name(version));
        }
    }
}

#[test]
fn the_confluent_wire_format_is_read_with_the_header_alone() {
    let ids: Vec<u32> = (0..).map(|number| 0x0102_0300 + number).take(history::all().len()).collect();
    let framing = Framing::confluent(&ids);
    for (version, id) in history::all().iter().zip(ids).filter(|(version, _)| version.is_latest) {
        let sample = samples::of(version);
        let encoded = codec::encode(&sample, &framing);
        let datum = &codec::encode(&sample, &Framing::SingleObject).value[10..];
        assert_eq!(encoded.value, [&[0], id.to_be_bytes().as_slice(), datum].concat(), "{}", name(version));
        assert_eq!(codec::decode(&encoded.value, Some(&encoded.fingerprint)).unwrap(), sample);
        assert!(matches!(codec::decode(&encoded.value, None), Err(codec::DecodeError::NoFingerprint)));
    }
}

proptest! {
    #[test]
    fn an_event_survives_its_encoding(event in samples::any_event()) {
        let encoded = codec::encode(&event, &Framing::SingleObject);
        prop_assert_eq!(codec::decode(&encoded.value, Some(&encoded.fingerprint)).unwrap(), event);
    }

    #[test]
    fn random_bytes_never_panic(value in prop::collection::vec(any::<u8>(), 0..300), header in prop::option::of(prop::collection::vec(any::<u8>(), 0..12))) {
        let _ = codec::decode(&value, header.as_deref());
    }

    #[test]
    fn a_damaged_event_never_panics(event in samples::any_event(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut value = codec::encode(&event, &Framing::SingleObject).value;
        let index = at.index(value.len());
        value[index] = byte;
        value.truncate(cut.index(value.len() + 1));
        let _ = codec::decode(&value, None);
    }
}
