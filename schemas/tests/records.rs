//! The one rule for what a record is, which every reader uses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod samples;

use std::collections::HashMap;

use proptest::prelude::*;
use schemas::codec::{self, Framing};
use schemas::keys::KeyForgotten;
use schemas::record::{Claim, Foreign, Newer, Reading, event_id, read};
use schemas::{Event, Topic};
use uuid::Uuid;

/// A record with its headers, which are found by name.
struct Record {
    topic: Topic,
    key: Vec<u8>,
    value: Vec<u8>,
    headers: HashMap<&'static str, Vec<u8>>,
}

impl Record {
    /// The record that Till writes for the event.
    fn of(event: &Event) -> Self {
        let encoded = codec::encode(event, &Framing::SingleObject);
        let headers = [
            ("event-id", Uuid::now_v7().as_bytes().to_vec()),
            ("event-type", event.type_name().as_bytes().to_vec()),
            ("schema", encoded.fingerprint.to_vec()),
        ];
        let key = event.key().as_bytes().to_vec();
        Self { topic: event.topic(), key, value: encoded.value, headers: headers.into() }
    }

    /// A record that a newer Till writes: its headers are right, and its schema has a fingerprint that this binary does
    /// not know.
    fn of_a_newer_till() -> Self {
        let mut record = Self::of(&samples::latest("ReceiptRecorded"));
        record.value[2] ^= 0xff;
        record.headers.insert("schema", record.value[2..10].to_vec());
        record
    }

    fn without(mut self, header: &str) -> Self {
        self.headers.remove(header);
        self
    }

    fn read(&self) -> Result<Reading, Newer> {
        let claim = || Claim::of(|name| self.headers.get(name).map(Vec::as_slice));
        read(self.topic, &self.key, Some(&self.value), claim)
    }

    fn is_foreign(&self) -> bool {
        matches!(self.read(), Ok(Reading::Foreign(_)))
    }
}

#[test]
fn what_till_writes_is_an_event_with_or_without_its_headers() {
    for event in samples::all() {
        let mut record = Record::of(&event);
        assert_eq!(record.read(), Ok(Reading::Event(event.clone())));
        record.headers.clear();
        assert_eq!(record.read(), Ok(Reading::Event(event)));
    }
}

#[test]
fn only_among_keys_a_record_without_a_value_is_an_event() {
    let subject = Uuid::now_v7();
    let key = subject.to_string().into_bytes();
    let without_value = |topic, key: &[u8]| read(topic, key, None, Claim::default);
    let forgotten = Event::from(KeyForgotten { subject });
    assert_eq!(without_value(Topic::Keys, &key), Ok(Reading::Event(forgotten)));
    assert!(matches!(without_value(Topic::Keys, b"ann"), Ok(Reading::Foreign(_))));
    assert!(matches!(without_value(Topic::People, &key), Ok(Reading::Foreign(_))));
    let empty = read(Topic::Keys, &key, Some(&[]), Claim::default);
    assert!(matches!(empty, Ok(Reading::Foreign(_))));
}

#[test]
fn a_confluent_value_is_an_event_where_its_header_names_the_schema() {
    let event = samples::latest("ReceiptRecorded");
    let mut record = Record::of(&event);
    record.value.splice(..10, [0, 0, 0, 0, 42]);
    assert_eq!(record.read(), Ok(Reading::Event(event)));
    assert!(record.without("schema").is_foreign());
}

#[test]
fn an_unknown_schema_under_tills_headers_stops_the_reader_in_words() {
    let stopped = Record::of_a_newer_till().read().unwrap_err();
    assert_eq!(stopped.event_type, "ReceiptRecorded");
    let words = stopped.to_string();
    assert!(words.contains("older than the writer") && words.contains(&stopped.fingerprint), "{words}");

    let mut confluent = Record::of_a_newer_till();
    confluent.value.splice(..10, [0, 0, 0, 0, 42]);
    assert!(confluent.read().is_err());
}

#[test]
fn an_unknown_schema_is_foreign_where_the_headers_are_not_tills() {
    for header in ["event-id", "event-type", "schema"] {
        assert!(Record::of_a_newer_till().without(header).is_foreign(), "without {header}");
    }
    for (header, value) in [
        ("event-id", b"not sixteen".to_vec()),
        ("event-type", Vec::new()),
        ("event-type", b"\xff\xfe".to_vec()),
        ("event-type", b"Receipt Recorded".to_vec()),
        ("event-type", vec![b'a'; 101]),
        ("schema", b"another!".to_vec()),
        ("schema", b"short".to_vec()),
    ] {
        let mut record = Record::of_a_newer_till();
        record.headers.insert(header, value);
        assert!(record.is_foreign(), "with another {header}");
    }
}

#[test]
fn what_no_schema_reads_is_foreign_whatever_its_headers_say() {
    let whole = Record::of(&samples::latest("ReceiptRecorded"));
    let values = [
        Vec::new(),
        b"not an event".to_vec(),
        whole.value[..whole.value.len() - 1].to_vec(),
        [whole.value.as_slice(), b"!"].concat(),
        whole.value[..9].to_vec(),
    ];
    for value in values {
        let mut record = Record::of(&samples::latest("ReceiptRecorded"));
        record.value = value;
        assert!(record.is_foreign(), "{:?}", record.value);
    }
}

#[test]
fn an_event_under_anothers_key_or_in_another_topic_is_foreign() {
    let mut elsewhere = Record::of(&samples::latest("ReceiptRecorded"));
    elsewhere.topic = Topic::Accounts;
    assert_eq!(elsewhere.read(), Ok(Reading::Foreign(Foreign::Place("ReceiptRecorded"))));
    let mut under_anothers_key = Record::of(&samples::latest("ReceiptRecorded"));
    under_anothers_key.key = b"another".to_vec();
    assert!(under_anothers_key.is_foreign());
}

#[test]
fn an_event_without_a_header_for_its_id_has_one_of_its_place_and_value() {
    let id = event_id(None, Topic::Receipts, 3, 7, b"value");
    assert_eq!(event_id(Some(b"not sixteen"), Topic::Receipts, 3, 7, b"value"), id);
    assert_ne!(event_id(None, Topic::Receipts, 3, 8, b"value"), id);
    assert_ne!(event_id(None, Topic::Receipts, 3, 7, b"other"), id);
    let own = Uuid::now_v7();
    assert_eq!(event_id(Some(own.as_bytes()), Topic::Receipts, 3, 7, b"value"), own);
}

proptest! {
    #[test]
    fn an_event_survives_its_record(event in samples::any_event()) {
        prop_assert_eq!(Record::of(&event).read(), Ok(Reading::Event(event)));
    }

    #[test]
    fn random_records_never_panic_and_are_no_events(
        key in prop::collection::vec(any::<u8>(), 0..20),
        value in prop::collection::vec(any::<u8>(), 0..300),
        headers in prop::collection::hash_map(prop::sample::select(vec!["event-id", "event-type", "schema"]), prop::collection::vec(any::<u8>(), 0..17), 0..3),
    ) {
        let record = Record { topic: Topic::Receipts, key, value, headers };
        prop_assert!(!matches!(record.read(), Ok(Reading::Event(_))));
    }
}
