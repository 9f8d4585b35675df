//! What projections make of odd events, of voids that come late, and of a log that is not the one they were folded
//! from.

use std::time::Duration;

use chrono::{NaiveDate, NaiveTime, Utc};
use schemas::accounts::{AccountRegistered, RolesAssigned, TerminalKeyIssued};
use schemas::{Event, Head, Ref};
use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::receipts::simple;
use till_tests::{Client, RawRecord, Till};

use crate::common::{Entry, serve_contracts};
use crate::figures::closed_past;
use crate::forged;
use crate::ownership::accepted_by;

const SURELY: Duration = Duration::from_secs(120);

/// A receipt of a year that former Tills have accepted, and this one refuses.
fn of_year(id: &str, year: i32) -> RawRecord {
    let mut event = forged::receipt(id);
    event.receipt.occurred_at =
        NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(NaiveTime::MIN).and_utc();
    event.receipt.place_id = "odd-years".into();
    forged::record(&event.into(), 4)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_receipts_of_odd_years_are_folded_rebuilt_in_bulk_and_read_page_by_page() {
    let mut till = Till::prepare("odd-years").await;
    till.start_all().await;
    let admin = till.admin().await;
    let years = [-9999, -4800, 0, 1, 9999, 10_000, 262_000];
    let records: Vec<_> = (0..10_500)
        .map(|n| of_year(&format!("odd-{n}"), if n < 10_100 { -9999 } else { years[n % 7] }))
        .collect();
    forged::append(&till.topic("receipts"), records).await;
    // The owner notices by its next event that somebody else wrote, and then calls that event's outcome unknown.
    let usual = accepted_by(&admin, &simple("usual", "usual-place", "1.00")).await;
    assert!([200, 201].contains(&usual.status), "{}", usual.text);
    let figures = async || {
        let path = "/v1/analytics/places/odd-years";
        eventually("all are folded", SURELY, async || {
            admin.get_strong(path).await.body["purchases"] == 10_500
        })
        .await;
        let _ = admin.get_strong("/v1/receipts/usual").await.expect(200);
        admin.get_strong(path).await.expect(200).body
    };
    let folded = figures().await;
    for projection in ["receipts", "places"] {
        let rebuilt = till.projector.run("rebuild", &[projection]).success("projector rebuild");
        assert!(!rebuilt.contains("cannot be loaded in bulk"), "{rebuilt}");
    }
    assert_eq!(figures().await, folded);
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let parked: i64 =
        sqlx::query_scalar("SELECT count(*) FROM till.parked").fetch_one(&mut database).await.unwrap();
    assert_eq!(parked, 0);

    let (mut read, mut cursor) = (0, String::new());
    loop {
        let page = admin.get(&format!("/v1/receipts?limit=1000{cursor}")).await.expect(200).body;
        let receipts = page["receipts"].as_array().unwrap();
        let year = |receipt: &Value| receipt["timestamp"].as_str().unwrap()[..5].to_owned();
        assert!(receipts.iter().map(year).all(|year| "0001-" <= year.as_str() && year.as_str() <= "9999-"));
        read += receipts.len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(read, 10_501);
    // A former Till could give a cursor of the year -9999, such as this one.
    let former: String = "-377705116800000000:odd-1".bytes().map(|byte| format!("{byte:02x}")).collect();
    let _ = admin.get(&format!("/v1/receipts?cursor={former}")).await.problem(400);
}

/// The place `renamed` must have this name and this latest receipt.
async fn named(admin: &Client, name: &str, at: &Value) {
    let place = admin.get_strong("/v1/places/renamed").await.expect(200).body;
    assert_eq!((&place["place_name"], &place["latest_receipt_at"]), (&json!(name), at));
    let figures = admin.get_strong("/v1/analytics/places/renamed").await.expect(200).body;
    assert_eq!(figures["place_name"], name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_void_takes_its_receipts_word_for_a_places_name_and_latest_time_away() {
    let till = Till::start("void-names").await;
    let admin = till.admin().await;
    let (mut usual, mut later) = (simple("usual", "renamed", "1.00"), simple("later", "renamed", "1.00"));
    (usual["place_name"], usual["timestamp"]) = (json!("Right"), json!("2024-05-01T10:00:00Z"));
    (later["place_name"], later["timestamp"]) = (json!("Wrong"), json!("2024-06-01T10:00:00Z"));
    for receipt in [&later, &usual] {
        let _ = admin.receipt(receipt).await.expect(201);
    }
    named(&admin, "Wrong", &later["timestamp"]).await;
    let _ = admin.void("later", "wrong place").await.expect(201);
    named(&admin, "Right", &usual["timestamp"]).await;
    for projection in ["receipts", "places"] {
        let _ = till.projector.run("rebuild", &[projection]).success("projector rebuild");
    }
    named(&admin, "Right", &usual["timestamp"]).await;
    // Where no receipt stands any more, the latest one's name counts again, and the place's figures are zeros.
    let _ = admin.void("usual", "too").await.expect(201);
    named(&admin, "Wrong", &later["timestamp"]).await;
    let figures = admin.get_strong("/v1/analytics/places/renamed").await.expect(200).body;
    assert_eq!((&figures["purchases"], &figures["total_amount"]), (&json!(0), &json!("0.00")));
}

/// The names that a place has in its windows, according to both kinds of figures by arrival.
async fn names_in_windows(analyst: &Client, place_id: &str) -> Vec<Value> {
    let mut names = Vec::new();
    for figures in ["taxes-and-tips", "categories"] {
        let path = format!("/v1/analytics/{figures}?place_id={place_id}&limit=1000");
        let hours = analyst.get_strong(&path).await.expect(200).body["hours"].take();
        names.extend(hours.as_array().unwrap().iter().map(|hour| hour["place_name"].clone()));
    }
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_keeps_its_figures_and_its_right_name_after_a_void_and_without_its_receipts() {
    let mut till = Till::prepare("window-names").await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/2 * * * * *");
    serve_contracts(&mut till);
    till.start_all().await;
    let (admin, analytics) = (till.admin().await, till.topic("analytics"));
    let (mut right, mut wrong) = (simple("right", "voided", "2.00"), simple("wrong", "voided", "1.00"));
    (right["place_name"], wrong["place_name"]) = (json!("Right"), json!("Wrong"));
    for receipt in [&right, &wrong] {
        let _ = admin.receipt(receipt).await.expect(201);
        closed_past(&analytics, Utc::now()).await;
    }
    let _ = admin.void("wrong", "wrong place").await.expect(201);
    closed_past(&analytics, Utc::now()).await;
    let names = names_in_windows(&admin, "voided").await;
    assert!(names.len() > 4 && names.iter().all(|name| name == "Right"), "{names:?}");

    // The rows are missing, as they are where the projection `receipts` holds them back.
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    sqlx::query("DELETE FROM receipts WHERE place_id = 'voided'").execute(&mut database).await.unwrap();
    let figures = admin.get_strong("/v1/analytics/places").await.expect(200).body["places"].take();
    assert_eq!((&figures[0]["place_name"], &figures[0]["total_amount"]), (&json!("voided"), &json!("2.00")));
    assert_eq!(admin.get_strong("/v1/analytics/places/voided").await.expect(200).body, figures[0]);
    assert!(!names_in_windows(&admin, "voided").await.is_empty());
    let [writes, reads] = Entry::direct(&till).contract("receipts", "consumer");
    let consumer = Client::across(writes, reads);
    let login = json!({"username": "analyst", "password": "analyst"});
    let token = consumer.post("/auth/login/", &login).await.expect(200).body["key"].take();
    let analyst = consumer.with_header("authorization", &format!("Token {}", token.as_str().unwrap()));
    let shown = analyst.get("/api/analytics/voided/").await.expect(200).body;
    assert_eq!((&shown[0]["place_name"], &shown[0]["total_purchases"]), (&json!("voided"), &json!(1)));
}

/// An event that registers an account of the realm `till`, which nobody has asked for.
fn registered(username: &str, number: i64) -> Event {
    let (realm, username, password_hash) = ("till".to_owned(), username.to_owned(), "none".to_owned());
    let (roles, places, idempotency_id) = (Vec::new(), Vec::new(), None);
    AccountRegistered { realm, username, number, password_hash, roles, places, idempotency_id }.into()
}

fn assigned(number: i64) -> Event {
    let (realm, username, assigned_by) = ("till".to_owned(), String::new(), "till/1".to_owned());
    let (roles, places) = (vec!["analyst".into()], Vec::new());
    RolesAssigned { realm, username, roles, places, assigned_by, account: number }.into()
}

fn key_issued(number: i64, label: &str) -> Event {
    let head = Head { at: Utc::now(), by: "till/1".into(), revision: 1, key: None, print: None };
    let account = Ref { home: "till".into(), id: number.to_string() };
    let (key, digest) = (uuid::Uuid::now_v7(), schemas::Bytes(vec![7; 32]));
    TerminalKeyIssued { head, account, key, digest, places: Vec::new(), label: label.into() }.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_event_holds_back_its_account_and_no_other_of_its_realm_and_status_counts_it() {
    let mut till = Till::start("parked-account").await;
    let admin = till.admin().await;
    // The events are appended while command-api does not run. An owner would notice that somebody else wrote, and
    // would have to take its shard over again.
    assert!(till.command_api.terminate().success());
    // Postgres takes no text with U+0000, so the key of `late` is refused.
    let events = [
        registered("first", 900_001),
        registered("late", 900_002),
        registered("other", 900_003),
        key_issued(900_002, "\0"),
        assigned(900_002),
        assigned(900_003),
    ];
    let accounts = till.topic("accounts");
    forged::append(&accounts, events.iter().map(|event| forged::record(event, 4)).collect()).await;
    // Events of the same account in later batches are held back too.
    forged::append(
        &accounts,
        vec![forged::record(&assigned(900_002), 4), forged::record(&assigned(900_001), 4)],
    )
    .await;

    let mut database = till.servers.postgres.connect(&till.prefix).await;
    for generation in 1..=2 {
        let listed = admin.get_strong("/v1/accounts?limit=1000").await.expect(200).body;
        let roles = |username: &str| {
            let mut accounts = listed["accounts"].as_array().unwrap().iter();
            accounts.find(|account| account["username"] == username).map(|account| account["roles"].clone())
        };
        assert_eq!((roles("first"), roles("late")), (Some(json!(["analyst"])), Some(json!([]))), "{listed}");
        assert_eq!(roles("other"), Some(json!(["analyst"])), "another account of the realm goes on");

        let parked: Vec<(Vec<u8>, String)> = sqlx::query_as(
            "SELECT key, aggregate FROM till.parked WHERE projection = 'accounts' AND is_event AND generation = $1",
        )
        .bind(generation)
        .fetch_all(&mut database)
        .await
        .unwrap();
        assert_eq!(parked, vec![(b"till".to_vec(), "900002".to_owned()); 3]);
        let status = till.projector.run("status", &[]).success("projector status");
        let line = status.lines().find(|line| line.starts_with("accounts")).expect("a line a projection");
        let cells: Vec<_> = line.split_whitespace().collect();
        assert_eq!((cells[2], cells[6]), (generation.to_string().as_str(), "3"), "{status}");
        if generation == 1 {
            let _ = till.projector.run("rebuild", &["accounts"]).success("projector rebuild");
        }
    }
}

async fn send(client: &Client, prefix: &str, count: usize) {
    for number in 0..count {
        let _ = client.receipt(&simple(&format!("{prefix}-{number}"), "place", "1.00")).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_made_anew_that_grew_past_the_former_one_stops_its_folds_until_a_rebuild() {
    let mut till = Till::prepare("log-anew").await;
    till.command_api.start_ready().await;
    let _ = till.projector.run("migrate", &[]).success("projector migrate");
    till.projector.start_ready().await;
    let admin = till.admin().await;
    send(&admin, "former", 100).await;
    let _ = admin.get_strong("/v1/receipts/former-99").await.expect(200);
    assert!(till.projector.terminate().success());
    assert!(till.command_api.terminate().success());

    for noun in ["receipts", "accounts", "shards"] {
        till.topic(noun).delete().await;
    }
    std::fs::remove_dir_all(till.command_api.setting("TILL_STORE_DIR").unwrap()).unwrap();
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    send(&admin, "present", 400).await;

    till.projector.start();
    let words = "it lost its tail, or was made anew";
    eventually("the log line says so", SURELY, async || till.projector.log().contains(words)).await;
    eventually("readiness says so", SURELY, async || {
        let said = Client::new(&till.projector.url(), &till.projector.url()).try_get("/readyz").await;
        said.is_ok_and(|said| said.status == 503 && said.text.contains(words))
    })
    .await;
    let status = till.projector.run("status", &[]).success("projector status");
    assert!(status.contains(words) && status.contains("projector rebuild receipts"), "{status}");
    let _ = admin.get("/v1/receipts/present-399").await.problem(404);

    for projection in ["receipts", "places", "accounts", "audit"] {
        let _ = till.projector.run("rebuild", &[projection]).success("projector rebuild");
    }
    till.projector.ready().await;
    let _ = admin.get_strong("/v1/receipts/present-399").await.expect(200);
    let _ = admin.get_strong("/v1/receipts/former-99").await.problem(404);
    let figures = admin.get_strong("/v1/analytics/places/place").await.expect(200).body;
    assert_eq!(figures["purchases"], 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_commands_work_from_a_shell_without_secret_and_partitions() {
    let mut till = Till::start("operator").await;
    let admin = till.admin().await;
    send(&admin, "operated", 20).await;
    let _ = admin.get_strong("/v1/receipts/operated-19").await.expect(200);
    for key in ["TILL_JWT_SECRET", "TILL_DEMO", "TILL_PARTITIONS"] {
        till.projector.unset(key);
    }
    let refused = till.projector.run("check-config", &[]);
    assert!(!refused.status.success() && refused.output.contains("TILL_JWT_SECRET"), "{}", refused.output);
    let status = till.projector.run("status", &[]).success("projector status");
    assert!(status.contains("receipts") && !status.contains("another log"), "{status}");
    let journal = till.projector.run("journal", &["--topic", "receipts"]).success("projector journal");
    assert_eq!(journal.matches("ReceiptRecorded").count(), 20, "{journal}");
    let _ = till.projector.run("rebuild", &["receipts"]).success("projector rebuild");
    let _ = till.projector.run("rollback", &["receipts"]).success("projector rollback");
    let _ = admin.get_strong("/v1/receipts/operated-19").await.expect(200);
}
