//! Laws of the fold.

use crate::log::record::Record;
use proptest::prelude::*;
use schemas::Topic;
use schemas::receipts::{self, ReceiptRecorded, ReceiptVoided};
use schemas::record::{Foreign, Reading};

use super::*;

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

/// A record that arrived as the `number`th.
fn record(number: i64) -> Record {
    Record {
        topic: Topic::Receipts,
        partition: 0,
        offset: number,
        recorded_at: DateTime::from_timestamp(number, 0).unwrap(),
        key: Vec::new(),
        reading: Reading::Foreign(Foreign::Value(String::new())),
        bytes: 0,
        event_id: uuid::Uuid::nil(),
    }
}

/// The events' changes, each a record of the number beside it.
fn changes_of(events: &[(i64, Event)]) -> Changes {
    let records: Vec<_> = events.iter().map(|(number, _)| record(*number)).collect();
    let folded = events.iter().zip(&records).map(|((_, event), record)| EventRecord { record, event });
    Changes::of(&folded.collect::<Vec<_>>()).unwrap()
}

fn changes(events: &[Event]) -> Changes {
    changes_of(&(0..).zip(events.iter().cloned()).collect::<Vec<_>>())
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
        let mut events: Vec<_> = (0..).zip(receipts.iter().map(recorded)).collect();
        let in_order = changes_of(&events);
        let middle = turn % events.len();
        events.rotate_left(middle);
        prop_assert_eq!(&changes_of(&events), &in_order);
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
    let event = recorded(&huge);
    let mut found = changes(&[]);
    let Event::Receipts(receipts::Event::ReceiptRecorded(event)) = &event else { unreachable!() };
    found.receipt(&event.receipt, Sign::Plus).unwrap();
    assert!(found.receipt(&event.receipt, Sign::Plus).unwrap_err().is_deterministic());
}

#[test]
fn years_that_tables_cannot_hold_count_in_the_nearest_hour_that_they_can() {
    for (year, hour) in
        [(-9999, "0001-01-01T00:00:00Z"), (0, "0001-01-01T00:00:00Z"), (262_000, "9999-12-31T23:00:00Z")]
    {
        let mut odd = receipt(1, 0, 0, 100, &[0]);
        odd.occurred_at =
            chrono::NaiveDate::from_ymd_opt(year, 6, 1).unwrap().and_time(chrono::NaiveTime::MIN).and_utc();
        let found = changes(&[recorded(&odd)]);
        let hours: Vec<_> = found.places["place 0"].hours.keys().copied().collect();
        assert_eq!(hours, [hour.parse::<DateTime<Utc>>().unwrap()]);
    }
}
