//! The hourly worker under what it cannot choose: clocks, sizes, and logs that are not what they were.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use schemas::Money;
use schemas::analytics::{CategorySums, PlaceHourComputed, Sums};
use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::receipts::{Receipts, of_items, simple};
use till_tests::{Client, Clock, Ledger, Till, oracle};

use crate::figures::{closed, closed_past};
use crate::forged;

/// How long the worker may take before the test gives up.
const SURELY: Duration = Duration::from_secs(120);

async fn prepare(name: &str) -> Till {
    let mut till = Till::prepare(name).await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/3 * * * * *");
    till
}

/// Sends `count` receipts, one every 50 ms.
async fn send(client: &Client, prefix: &str, count: u64) {
    let mut receipts = Receipts::new(prefix, count, 3);
    for _ in 0..count {
        let _ = client.receipt(&receipts.make()).await.expect(201);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends the worker, and has the oracle judge its windows.
fn judge(till: &mut Till, token: &str, checks: &[&str]) {
    assert!(till.analytics.terminate().success(), "{}", till.analytics.log());
    let ledger = Ledger::new(till.scratch.path());
    println!("{}", oracle::judge(till, token, ledger.path(), checks, &[]).success("the oracle"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_clock_is_set_a_day_ahead_and_back_counts_every_receipt_in_its_window() {
    let mut till = prepare("worker-clock").await;
    let clock = Clock::of(&mut till.analytics, till.scratch.path());
    till.start_all().await;
    let (admin, analytics) = (till.admin().await, till.topic("analytics"));
    send(&admin, "before", 100).await;
    closed_past(&analytics, Utc::now()).await;
    clock.set(TimeDelta::days(1));
    send(&admin, "ahead", 150).await;
    // Meanwhile windows go on being closed, each when it is over by the broker's clock.
    closed_past(&analytics, Utc::now()).await;
    clock.set(TimeDelta::zero());
    send(&admin, "after", 100).await;
    closed_past(&analytics, Utc::now()).await;

    let last = closed(&analytics).await.pop().unwrap();
    assert!(last.window_end < Utc::now() + TimeDelta::seconds(10), "{last:?} has not been yet");
    assert!(till.analytics.log().contains("windows end by the broker's clock"), "{}", till.analytics.log());
    judge(&mut till, admin.token(), &["hours", "hours-read"]);
}

/// A receipt with a thousand categories of 600 bytes each, which no other receipt has.
fn of_long_categories(number: u32) -> Value {
    let item = |item: u32| {
        let category = format!("{}{:06}", "\u{1D11E}".repeat(144), number * 1_000 + item);
        json!({"product_id": "p", "quantity": 1, "price": "0.10", "category": category})
    };
    let items: Vec<_> = (0..1_000).map(item).collect();
    of_items(&format!("long-{number}"), Utc::now(), "place-long", &items, rust_decimal::Decimal::ZERO, "card")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_go_on_closing_after_ten_receipts_of_a_thousand_long_categories_of_one_place() {
    let mut till = prepare("worker-parts").await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/10 * * * * *");
    till.start_all().await;
    let (admin, analytics) = (till.admin().await, till.topic("analytics"));
    // The receipts must share a window, because only together they are too much for one event.
    let sent = async |first: u32| {
        for number in first..first + 10 {
            let _ = admin.receipt(&of_long_categories(number)).await.expect(201);
        }
    };
    let into_window = Utc::now().timestamp_millis() % 10_000;
    tokio::time::sleep(Duration::from_millis(u64::try_from(10_200 - into_window).unwrap())).await;
    sent(0).await;
    send(&admin, "others", 30).await;
    closed_past(&analytics, Utc::now()).await;
    send(&admin, "later", 30).await;
    closed_past(&analytics, Utc::now()).await;

    let most = closed(&analytics).await.into_iter().max_by_key(|hour| hour.parts - hour.places).unwrap();
    assert!(most.parts > most.places + 10, "{most:?}");
    let _ = till.analytics.run("recompute", &[]).success("recompute");
    judge(&mut till, admin.token(), &["hours", "hours-read"]);
}

/// A place's window as a torn transaction has left it, before the last receipt of the window came.
fn torn(window_start: DateTime<Utc>, place_id: &str) -> PlaceHourComputed {
    let cent = Money::parse("0.01").unwrap();
    let sums = Sums { purchases: 7, total_amount: cent, ..Sums::default() };
    let category = CategorySums {
        category: "Bakery".into(),
        quantity: 7,
        amount: cent,
        running_quantity: 7,
        running_amount: cent,
        thousandths: 0,
        running_thousandths: 0,
    };
    PlaceHourComputed {
        window_start,
        window_end: window_start + TimeDelta::seconds(3),
        place_id: place_id.into(),
        place_name: "Torn".into(),
        recorded: 7,
        voided: 0,
        sums: sums.clone(),
        average_receipt: Money::ZERO,
        categories: vec![category],
        running: sums,
        part: 0,
        parts: 1,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_that_a_torn_transaction_has_left_half_of_counts_as_it_was_worked_out_again() {
    let mut till = prepare("worker-torn").await;
    till.start_all().await;
    let (admin, analytics) = (till.admin().await, till.topic("analytics"));
    let _ = admin.receipt(&simple("torn-0", "place-torn", "1.00")).await.expect(201);
    closed_past(&analytics, Utc::now()).await;
    assert!(till.analytics.terminate().success(), "{}", till.analytics.log());
    let _ = admin.receipt(&simple("torn-1", "place-torn", "2.00")).await.expect(201);
    let arrived = admin.get_strong("/v1/receipts/torn-1").await.expect(200).body["recorded_at"].take();
    let arrived: DateTime<Utc> = arrived.as_str().unwrap().parse().unwrap();
    let window = DateTime::from_timestamp(arrived.timestamp() / 3 * 3, 0).unwrap();
    forged::append(&analytics, vec![forged::record(&torn(window, "place-torn").into(), 4)]).await;
    till.analytics.start_ready().await;
    closed_past(&analytics, arrived).await;
    let _ = admin.receipt(&simple("torn-2", "place-torn", "4.00")).await.expect(201);
    closed_past(&analytics, Utc::now()).await;

    let mut database = till.servers.postgres.connect(&till.prefix).await;
    for _ in 0..2 {
        let path = "/v1/analytics/taxes-and-tips?place_id=place-torn&limit=1000";
        let rows = admin.get_strong(path).await.expect(200).body["hours"].take();
        let last = rows.as_array().unwrap().last().unwrap();
        assert_eq!((&last["running_purchases"], &last["running_total_amount"]), (&json!(3), &json!("7.00")));
        let parked: i64 =
            sqlx::query_scalar("SELECT count(*) FROM till.parked").fetch_one(&mut database).await.unwrap();
        assert_eq!(parked, 0);
        let _ = till.projector.run("rebuild", &["hours"]).success("projector rebuild");
    }
    let _ = till.analytics.run("recompute", &[]).success("recompute");
    judge(&mut till, admin.token(), &["hours", "hours-read"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipts_log_made_anew_and_grown_again_stops_the_worker_until_the_figures_are_made_anew() {
    let mut till = prepare("worker-another-log").await;
    till.start_all().await;
    let (admin, analytics) = (till.admin().await, till.topic("analytics"));
    send(&admin, "former", 40).await;
    closed_past(&analytics, Utc::now()).await;
    for service in [&mut till.analytics, &mut till.projector, &mut till.command_api] {
        let _ = service.terminate();
    }
    let windows = closed(&analytics).await.len();
    till.topic("receipts").delete().await;
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    send(&admin, "present", 200).await;

    till.analytics.start();
    eventually("the worker says that the log is another one", SURELY, async || {
        till.analytics.log().contains("is not the log it was")
    })
    .await;
    assert!(!till.analytics.is_ready().await);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(closed(&analytics).await.len(), windows, "it closes no window upon another log");
    let _ = till.analytics.terminate();

    // The operator does what docs/operations.md says.
    analytics.delete().await;
    till.analytics.start_ready().await;
    closed_past(&analytics, Utc::now()).await;
    judge(&mut till, admin.token(), &["hours"]);
}
