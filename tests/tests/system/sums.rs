//! Every figure adds up to every coarser one.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use schemas::receipts::{Item, Receipt, ReceiptRecorded, ReceiptVoided};
use schemas::{Event, Money};
use serde_json::Value;
use till_tests::client::eventually;
use till_tests::receipts::{Random, decimal};
use till_tests::{Client, Till};

use crate::figures::closed_past;
use crate::forged;

const PLACES: u64 = 4;
const RECEIPTS: u64 = 400;
/// How many categories one place has that no other has. They are more than an answer lists.
const MANY_CATEGORIES: i64 = 1_200;

/// A receipt whose pieces often cancel out within a category, because some are taken back at another price.
fn receipt(random: &mut Random, number: u64, now: DateTime<Utc>) -> Receipt {
    let item = |random: &mut Random| Item {
        product_id: "p".into(),
        quantity: if random.chance(50) { 1 } else { -1 },
        price: Money::from(Decimal::new(i64::try_from(random.below(3_000)).unwrap(), 2)),
        category: format!("category {}", random.below(3)),
    };
    let items: Vec<_> = (0..=random.below(3)).map(|_| item(random)).collect();
    let total: Money = items.iter().map(|item| item.price.times(item.quantity).unwrap()).sum();
    let place = random.below(PLACES);
    Receipt {
        transaction_id: format!("sum-{number}"),
        occurred_at: now - TimeDelta::seconds(i64::try_from(random.below(20_000)).unwrap()),
        items,
        total_amount: total,
        tax_amount: Money::from(Decimal::new(i64::try_from(random.below(100)).unwrap(), 2)),
        tips_amount: Money::from(Decimal::new(i64::try_from(random.below(100)).unwrap(), 2)),
        payment_method: "card".into(),
        place_id: format!("sum-place-{place}"),
        place_name: format!("The {place}"),
    }
}

fn events(now: DateTime<Utc>) -> Vec<Event> {
    let mut random = Random::new(6);
    let mut events = Vec::new();
    let pair = [(1, "25.00"), (-1, "20.00")].map(|(quantity, price)| Item {
        product_id: "p".into(),
        quantity,
        price: Money::parse(price).unwrap(),
        category: "taken back".into(),
    });
    for number in 0..RECEIPTS {
        let mut receipt = receipt(&mut random, number, now);
        if number == 0 {
            receipt.items = pair.to_vec();
            receipt.total_amount = Money::parse("5.00").unwrap();
        }
        let recorded = ReceiptRecorded {
            receipt: receipt.clone(),
            totals_match: true,
            recorded_by: "nobody".into(),
            fingerprint: vec![1; 17],
        };
        events.push(recorded.into());
        if number > 0 && random.chance(15) {
            let voided = ReceiptVoided { receipt, reason: "test".into(), voided_by: "admin".into() };
            events.push(voided.into());
        }
    }
    events
}

/// Two receipts of one place, with small amounts in many categories.
fn of_many_categories(now: DateTime<Utc>) -> Vec<Event> {
    let item = |number: i64| Item {
        product_id: "p".into(),
        quantity: 1 + number % 3,
        price: Money::from(Decimal::new(1 + number % 100, 2)),
        category: format!("many {number:04}"),
    };
    let numbers: Vec<_> = (0..MANY_CATEGORIES).collect();
    let receipt = |(number, half): (usize, &[i64])| {
        let items: Vec<_> = half.iter().map(|number| item(*number)).collect();
        let total: Money = items.iter().map(|item| item.price.times(item.quantity).unwrap()).sum();
        let simple = receipt(&mut Random::new(8), 0, now);
        let receipt = Receipt {
            transaction_id: format!("many-{number}"),
            items,
            total_amount: total,
            place_id: "sum-place-many".into(),
            ..simple
        };
        let recorded = ReceiptRecorded {
            receipt,
            totals_match: true,
            recorded_by: "nobody".into(),
            fingerprint: vec![1; 17],
        };
        recorded.into()
    };
    numbers.chunks(numbers.len() / 2).enumerate().map(receipt).collect()
}

/// The sum over rows of a field that is an amount or a count.
fn sum<'v>(rows: impl IntoIterator<Item = &'v Value>, field: &str) -> Decimal {
    rows.into_iter().map(|row| decimal(&row[field])).sum()
}

const FIELDS: [&str; 4] = ["purchases", "total_amount", "tax_amount", "tips_amount"];

fn all_of(value: &Value) -> Vec<Decimal> {
    FIELDS.map(|field| decimal(&value[field])).to_vec()
}

async fn categories(analyst: &Client, query: &str) -> (Decimal, BTreeMap<String, (Decimal, Decimal)>) {
    let body =
        analyst.get_strong(&format!("/v1/analytics/categories?limit=1000{query}")).await.expect(200).body;
    let listed = body["totals"].as_array().unwrap();
    let of = |row: &Value| (decimal(&row["quantity"]), decimal(&row["amount"]));
    let by_name = listed.iter().map(|row| (row["category"].as_str().unwrap().to_owned(), of(row))).collect();
    assert!(listed.len() == 1_000 || body["other"]["categories"] == 0, "{query}: {}", body["other"]);
    (sum(listed, "amount") + decimal(&body["other"]["amount"]), by_name)
}

