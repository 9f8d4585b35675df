//! Laws of the fold.

use proptest::prelude::*;
use schemas::record::{Foreign, Reading};
use schemas::{ReceiptRecorded, ReceiptVoided, Topic};

use super::*;
use crate::record::Record;

fn receipt(number: usize, place: u8, minute: i64, cents: i64, categories: &[u8]) -> Receipt {
    let item = |category: &u8| Item {
        product_id: "p".into(),
        quantity: 1 + i64::from(*category),
        price: Money::from(Decimal::new(cents, 2)),
        category: format!("category {category}"),
    };
    Receipt {
        transaction_id: format!("t{number}"),
        occurred_at: DateTime::from_timestamp(60 * minute, 0).unwrap(),
        items: categories.iter().map(item).collect(),
        total_amount: Money::from(Decimal::new(cents, 2)),
        tax_amount: Money::from(Decimal::new(cents / 10, 2)),
        tips_amount: Money::from(Decimal::new(cents / 7, 2)),
        payment_method: "card".into(),
        place_id: format!("place {place}"),
        place_name: format!("name {number}"),
    }
}

fn recorded(receipt: &Receipt) -> Event {
    let receipt = receipt.clone();
    ReceiptRecorded { receipt, totals_match: true, recorded_by: "t".into(), fingerprint: vec![1] }.into()
}

fn voided(receipt: &Receipt) -> Event {
    ReceiptVoided { receipt: receipt.clone(), reason: "r".into(), voided_by: "a".into() }.into()
}

fn changes(events: &[Event]) -> Changes {
    let record = Record {
        topic: Topic::Receipts,
        partition: 0,
        offset: 0,
        recorded_at: DateTime::UNIX_EPOCH,
        key: Vec::new(),
        reading: Reading::Foreign(Foreign::Value(String::new())),
        bytes: 0,
    };
    let folded: Vec<_> = events.iter().map(|event| Folded { record: &record, event }).collect();
    Changes::of(&folded).unwrap()
}

fn receipts() -> impl Strategy<Value = Vec<Receipt>> {
    let one = (0..3_u8, 0..300_i64, 0..100_000_i64, prop::collection::vec(0..4_u8, 1..4));
    prop::collection::vec(one, 1..30).prop_map(|all| {
        let numbered = all.iter().enumerate();
        numbered
            .map(|(number, (place, minute, cents, items))| receipt(number, *place, *minute, *cents, items))
            .collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_partitions_does_not_matter(receipts in receipts(), turn in 0..30_usize) {
        let mut events: Vec<_> = receipts.iter().map(recorded).collect();
        let in_order = changes(&events);
        let middle = turn % events.len();
        events.rotate_left(middle);
        prop_assert_eq!(changes(&events), in_order);
    }

    #[test]
    fn figures_are_the_sums_of_receipts_that_are_not_voided(receipts in receipts(), voids in 0..30_usize) {
        let (void, kept) = receipts.split_at(voids.min(receipts.len()));
        let events: Vec<_> = receipts.iter().map(recorded).chain(void.iter().map(voided)).collect();
        let found = changes(&events);
        for (id, place) in &found.places {
            let of_place = || kept.iter().filter(|receipt| receipt.place_id == *id);
            let total: Money = of_place().map(|receipt| receipt.total_amount).sum();
            prop_assert_eq!(place.sums.purchases, i64::try_from(of_place().count()).unwrap());
            prop_assert_eq!(Money::from(place.sums.total_amount), total);
            let by_hour: i64 = place.hours.values().map(|hour| hour.sums.purchases).sum();
            prop_assert_eq!(by_hour, place.sums.purchases);
            let items: i64 = of_place().flat_map(|receipt| &receipt.items).map(|item| item.quantity).sum();
            let by_category: i64 =
                place.hours.values().flat_map(|hour| hour.categories.values()).map(|sums| sums.quantity).sum();
            prop_assert_eq!(by_category, items);
        }
    }
}

#[test]
fn sums_past_what_is_exact_are_refused_and_do_not_panic() {
    let mut huge = receipt(1, 0, 0, 1, &[0]);
    huge.total_amount = Money::from(Decimal::MAX);
    let record = recorded(&huge);
    let mut found = changes(&[]);
    let Event::ReceiptRecorded(event) = &record else { unreachable!() };
    found.receipt(&event.receipt, Sign::Plus).unwrap();
    assert!(found.receipt(&event.receipt, Sign::Plus).unwrap_err().is_deterministic());
}
