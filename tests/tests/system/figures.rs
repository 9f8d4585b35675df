//! Figures from end to end. Each checker is shown to fail on a fault that is planted for it.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemas::analytics::{self, HourClosed};
use schemas::orders::{OrderMoved, Share, Times};
use schemas::stock::StockAdjusted;
use schemas::{Event, Head, Money, Qty, Ref, codec};
use serde_json::{Value, json};
use sqlx::Executor;
use till_tests::client::eventually;
use till_tests::process::Finished;
use till_tests::receipts::{Receipts, simple};
use till_tests::{Client, Isolation, Ledger, Log, RawRecord, Till, oracle};

use crate::common::serve_contracts;
use crate::forged;
use crate::rebuild::{differences, generations};
use crate::trade::{Round, Trade};

/// How long the worker's next window may take before the test gives up.
const SURELY: Duration = Duration::from_secs(120);
const CHECKS: [&str; 7] = ["stream", "accepted", "figures", "hours", "hours-read", "journal", "orders"];

/// The `HourClosed` events, in the order of their windows.
pub async fn closed(analytics: &Log) -> Vec<HourClosed> {
    let records = analytics.records(Isolation::Committed).await;
    let hour = |record: &RawRecord| match codec::decode(&record.value, record.header("schema")) {
        Ok(Event::Analytics(analytics::Event::HourClosed(hour))) => Some(hour),
        _ => None,
    };
    let mut hours: Vec<_> = records.iter().filter_map(hour).collect();
    hours.sort_by_key(|hour| hour.window_end);
    hours
}

/// Waits until the worker has closed the window that `moment` is in.
pub async fn closed_past(analytics: &Log, moment: DateTime<Utc>) {
    eventually("the window is closed", SURELY, async || {
        closed(analytics).await.last().is_some_and(|hour| hour.window_end > moment)
    })
    .await;
}

/// A deployment in which nothing goes on any more.
struct Settled {
    till: Till,
    admin: Client,
    ledger: Ledger,
    traded: Round,
}

