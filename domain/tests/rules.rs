//! The rules of receipts as given, when and then, and the laws that replay rests on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod memory;

use chrono::{DateTime, Utc};
use domain::receipt::{self, RecordReceipt, VoidReceipt};
use domain::{Command, Decision};
use memory::Memory;
use proptest::prelude::*;
use schemas::receipts::{Item, Receipt};
use schemas::{Money, Position, Topic};

fn now() -> DateTime<Utc> {
    "2024-02-07T12:00:00Z".parse().unwrap()
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn a_receipt(transaction_id: &str, price: &str) -> Receipt {
    Receipt {
        transaction_id: transaction_id.into(),
        occurred_at: now(),
        items: vec![Item { product_id: "p".into(), quantity: 2, price: money(price), category: "c".into() }],
        total_amount: money(price).times(2).unwrap(),
        tax_amount: Money::ZERO,
        tips_amount: Money::ZERO,
        payment_method: "card".into(),
        place_id: "011".into(),
        place_name: "Corner".into(),
    }
}

fn record(transaction_id: &str, price: &str) -> Command {
    let receipt = a_receipt(transaction_id, price);
    Command::from(RecordReceipt { receipt, totals_match: true, recorded_by: "terminal".into() })
}

fn void(transaction_id: &str, reason: &str) -> Command {
    let receipt = Some(a_receipt(transaction_id, "1.00"));
    Command::from(VoidReceipt {
        transaction_id: transaction_id.into(),
        receipt,
        reason: reason.into(),
        voided_by: "admin".into(),
    })
}

fn at(topic: Topic, offset: i64) -> Position {
    Position { topic, partition: 3, offset }
}

#[test]
fn a_receipt_is_recorded_once_and_answered_alike_ever_after() {
    let mut till = Memory::default();
    assert!(matches!(till.when(record("a", "1.00")), Ok(Decision::Append(..))));
    assert_eq!(till.when(record("a", "1.00")), Ok(Decision::Already(at(Topic::Receipts, 0))));
    assert_eq!(till.when(record("a", "1.01")), Err(receipt::Rejection::IdTaken.into()));
    assert!(matches!(till.when(record("b", "1.01")), Ok(Decision::Append(..))));
}

#[test]
fn a_void_needs_its_receipt_and_happens_once() {
    let mut till = Memory::default();
    assert_eq!(till.when(void("a", "twice")), Err(receipt::Rejection::Unknown.into()));
    let found_none = VoidReceipt {
        transaction_id: "a".into(),
        receipt: None,
        reason: "r".into(),
        voided_by: "admin".into(),
    };
    assert_eq!(till.when(Command::from(found_none.clone())), Err(receipt::Rejection::Unknown.into()));
    till.when(record("a", "1.00")).unwrap();
    assert!(matches!(till.when(void("a", "twice")), Ok(Decision::Append(..))));
    assert_eq!(till.when(void("a", "twice")), Ok(Decision::Already(at(Topic::Receipts, 1))));
    assert_eq!(till.when(void("a", "other")), Err(receipt::Rejection::VoidConflict.into()));
    assert_eq!(till.when(record("a", "1.00")), Ok(Decision::Already(at(Topic::Receipts, 0))));
}

#[test]
fn a_total_that_is_not_the_sum_is_told_apart_also_below_zero() {
    let mut receipt = a_receipt("a", "1.50");
    assert!(receipt::totals_match(&receipt));
    receipt.items[0].quantity = -2;
    assert!(!receipt::totals_match(&receipt));
    receipt.total_amount = Money::ZERO - money("3.00");
    assert!(receipt::totals_match(&receipt));
}

#[test]
fn what_is_wrong_between_fields_is_named() {
    let mut receipt = a_receipt("a", "1.50");
    assert_eq!(receipt::violations(&receipt), []);
    receipt.total_amount = money("2.99");
    receipt.tax_amount = money("3.00");
    let found = receipt::violations(&receipt);
    assert_eq!(
        found.iter().map(|violation| violation.pointer).collect::<Vec<_>>(),
        ["/total_amount", "/tax_amount"]
    );
    assert!(found[0].detail.contains("3.00"), "{}", found[0].detail);
}

#[test]
fn timestamps_are_read_in_the_zone_unless_they_name_one() {
    let moscow = chrono::FixedOffset::east_opt(3 * 3600).unwrap();
    let read = |text: &str| receipt::timestamp(text, Some(&moscow), now());
    let expected: DateTime<Utc> = "2024-02-07T09:34:56Z".parse().unwrap();
    assert_eq!(read("2024-02-07T12:34:56"), Ok(expected));
    assert_eq!(read("2024-02-07 12:34:56"), Ok(expected));
    assert_eq!(read("2024-02-07T09:34:56Z"), Ok(expected));
    assert_eq!(read("2024-02-07T10:34:56+01:00"), Ok(expected));
    assert!(read("2024-02-08T12:00:00Z").is_ok());
    assert!(read("2024-02-08T12:00:01Z").is_err());
    assert!(read("7.2.2024").is_err());
    let strict = |text: &str| receipt::timestamp(text, None::<&Utc>, now());
    assert_eq!(strict("2024-02-07T09:34:56Z"), Ok(expected));
    assert!(strict("2024-02-07T12:34:56").unwrap_err().contains("zone"));
    assert_eq!(strict("yesterday"), read("yesterday"));
}

#[test]
fn years_are_of_four_digits_without_sign_and_can_be_written_in_utc() {
    let ahead = chrono::FixedOffset::east_opt(14 * 3600).unwrap();
    let read = |text: &str| receipt::timestamp(text, Some(&ahead), now());
    for text in [
        "-9999-01-01T00:00:00",
        "-0001-01-01T00:00:00Z",
        "+2024-02-07T12:00:00Z",
        "+12024-02-07T12:00:00",
        "12024-02-07T12:00:00Z",
        "0000-12-31T23:59:59Z",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+00:01",
        "024-02-07T12:00:00",
        "24-02-07 12:00:00",
        "",
        "2024",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    assert!(read("0001-01-01T00:00:00Z").is_ok() && read("0001-01-01T14:00:00").is_ok());
}

#[test]
fn quantities_and_amounts_have_limits() {
    assert!(receipt::quantity(0).is_err());
    assert!(receipt::quantity(2_147_483_648).is_err());
    assert!(receipt::amount("-0.01").is_err());
    assert!(receipt::amount("0.00").is_ok());
}

fn any_command() -> impl Strategy<Value = Command> {
    let id = prop::sample::select(vec!["a", "b", "c"]);
    let price = prop::sample::select(vec!["1.00", "2.00"]);
    let reason = prop::sample::select(vec!["twice", "wrong"]);
    prop_oneof![
        2 => (id.clone(), price).prop_map(|(id, price)| record(id, price)),
        1 => (id, reason).prop_map(|(id, reason)| void(id, reason)),
    ]
}

proptest! {
    /// The law of replay: folding the log gives the states that deciding had given.
    #[test]
    fn replay_equals_live(commands in prop::collection::vec(any_command(), 0..60)) {
        let mut till = Memory::default();
        for command in commands {
            let _ = till.when(command);
        }
        prop_assert_eq!(&till.replayed(), &till);
    }

    /// The law of idempotency: a command that is sent again is answered as it was the first time, and changes nothing.
    #[test]
    fn a_command_sent_again_changes_nothing(commands in prop::collection::vec(any_command(), 0..40), again in any_command()) {
        let mut till = Memory::default();
        for command in commands {
            let _ = till.when(command);
        }
        let first = till.when(again.clone());
        let lived = till.clone();
        let second = till.when(again);
        prop_assert_eq!(&till, &lived, "nothing new happens");
        match (first, second) {
            (Ok(Decision::Append(event, _)), Ok(Decision::Already(position))) => {
                let (recorded, at) = lived.log.last().unwrap();
                prop_assert_eq!((recorded, at.position), (event.as_ref(), position));
            }
            (first, second) => prop_assert_eq!(first, second),
        }
    }

    /// The law of batches: a command is decided alike whether the events before it are in the log or in its batch.
    #[test]
    fn a_batch_decides_as_the_log_does(commands in prop::collection::vec(any_command(), 0..40)) {
        let mut in_the_log = Memory::default();
        let mut in_a_batch = Memory { is_provisional: true, ..Memory::default() };
        for command in commands {
            match (in_the_log.when(command.clone()), in_a_batch.when(command)) {
                (Ok(Decision::Already(place)), Ok(Decision::Already(provisional))) => {
                    prop_assert_eq!(provisional.offset, -1 - place.offset);
                }
                (one, other) => prop_assert_eq!(one, other),
            }
        }
    }

    /// Two contents never share a fingerprint, even where their fields run together to the same text.
    #[test]
    fn fingerprints_tell_contents_apart(one in "[ab]{0,3}", two in "[ab]{0,3}", three in "[ab]{0,3}", four in "[ab]{0,3}") {
        let with = |payment: &str, place: &str| {
            let mut receipt = a_receipt("a", "1.00");
            receipt.payment_method = payment.into();
            receipt.place_id = place.into();
            receipt::fingerprint(&receipt)
        };
        prop_assert_eq!(with(&one, &two) == with(&three, &four), (&one, &two) == (&three, &four));
    }
}
