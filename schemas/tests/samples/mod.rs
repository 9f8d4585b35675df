//! Events to test with: one of each version, from `golden/`, and arbitrary ones.

use std::fs;

use chrono::DateTime;
use proptest::prelude::*;
use rust_decimal::Decimal;
use schemas::history::{self, Version};
use schemas::receipts::{Item, Receipt, ReceiptRecorded, ReceiptVoided};
use schemas::{Event, Money};

/// The golden event of a version, read into today's type.
pub fn of(version: &Version) -> Event {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let path = format!("{folder}/{}_v{}.json", version.event_type, version.number);
    let json = fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("{path} is missing: write a sample of the version"));
    Event::from_json(version.event_type, serde_json::from_str(&json).unwrap()).unwrap()
}

/// The golden event of a type's latest version.
#[allow(dead_code, reason = "not every test that shares this file names a type")]
pub fn latest(event_type: &str) -> Event {
    of(history::latest(event_type).unwrap())
}

/// The golden events of the latest version of every type.
pub fn all() -> impl Iterator<Item = Event> {
    history::all().iter().filter(|version| version.is_latest).map(of)
}

prop_compose! {
    fn any_money()(minor in -999_999_999_999_999_999_i64..999_999_999_999_999_999) -> Money {
        Money::from(Decimal::new(minor, 2))
    }
}

prop_compose! {
    fn any_item()(product_id in ".{0,20}", quantity in any::<i64>(), price in any_money(), category in ".{0,20}") -> Item {
        Item { product_id, quantity, price, category }
    }
}

prop_compose! {
    fn any_receipt()(
        transaction_id in ".{0,150}",
        micros in -62_135_596_800_000_000_i64..253_402_300_799_000_000,
        items in prop::collection::vec(any_item(), 0..5),
        amounts in (any_money(), any_money(), any_money()),
        texts in (".{0,20}", ".{0,20}", ".{0,20}"),
    ) -> Receipt {
        Receipt {
            transaction_id,
            occurred_at: DateTime::from_timestamp_micros(micros).unwrap(),
            items,
            total_amount: amounts.0,
            tax_amount: amounts.1,
            tips_amount: amounts.2,
            payment_method: texts.0,
            place_id: texts.1,
            place_name: texts.2,
        }
    }
}

/// An arbitrary receipt event, or a golden event of any type.
pub fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any_receipt(), any::<bool>(), ".{0,20}", prop::collection::vec(any::<u8>(), 0..20)).prop_map(
            |(receipt, totals_match, recorded_by, fingerprint)| ReceiptRecorded {
                receipt,
                totals_match,
                recorded_by,
                fingerprint
            }
            .into()
        ),
        (any_receipt(), ".{0,20}", ".{0,20}").prop_map(|(receipt, reason, voided_by)| ReceiptVoided {
            receipt,
            reason,
            voided_by
        }
        .into()),
        prop::sample::select(all().collect::<Vec<_>>()),
    ]
}