/// Categories that an answer does not list are counted in it, with their pieces.
async fn others_are_counted(analyst: &Client) {
    let body =
        analyst.get_strong("/v1/analytics/categories?limit=1&place_id=sum-place-many").await.expect(200).body;
    let pieces: i64 = (0..MANY_CATEGORIES).map(|number| 1 + number % 3).sum();
    let listed = body["totals"].as_array().unwrap();
    assert_eq!(body["other"]["categories"], MANY_CATEGORIES - 1_000);
    assert_eq!(sum(listed, "quantity") + decimal(&body["other"]["quantity"]), Decimal::from(pieces));
    let least = decimal(&listed.last().unwrap()["amount"]);
    assert!(decimal(&body["other"]["amount"]) <= least * Decimal::from(MANY_CATEGORIES - 1_000), "{body}");
}

async fn totals(analyst: &Client, query: &str) -> Vec<Decimal> {
    let path = format!("/v1/analytics/taxes-and-tips?limit=1{query}");
    all_of(&analyst.get_strong(&path).await.expect(200).body["totals"])
}

fn added(parts: &[Vec<Decimal>]) -> Vec<Decimal> {
    (0..FIELDS.len()).map(|field| parts.iter().map(|part| part[field]).sum()).collect()
}

/// The windows of a place, by arrival, and their categories must add up to the running sums, which must be the place's
/// sums.
async fn windows_add_up(analyst: &Client, place: &Value) {
    let query = format!("?limit=1000&place_id={}", place["place_id"].as_str().unwrap());
    let path = format!("/v1/analytics/taxes-and-tips{query}");
    let rows = analyst.get_strong(&path).await.expect(200).body["hours"].clone();
    let rows = rows.as_array().unwrap();
    for field in FIELDS {
        assert_eq!(sum(rows, field), decimal(&rows.last().unwrap()[format!("running_{field}")]), "{field}");
        assert_eq!(sum(rows, field), decimal(&place[field]), "{field} of {place}");
    }
    let path = format!("/v1/analytics/categories{query}");
    let hours = analyst.get_strong(&path).await.expect(200).body["hours"].clone();
    for (row, hour) in rows.iter().zip(hours.as_array().unwrap()) {
        assert_eq!(row["window_start"], hour["window_start"]);
        assert_eq!(sum(hour["categories"].as_array().unwrap(), "amount"), decimal(&row["total_amount"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_adds_up_to_every_coarser_one_also_where_pieces_cancel_out() {
    let mut till = Till::prepare("sums").await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/2 * * * * *");
    till.start_all().await;
    let analyst = till.analyst().await;
    let now = Utc::now();
    let events: Vec<_> = of_many_categories(now).into_iter().chain(events(now)).collect();
    // The events are in two windows, so that receipts and their voids are not always in the same one.
    for half in events.chunks(events.len() / 2 + 1) {
        let records = half.iter().map(|event| forged::record(event, 4)).collect();
        forged::append(&till.topic("receipts"), records).await;
        closed_past(&till.topic("analytics"), Utc::now()).await;
    }

    let body = analyst.get_strong("/v1/analytics/places?limit=1000").await.expect(200).body;
    let places = body["places"].as_array().unwrap();
    let of_places: Vec<_> = places.iter().map(all_of).collect();
    let whole = totals(&analyst, "").await;
    assert_eq!(added(&of_places), whole, "places add up to everything");
    let (sum_of_categories, by_name) = categories(&analyst, "").await;
    assert_eq!(sum_of_categories, whole[1], "categories add up to everything");
    let five = (Decimal::ZERO, Decimal::new(500, 2));
    assert_eq!(by_name["taken back"], five, "pieces that cancel out leave their amounts");

    others_are_counted(&analyst).await;
    for place in places {
        let query = format!("&place_id={}", place["place_id"].as_str().unwrap());
        assert_eq!(categories(&analyst, &query).await.0, decimal(&place["total_amount"]), "{place}");
        assert_eq!(totals(&analyst, &query).await, all_of(place), "{place}");
        windows_add_up(&analyst, place).await;
    }
    let mut random = Random::new(7);
    for _ in 0..20 {
        let ago = i64::try_from(random.below(20_000_000)).unwrap();
        let cut = (now - TimeDelta::milliseconds(ago)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let (before, after) = (format!("&to={cut}"), format!("&from={cut}"));
        let parts = [totals(&analyst, &before).await, totals(&analyst, &after).await];
        assert_eq!(added(&parts), whole, "cut at {cut}");
        for (query, part) in [before, after].iter().zip(&parts) {
            assert_eq!(categories(&analyst, query).await.0, part[1], "categories {query}");
        }
    }
    // The figures stay the same where everything is folded at once.
    for projection in ["receipts", "places", "hours"] {
        let _ = till.projector.run("rebuild", &[projection]).success("projector rebuild");
    }
    eventually("the rebuilt figures are the same", Duration::from_secs(60), async || {
        let rebuilt = analyst.get_strong("/v1/analytics/places?limit=1000").await.expect(200).body;
        rebuilt == body
    })
    .await;
}
