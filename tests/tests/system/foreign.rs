//! Records that are no events of Till, and records of a newer Till. Every reader must treat them alike.

use std::time::Duration;

use chrono::Utc;
use schemas::analytics::HOURS_KEY;
use schemas::{Event, partition_of};
use serde_json::json;
use till_tests::client::eventually;
use till_tests::receipts::simple;
use till_tests::{RawRecord, Till};

use crate::figures::closed_past;
use crate::forged;
use crate::ownership::accepted_by;

/// How long a service may take to notice before the test gives up.
const SURELY: Duration = Duration::from_secs(60);

fn under(key: &str, value: &[u8]) -> RawRecord {
    let partition = partition_of(key.as_bytes(), 4);
    RawRecord { partition, offset: 0, key: key.into(), value: value.to_vec(), headers: Vec::new() }
}

/// An event such as a newer Till writes: its schema has a fingerprint that this Till does not know.
fn of_a_newer_till(id: &str) -> RawRecord {
    let mut record = forged::record(&forged::receipt(id).into(), 4);
    record.value[2] ^= 0xff;
    let fingerprint = record.value[2..10].to_vec();
    record.headers.retain(|(name, _)| name != "schema");
    record.headers.push(("schema".to_owned(), fingerprint));
    record
}

/// Every kind of record that is no event, under keys that have events before and after it.
fn garbage(before: &str, after: &str) -> Vec<RawRecord> {
    let event = Event::from(forged::receipt(after));
    let whole = forged::record(&event, 4);
    let truncated = RawRecord { value: whole.value[..whole.value.len() - 3].to_vec(), ..whole.clone() };
    let unknown = RawRecord { headers: Vec::new(), ..of_a_newer_till(after) };
    let of_another_key =
        RawRecord { key: before.into(), ..forged::record(&forged::receipt("nobodys").into(), 4) };
    vec![under(before, b"not an event"), under(after, b""), truncated, unknown, of_another_key]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_event_is_skipped_by_every_service_alike_and_its_keys_go_on() {
    let mut till = Till::prepare("foreign").await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/2 * * * * *");
    till.start_all().await;
    let admin = till.admin().await;
    let _ = admin.receipt(&simple("before", "place-foreign", "10.00")).await.expect(201);

    forged::append(&till.topic("receipts"), garbage("before", "after")).await;
    forged::append(&till.topic("accounts"), vec![under("till", b"not an event")]).await;
    forged::append(&till.topic("analytics"), vec![under(HOURS_KEY, b"not an event")]).await;

    // The owner notices by its next event that somebody else wrote, and then calls that event's outcome unknown.
    let after = simple("after", "place-foreign", "3.00");
    assert!([200, 201].contains(&accepted_by(&admin, &after).await.status));
    let mut voided = admin.void("before", "test").await;
    while voided.status == 503 {
        voided = admin.void("before", "test").await;
    }
    assert!([200, 201].contains(&voided.status), "{}", voided.text);
    let figures = admin.get_strong("/v1/analytics/places/place-foreign").await.expect(200).body;
    assert_eq!((&figures["purchases"], &figures["total_amount"]), (&json!(1), &json!("3.00")));
    assert!(admin.get_strong("/v1/receipts/before").await.expect(200).body["voided"].is_object());
    let _ = admin.get_strong("/v1/receipts/nobodys").await.problem(404);

    // A fold of the whole log gives the same result, in each service.
    till.command_api.kill();
    std::fs::remove_dir_all(till.command_api.setting("TILL_STORE_DIR").unwrap()).unwrap();
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    let _ = admin.receipt(&simple("after", "place-foreign", "3.00")).await.problem(409);
    let _ = admin.void("before", "test").await.expect(200);
    let _ = admin.void("nobodys", "test").await.problem(404);
    for projection in ["receipts", "places", "accounts", "hours"] {
        let _ = till.projector.run("rebuild", &[projection]).success("projector rebuild");
    }
    assert_eq!(admin.get_strong("/v1/analytics/places/place-foreign").await.expect(200).body, figures);
    closed_past(&till.topic("analytics"), Utc::now()).await;
    let _ = till.analytics.run("recompute", &[]).success("recompute");

    for service in [&till.command_api, &till.projector, &till.analytics] {
        assert!(service.log().contains("a record is skipped"), "{} says nothing of it", service.name());
    }
    let mut database = till.servers.postgres.connect(&till.prefix).await;
    let noted = "SELECT count(*) FROM till.parked WHERE projection = $1 AND is_event = $2 AND generation = 2";
    for (projection, is_event, count) in
        [("receipts", false, 5_i64), ("accounts", false, 1), ("hours", false, 1), ("receipts", true, 0)]
    {
        let query = sqlx::query_scalar(noted).bind(projection).bind(is_event);
        let found: i64 = query.fetch_one(&mut database).await.unwrap();
        assert_eq!(found, count, "{projection}, is_event = {is_event}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_a_newer_till_stops_every_service_before_it_in_words() {
    let mut till = Till::prepare("newer").await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/2 * * * * *");
    till.start_all().await;
    let admin = till.admin().await;
    forged::append(&till.topic("receipts"), vec![of_a_newer_till("newer")]).await;
    let words = "this binary is older than the writer";

    let mut second = till.another_command_api("command-api-b");
    second.start();
    let ended = second.wait(SURELY).unwrap_or_else(|| panic!("it folds on: {}", second.log()));
    assert!(!ended.success() && second.log().contains(words), "{}", second.log());

    for service in [&till.projector, &till.analytics] {
        eventually("a service stops", SURELY, async || !service.is_ready().await).await;
        eventually("it says why", SURELY, async || service.log().contains(words)).await;
    }
    // Both services stay like this, although they try again and again.
    for _ in 0..30 {
        assert!(!till.projector.is_ready().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Reads that do not need the topic go on.
    let impatient = admin.with_header("till-consistency", "strong").with_header("prefer", "wait=2");
    let _ = impatient.get("/v1/accounts").await.expect(200);
    let _ = impatient.get("/v1/receipts").await.problem(503);
}