/// Has windows of three seconds with some receipts and voids in them, and a round of trade.
async fn settled(name: &str) -> Settled {
    let mut till = Till::prepare(name).await;
    serve_contracts(&mut till);
    till.start_all().await;
    let admin = till.admin().await;
    let ledger = Ledger::new(till.scratch.path());
    let (mut receipts, mut invalid) = (Receipts::new("settled", 11, 6), Receipts::new("invalid", 12, 6));
    for number in 0..300_u32 {
        let _ = ledger.receipt(&admin, &receipts.make()).await.unwrap().expect(201);
        if number % 7 == 0 {
            let _ =
                ledger.void(&admin, &format!("settled-{}", number / 2), "test").await.unwrap().expect(201);
        }
        let _ = ledger.receipt(&admin, &invalid.make_invalid()).await.unwrap().problem(422);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let traded = Trade::new(&till, &admin).round().await;
    closed_past(&till.topic("analytics"), Utc::now()).await;
    let _ = till.analytics.terminate();
    Settled { till, admin, ledger, traded }
}

pub fn fails(judged: &Finished, words: &[&str]) {
    assert!(!judged.status.success(), "the oracle found nothing:\n{}", judged.output);
    for word in words {
        assert!(judged.output.contains(word), "the oracle does not name {word}:\n{}", judged.output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_checker_of_the_oracle_fails_on_a_fault_planted_for_it() {
    let Settled { till, admin, ledger, traded } = settled("planted").await;
    let judge = |checks: &[&str]| oracle::judge(&till, admin.token(), ledger.path(), checks, &[]);
    println!("{}", judge(&CHECKS).success("the oracle, before any fault"));
    let mut database = till.servers.postgres.connect(&till.prefix).await;

    // Planted: a sum, a name and a void that differ in the tables that are read.
    database
        .execute("UPDATE receipts SET tips_amount = tips_amount + 0.01 WHERE transaction_id = 'settled-299'")
        .await
        .unwrap();
    fails(&judge(&["journal"]), &["settled-299", "another content"]);
    database
        .execute("UPDATE receipts SET tips_amount = tips_amount - 0.01 WHERE transaction_id = 'settled-299'")
        .await
        .unwrap();
    database.execute("UPDATE receipts SET voided_at = now(), voided_by = 'x', void_reason = 'x' WHERE transaction_id = 'settled-299'").await.unwrap();
    fails(&judge(&["journal"]), &["settled-299", "voided"]);
    database.execute("UPDATE receipts SET voided_at = NULL, voided_by = NULL, void_reason = NULL WHERE transaction_id = 'settled-299'").await.unwrap();
    let _ = judge(&["journal"]).success("the oracle, the journal as it was");
    database
        .execute("UPDATE places SET tax_amount = tax_amount + 0.01 WHERE place_id = 'place-1'")
        .await
        .unwrap();
    fails(&judge(&["figures"]), &["place-1", "tax_amount"]);
    database
        .execute("UPDATE places SET tax_amount = tax_amount - 0.01 WHERE place_id = 'place-1'")
        .await
        .unwrap();
    database
        .execute("UPDATE place_hour_categories SET quantity = quantity + 1 WHERE place_id = 'place-1'")
        .await
        .unwrap();
    fails(&judge(&["figures"]), &["categories"]);
    database
        .execute("UPDATE place_hour_categories SET quantity = quantity - 1 WHERE place_id = 'place-1'")
        .await
        .unwrap();
    database.execute("UPDATE hour_sums SET running_purchases = running_purchases + 1").await.unwrap();
    fails(&judge(&["hours-read"]), &["running_purchases"]);

    plant_in_what_is_read_of_orders(&till, &admin, &ledger, &traded).await;
    plant_in_the_log_of_orders(&till, &admin, &ledger, &traded).await;
    plant_in_the_ledger(&till, &admin, &ledger);
    plant_in_the_hours(&till, &admin, &ledger).await;
    plant_in_the_log(&till, &admin, &ledger).await;
}

fn judged_orders(till: &Till, admin: &Client, ledger: &Ledger) -> Finished {
    oracle::judge(till, admin.token(), ledger.path(), &["orders"], &[])
}

/// Plants a total, a payment's status and a stock that are read otherwise than the log says.
async fn plant_in_what_is_read_of_orders(till: &Till, admin: &Client, ledger: &Ledger, traded: &Round) {
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let Round { product, order, paid } = traded;
    let faults = [
        (
            format!("UPDATE orders SET total = total + PLANTED WHERE home = '{order}'"),
            ["0.01", "-0.01"],
            format!("/v1/orders/{order}"),
        ),
        (
            format!(
                "UPDATE orders SET payment_status = PLANTED WHERE scope = 'restaurant' AND id = '{paid}'"
            ),
            ["'none'", "'approved'"],
            format!("/v1/orders/restaurant-{paid}"),
        ),
        (
            format!("UPDATE stock SET available = available + PLANTED WHERE home = '{product}'"),
            ["0.001", "-0.001"],
            format!("/v1/products/{product}"),
        ),
    ];
    for (change, [fault, mend], word) in faults {
        let change = |planted: &str| sqlx::AssertSqlSafe(change.replace("PLANTED", planted));
        database.execute(change(fault)).await.unwrap();
        fails(&judged_orders(till, admin, ledger), &["orders: 1 discrepancies", &word]);
        database.execute(change(mend)).await.unwrap();
    }
    let _ = judged_orders(till, admin, ledger).success("the oracle, the orders as they were");
}

/// Plants an order that goes back although it is finished, money for it that nobody has paid, and a stock that grows by more than
/// what came.
async fn plant_in_the_log_of_orders(till: &Till, admin: &Client, ledger: &Ledger, traded: &Round) {
    let read = admin.get_strong(&format!("/v1/orders/{}", traded.order)).await.expect(200).body;
    let revision = i32::try_from(read["revision"].as_i64().unwrap()).unwrap() + 1;
    let head = Head { at: Utc::now(), by: "nobody".into(), revision, key: None, print: None };
    let of = |home: &str| Ref { home: home.to_owned(), id: String::new() };
    let (order, product) = (of(&traded.order), of(&traded.product));
    let share = Share {
        scope: "v1".into(),
        seller: None,
        product: product.clone(),
        orders: 0,
        quantity: Qty::ZERO,
        sold: Money::ZERO,
        approved: Money::parse("0.01").unwrap(),
        refunded: Money::ZERO,
    };
    let moved = OrderMoved {
        head: head.clone(),
        order,
        from: "finished".into(),
        stage: "preparing".into(),
        times: Times::default(),
        shares: vec![share],
        deliver: None,
    };
    append(&till.topic("orders"), &[moved.into()]).await;
    let judged = judged_orders(till, admin, ledger);
    fails(&judged, &["goes from finished to preparing", "whose payment is approved"]);

    let (change, available, reason) = (Qty::from(1), Qty::from(1000), "forged".into());
    append(&till.topic("stock"), &[StockAdjusted { head, product, change, available, reason }.into()]).await;
    fails(&judged_orders(till, admin, ledger), &["1000.000 is available, worked out"]);
}

/// Plants an answer that says yes to a receipt that is not in the log, and a refusal of one that is.
fn plant_in_the_ledger(till: &Till, admin: &Client, ledger: &Ledger) {
    let lines = ledger.lines();
    let mut never = lines.iter().find(|line| line["status"] == 422).unwrap().clone();
    never["status"] = json!(201);
    let mut refused =
        lines.iter().find(|line| line["status"] == 201 && line["kind"] == "receipt").unwrap().clone();
    refused["status"] = json!(422);
    let mut moved = refused.clone();
    moved["status"] = json!(200);
    moved["answer"]["position"] = json!("r0-999999");
    let mut misread = refused.clone();
    misread["status"] = json!(201);
    misread["answer"]["total_amount"] = json!("0.01");
    let faults = [
        (never, "invalid"),
        (refused, "but it is valid"),
        (moved, "expected"),
        (misread, "'total_amount': '0.01'"),
    ];
    for (number, (line, word)) in faults.into_iter().enumerate() {
        let copy = till.scratch.path().join(format!("ledger-{number}.jsonl"));
        std::fs::copy(ledger.path(), &copy).unwrap();
        writeln!(OpenOptions::new().append(true).open(&copy).unwrap(), "{line}").unwrap();
        let judged = oracle::judge(till, admin.token(), &copy, &["accepted"], &[]);
        fails(&judged, &[line["transaction_id"].as_str().unwrap(), word]);
    }
}

/// The window after this one, without receipts.
fn following(hour: &HourClosed) -> HourClosed {
    HourClosed {
        window_start: hour.window_end,
        window_end: hour.window_end + chrono::TimeDelta::seconds(3),
        slices: hour.slices.iter().map(|slice| analytics::Slice { start: slice.end, ..*slice }).collect(),
        recorded: 0,
        voided: 0,
        places: 0,
        parts: 0,
    }
}

/// Plants a window whose place says too much, and one that does not begin where the former one ended.
async fn plant_in_the_hours(till: &Till, admin: &Client, ledger: &Ledger) {
    let analytics = till.topic("analytics");
    let last = closed(&analytics).await.pop().unwrap();
    let next = HourClosed { places: 1, parts: 1, ..following(&last) };
    let records = analytics.records(Isolation::Committed).await;
    let mut place = records
        .iter()
        .rev()
        .find_map(|record| match codec::decode(&record.value, None) {
            Ok(Event::Analytics(analytics::Event::PlaceHourComputed(place))) => Some(place),
            _ => None,
        })
        .unwrap();
    (place.window_start, place.window_end) = (next.window_start, next.window_end);
    place.sums.total_amount = Money::parse("123.45").unwrap();
    append(&analytics, &[place.clone().into(), next.clone().into()]).await;
    let judged = oracle::judge(till, admin.token(), ledger.path(), &["hours"], &[]);
    fails(&judged, &[&place.place_id, "total_amount is 123.45"]);

    // Planted: a part that is missing, and parts that were not counted.
    (place.part, place.parts) = (1, 2);
    let torn = HourClosed { places: 1, parts: 3, ..following(&next) };
    (place.window_start, place.window_end) = (torn.window_start, torn.window_end);
    append(&analytics, &[place.clone().into(), torn.clone().into()]).await;
    let judged = oracle::judge(till, admin.token(), ledger.path(), &["hours"], &[]);
    fails(&judged, &["has the parts [(1, 2)]", "parts is 3, expected 1"]);

    // Planted: another event than the one that was counted last.
    let mut elsewhere = following(&torn);
    let counted = elsewhere.slices.iter_mut().find_map(|slice| slice.last.as_mut()).unwrap();
    counted.event_id = uuid::Uuid::nil();
    append(&analytics, &[elsewhere.clone().into()]).await;
    let judged = oracle::judge(till, admin.token(), ledger.path(), &["hours"], &[]);
    fails(&judged, &["as the last event of partition"]);

    let mut gap = following(&elsewhere);
    gap.slices[1].start += 1;
    gap.slices[1].end += 1;
    append(&analytics, &[gap.into()]).await;
    let judged = oracle::judge(till, admin.token(), ledger.path(), &["hours"], &[]);
    fails(&judged, &["the slice of partition 1 starts at"]);
}

/// Plants a receipt that nobody sent, one that is recorded twice, and a record under another's key.
async fn plant_in_the_log(till: &Till, admin: &Client, ledger: &Ledger) {
    let receipts = till.topic("receipts");
    append(&receipts, &[forged::receipt("never-sent").into()]).await;
    let judged = oracle::judge(till, admin.token(), ledger.path(), &["accepted"], &[]);
    fails(&judged, &["never-sent", "nobody sent it"]);

    let doubled = receipts.of_key("settled-1", Isolation::Committed).await.remove(0);
    append_raw(&receipts, vec![doubled.clone()]).await;
    let judged = oracle::judge(till, admin.token(), ledger.path(), &["stream", "accepted"], &[]);
    fails(&judged, &["settled-1 is recorded 2 times", "is also that of"]);

    append_raw(&receipts, vec![RawRecord { key: b"settled-2".to_vec(), ..doubled }]).await;
    let judged = oracle::judge(till, admin.token(), ledger.path(), &["stream"], &[]);
    fails(&judged, &["has the key b'settled-2'"]);
}

async fn append(log: &Log, events: &[Event]) {
    append_raw(log, events.iter().map(|event| forged::record(event, 4)).collect()).await;
}

pub async fn append_raw(log: &Log, records: Vec<RawRecord>) {
    let log = log.clone();
    let appended = tokio::task::spawn_blocking(move || {
        let transaction = log.begin("planter", Duration::from_secs(30))?;
        records.iter().try_for_each(|record| transaction.append(record))?;
        transaction.commit()
    });
    appended.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_comparison_of_generations_fails_on_a_planted_difference() {
    let Settled { till, traded, .. } = settled("planted-row").await;
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let product =
        format!("UPDATE NEW.stock SET available = available + 0.001 WHERE home = '{}'", traded.product);
    let order = format!("UPDATE NEW.order_lines SET amount = amount + 0.01 WHERE home = '{}'", traded.order);
    let entry = format!(
        "UPDATE NEW.seller_entries SET refunded = refunded + 0.01 WHERE order_home = '{}'",
        traded.order
    );
    for (name, change) in [
        (
            "receipts",
            "UPDATE NEW.receipts SET place_name = place_name || '!' WHERE transaction_id = 'settled-3'",
        ),
        ("catalogue", product.as_str()),
        ("orders", order.as_str()),
        ("revenue", entry.as_str()),
        ("places", "UPDATE NEW.places SET tips_amount = tips_amount + 0.01 WHERE place_id = 'place-1'"),
        ("hours", "DELETE FROM NEW.hour_categories WHERE place_id = 'place-1'"),
        ("audit", "UPDATE NEW.audit SET by = 'nobody' WHERE act = 'AccountOpened'"),
    ] {
        let _ = till.projector.run("rebuild", &[name]).success("projector rebuild");
        let newest = generations(&mut database, name).await;
        let [.., old, new] = newest.as_slice() else {
            panic!("{name} keeps no former generation: {newest:?}")
        };
        assert_eq!(differences(&mut database, old, new).await, Vec::<String>::new(), "{name}");
        let change = sqlx::AssertSqlSafe(change.replace("NEW", new));
        sqlx::query(change).execute(&mut database).await.unwrap();
        assert!(!differences(&mut database, old, new).await.is_empty(), "{name}");
    }
}

/// The rows of a place, by arrival.
async fn hours_of(analyst: &Client, place_id: &str) -> Vec<Value> {
    let path = format!("/v1/analytics/taxes-and-tips?place_id={place_id}&limit=1000");
    analyst.get_strong(&path).await.expect(200).body["hours"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_counts_in_the_hour_it_happens_and_an_hour_without_receipts_reads_as_zeros() {
    let mut till = Till::prepare("figures").await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/2 * * * * *");
    till.start_all().await;
    let (admin, analyst, log) = (till.admin().await, till.analyst().await, till.topic("analytics"));
    let _ = admin.receipt(&simple("bread", "corner", "10.00")).await.expect(201);
    let _ = admin.receipt(&simple("cake", "corner", "5.50")).await.expect(201);
    closed_past(&log, Utc::now()).await;
    // In this window something happens at another place, and nothing at this one.
    let _ = admin.receipt(&simple("elsewhere", "station", "1.00")).await.expect(201);
    closed_past(&log, Utc::now()).await;
    let _ = admin.void("cake", "not eaten").await.expect(201);
    closed_past(&log, Utc::now()).await;

    let rows = hours_of(&analyst, "corner").await;
    let last = rows.last().unwrap();
    let void = rows.iter().find(|row| row["voided"] == 1).unwrap_or(last);
    assert_eq!(
        (&void["purchases"], &void["total_amount"], &void["average_receipt"]),
        (&json!(-1), &json!("-5.50"), &json!("0.00")),
        "{void}"
    );
    assert_eq!((&last["running_purchases"], &last["running_total_amount"]), (&json!(1), &json!("10.00")));
    let recorded: i64 = rows.iter().filter_map(|row| row["recorded"].as_i64()).sum();
    assert_eq!(recorded, 2);
    let empty = |row: &&Value| row["recorded"] == 0 && row["voided"] == 0;
    let zeros: Vec<_> = rows.iter().filter(empty).collect();
    assert!(!zeros.is_empty());
    assert!(
        zeros.iter().all(|row| row["total_amount"] == "0.00"
            && row["purchases"] == 0
            && row["tips_amount"] == "0.00")
    );

    let figures = analyst.get_strong("/v1/analytics/places/corner").await.expect(200).body;
    assert_eq!(
        (&figures["purchases"], &figures["total_amount"], &figures["average_receipt"]),
        (&json!(1), &json!("10.00"), &json!("10.00"))
    );
    let _ = admin.get_strong("/v1/analytics/places/nowhere").await.problem(404);
    let hours = closed(&log).await;
    let (from, to) = (hours[0].window_start.to_rfc3339(), hours.last().unwrap().window_end.to_rfc3339());
    let _ = till.analytics.run("recompute", &["--from", &from, "--to", &to]).success("recompute");
}
