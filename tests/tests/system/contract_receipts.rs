//! Contract 003, `receipts`, as an unchanged client meets it: through nginx, where each of its two services has a port,
//! and under its prefixes on the services themselves.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::process::Finished;
use till_tests::receipts::simple;
use till_tests::{Client, Spec, Till, places};

use crate::common::{Entry, Setting, in_every_setting, serve_contracts};
use crate::ownership::SURELY;

/// Base URLs of one of the contract's services: for what command-api serves, and for what the projector does.
type Urls = [Vec<String>; 2];

/// A caller of one of the contract's services.
fn of([writes, reads]: Urls) -> Client {
    Client::across(writes, reads)
}

/// How long the Python client may take before the test gives up.
const ENDS_WITHIN: Duration = Duration::from_secs(600);

in_every_setting! {
    an_unchanged_client_of_the_receipts_contract_finds_what_its_document_says,
    a_check_that_does_not_add_up_is_recorded_through_the_contract_marked_listed_and_voided,
    an_idempotency_key_makes_a_repeated_check_of_the_consumer_the_same_one,
    a_contract_that_is_not_switched_on_is_not_there,
    the_consumers_journal_is_not_written_again_by_restarts_and_rebuilds,
}

/// Runs the Python client against services with these base URLs, and gives what it said.
fn client(till: &Till, label: &str, producer: &Urls, consumer: &Urls, more: &[&str]) -> Finished {
    let script = places::repository().join("tests/contracts/receipts_client.py");
    let mut spec = Spec::new(&format!("client-{label}"), &places::python(), till.scratch.path());
    spec.env.insert("PYTHONIOENCODING".into(), "utf-8".into());
    let options = [
        ("--producer", &producer[0]),
        ("--producer-reads", &producer[1]),
        ("--consumer", &consumer[0]),
        ("--consumer-reads", &consumer[1]),
    ];
    let options = options.into_iter().flat_map(|(name, urls)| [name.to_owned(), urls.join(",")]);
    let args = [script.into_os_string()].into_iter().chain(options.map(OsString::from));
    spec.args(args.chain(more.iter().map(OsString::from))).run(ENDS_WITHIN)
}

/// The names of the client's sections in which it found a difference.
fn sections(client: &Finished) -> BTreeSet<String> {
    client
        .output
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(section, _)| section.to_owned())
        .collect()
}

async fn an_unchanged_client_of_the_receipts_contract_finds_what_its_document_says(at: Setting) {
    let (till, entry) = at.shared().await;
    let (producer, consumer) =
        (entry.contract("receipts", "producer"), entry.contract("receipts", "consumer"));
    let journals = till.scratch.path().join("journals").display().to_string();
    let label = at.own("content");
    let content = client(&till, &label, &producer, &consumer, &["--journals", &journals]);
    println!("{}", content.success("the client of the receipts contract"));
    // That the client notices faults does not depend on the setting, so it is shown in one setting only.
    if at.replicas == 1 && at.front_door {
        the_client_notices_planted_faults(&till, &producer, &consumer);
        // The client finds nothing of the contract under /v1.
        let v1 = entry.v1();
        let lost = client(&till, "v1", &v1, &v1, &[]);
        assert!(!lost.status.success(), "{}", lost.output);
    }
}

/// Spoils every answer in one way after the other. Each section that should notice must say so.
fn the_client_notices_planted_faults(till: &Till, producer: &Urls, consumer: &Urls) {
    let everywhere = [
        "producer_takes_checks",
        "producer_refuses",
        "producer_routes",
        "producer_lists_checks",
        "accounts_are_opened",
        "tokens_are_given_and_end",
        "strangers_are_refused",
        "consumer_takes_checks",
        "places_are_listed",
        "figures_begin_empty",
        "figures_are_worked_out",
        "documents_describe_what_is_served",
    ];
    let amounts = [
        "producer_takes_checks",
        "producer_lists_checks",
        "consumer_takes_checks",
        "figures_begin_empty",
        "figures_are_worked_out",
    ];
    let times =
        ["producer_takes_checks", "producer_lists_checks", "places_are_listed", "figures_are_worked_out"];
    let words = [
        "producer_takes_checks",
        "producer_refuses",
        "producer_routes",
        "accounts_are_opened",
        "tokens_are_given_and_end",
        "strangers_are_refused",
        "consumer_takes_checks",
    ];
    let faults: [(&str, &[&str]); 6] = [
        ("status", &everywhere),
        ("headers", &everywhere),
        ("keys", &everywhere),
        ("numbers", &amounts),
        ("times", &times),
        ("messages", &words),
    ];
    for (fault, expected) in faults {
        let spoilt = client(till, fault, producer, consumer, &["--plant", fault]);
        assert!(!spoilt.status.success(), "{fault}: the client is content:\n{}", spoilt.output);
        let found = sections(&spoilt);
        let missed: Vec<_> = expected.iter().filter(|section| !found.contains(**section)).collect();
        assert!(missed.is_empty(), "{fault}: {missed:?} notice nothing:\n{}", spoilt.output);
    }
    // The client also looks at the journals, and notices that those in another folder are not its own.
    let elsewhere = till.scratch.path().join("no-journals");
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("journal.csv"), "").unwrap();
    std::fs::write(elsewhere.join("journal.txt"), "something else\n").unwrap();
    let elsewhere = elsewhere.display().to_string();
    let other = client(till, "journals", producer, consumer, &["--journals", &elsewhere]);
    assert_eq!(sections(&other), BTreeSet::from(["journals_are_kept".to_owned()]), "{}", other.output);
}

/// A check of this place, whose total is not the sum of its items.
fn mismatched(transaction_id: &str, place_id: &str) -> Value {
    let mut check = simple(transaction_id, place_id, "5.00");
    check["total_amount"] = json!("7.00");
    check["nds_amount"] = check["tax_amount"].take();
    check["tips_amount"] = json!(0);
    check
}

async fn a_check_that_does_not_add_up_is_recorded_through_the_contract_marked_listed_and_voided(at: Setting) {
    let (_till, entry) = at.shared().await;
    let admin = entry.admin().await;
    let producer = of(entry.contract("receipts", "producer"));
    let (place, odd) = (at.own("place-mismatch"), at.own("odd"));
    let check = mismatched(&odd, &place);
    let mut judged = check.clone();
    judged["tax_amount"] = judged["nds_amount"].take();
    judged.as_object_mut().unwrap().remove("nds_amount");
    let _ = admin.receipt(&judged).await.problem(422);
    let taken = producer.post("/api/checks/", &check).await.expect(201);
    assert_eq!(taken.body["total_amount"], "7.00");
    let mut even = mismatched(&at.own("even"), &place);
    even["total_amount"] = json!("5.00");
    let _ = producer.post("/api/checks/", &even).await.expect(201);

    let with_match = async |matches: bool| {
        let path = format!("/v1/receipts?totals_match={matches}&place_id={place}");
        let listed = admin.get_strong(&path).await.expect(200);
        listed.body["receipts"].as_array().unwrap().clone()
    };
    let listed = with_match(false).await;
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["transaction_id"], &listed[0]["totals_match"]), (&json!(odd), &json!(false)));
    assert_eq!(listed[0]["recorded_by"], "contracts/receipts");
    assert_eq!(with_match(true).await.len(), 1);
    let _ = admin.get("/v1/receipts?totals_match=perhaps").await.problem(400);

    let path = format!("/v1/analytics/places/{place}");
    let figures = admin.get_strong(&path).await.expect(200);
    assert_eq!((&figures.body["purchases"], &figures.body["total_amount"]), (&json!(2), &json!("12.00")));
    let _ = admin.void(&odd, "it never happened").await.expect(201);
    let figures = admin.get_strong(&path).await.expect(200);
    assert_eq!((&figures.body["purchases"], &figures.body["total_amount"]), (&json!(1), &json!("5.00")));
    let checks = producer.get("/api/ch/").await.expect(200);
    let of_place = checks.body.as_array().unwrap().iter().filter(|check| check["place_id"] == place.as_str());
    assert_eq!(of_place.count(), 2, "a void is no part of the contract");
}

async fn an_idempotency_key_makes_a_repeated_check_of_the_consumer_the_same_one(at: Setting) {
    let (_till, entry) = at.shared().await;
    let consumer = of(entry.contract("receipts", "consumer"));
    let path = "/api/add_checks/";
    let place = at.own("place-keys");
    let check = json!({"place_id": place, "place_name": "P", "total_amount": "-1.50", "nds_amount": 0, "tips_amount": null,
        "items": [{"quantity": -3, "price": "0.50", "category": "c"}]});
    let keyed = consumer.with_header("idempotency-key", &at.own("one"));
    let first = keyed.post(path, &check).await.expect(201);
    assert_eq!(keyed.post(path, &check).await.expect(201).body, first.body);
    let mut other = check.clone();
    other["place_name"] = json!("Q");
    let _ = keyed.post(path, &other).await.expect(422);
    let _ = consumer.post(path, &check).await.expect(201);

    let admin = entry.admin().await;
    let figures = admin.get_strong(&format!("/v1/analytics/places/{place}")).await.expect(200);
    assert_eq!((&figures.body["purchases"], &figures.body["total_amount"]), (&json!(2), &json!("-3.00")));
    let receipts = admin.get_strong(&format!("/v1/receipts?place_id={place}")).await.expect(200);
    let receipt = &receipts.body["receipts"][0];
    assert_eq!(
        (&receipt["totals_match"], &receipt["recorded_by"]),
        (&json!(true), &json!("contracts/receipts/consumer"))
    );
    // Figures by arrival take negative numbers, too.
    eventually("the window is closed", Duration::from_secs(120), async || {
        let read = admin.get_strong(&format!("/v1/analytics/categories?place_id={place}")).await.expect(200);
        let hours = read.body["hours"].as_array().unwrap();
        hours.iter().any(|hour| hour["categories"][0]["running_quantity"] == -6)
    })
    .await;
}

async fn a_contract_that_is_not_switched_on_is_not_there(at: Setting) {
    let mut till = Till::prepare(&at.own(&format!("contract-off-{}", at.replicas))).await;
    let entry = at.start(&mut till).await;
    let producer = of(entry.contract("receipts", "producer"));
    let _ = producer.post("/api/checks/", &mismatched("off", "p")).await.problem(404);
    let _ = producer.get("/api/ch/").await.problem(404);
    till.command_api.set("TILL_CONTRACTS", "receipts, nonsense");
    let checked = till.command_api.run("check-config", &[]);
    assert!(!checked.status.success() && checked.output.contains("TILL_CONTRACTS"), "{}", checked.output);
}

async fn the_consumers_journal_is_not_written_again_by_restarts_and_rebuilds(at: Setting) {
    let mut till = Till::prepare(&at.own(&format!("contract-journal-{}", at.replicas))).await;
    serve_contracts(&mut till);
    let entry = at.start(&mut till).await;
    let admin = entry.admin().await;
    let _ = admin.receipt(&simple("a", "p", "1.00")).await.expect(201);
    let journal = till.scratch.path().join("journals/journal.txt");
    let lines = |journal: &Path| std::fs::read_to_string(journal).unwrap_or_default().lines().count();
    eventually("a window is closed", Duration::from_secs(120), async || lines(&journal) > 0).await;
    for worker in till.replicas_mut("analytics-worker") {
        let _ = worker.terminate();
    }
    let windows = async || {
        let runs = admin.get_strong("/v1/analytics/runs?limit=1000").await.expect(200);
        runs.body["runs"].as_array().unwrap().len()
    };
    let closed = windows().await;
    // A window can be read before its line is written.
    eventually("a line is written for each window", SURELY, async || lines(&journal) == closed).await;
    let _ = till.projector.run("rebuild", &["hours"]).success("projector rebuild hours");
    for projector in till.replicas_mut("projector") {
        projector.kill();
        projector.start_ready().await;
    }
    assert_eq!((windows().await, lines(&journal)), (closed, closed));
}

/// Statements that make many windows since 2020 for the place `many`, and its categories in each of them.
const MANY: [(&str, &str); 4] = [
    (
        "hours",
        "SELECT t, t + interval '1 hour', '[]', 1, 0, 1, t + interval '1 hour'
         FROM generate_series(timestamptz '2020-01-01', '2020-01-21', '1 hour') AS t",
    ),
    ("hour_places", "SELECT 'many', 'Many', min(window_start), max(window_start) FROM hours"),
    ("hour_sums", "SELECT 'many', window_start, 1, 0, 1, 1000, 0, 0, 1000, 1, 1000, 0, 0 FROM hours"),
    (
        "hour_categories",
        "SELECT 'many', window_start, format('a category with a long name, number %s', n), 1, 1, 1, 1
         FROM hours, generate_series(1, 1000) AS n",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_places_figures_of_many_windows_and_categories_take_little_memory() {
    let mut till = Till::prepare("many-figures").await;
    serve_contracts(&mut till);
    let _ = till.projector.run("migrate", &[]).success("projector migrate");
    till.command_api.start_ready().await;
    till.projector.start_ready().await;
    let terminal = till.terminal().await;
    let _ = terminal.receipt(&simple("many", "many", "1.00")).await.expect(201);
    let entry = Entry::direct(&till);
    let login = json!({"username": "analyst", "password": "analyst"});
    let consumer = of(entry.contract("receipts", "consumer"));
    let token = consumer.post("/auth/login/", &login).await.expect(200).body["key"].take();
    let analyst = consumer.with_header("authorization", &format!("Token {}", token.as_str().unwrap()));
    let empty = analyst.get("/api/analytics/many/").await.expect(200);
    assert_eq!(empty.body[0]["category_analytics"], json!([]), "{}", empty.text);

    let mut database = till.servers.postgres.connect(&till.prefix).await;
    for (table, rows) in MANY {
        let insert = sqlx::AssertSqlSafe(format!("INSERT INTO {table} {rows}"));
        sqlx::query(insert).execute(&mut database).await.unwrap();
    }
    let before = till.projector.peak_mib();
    let figures = analyst.get("/api/analytics/many/").await.expect(200);
    let (categories, mib) = (&figures.body[0]["category_analytics"], figures.text.len() >> 20);
    assert_eq!(categories.as_array().map(Vec::len), Some(1000));
    assert_eq!(categories[999]["cat_analytics"].as_array().map(Vec::len), Some(481));
    let after = till.projector.peak_mib();
    println!("the projector's peak: {before} MiB before and {after} MiB after an answer of {mib} MiB");
    assert!(mib >= 30 && after < before + 20, "{before} MiB before, {after} after {mib} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_without_a_key_is_answered_in_one_hop_and_counts_once_at_either_of_two_replicas() {
    let mut till = Till::prepare("keyless-checks").await;
    serve_contracts(&mut till);
    // With so short a time no request looks for its shard a second time, so one that would take a second hop is
    // refused.
    till.command_api.set("TILL_MOVE_TIMEOUT_MS", "1");
    let at = Setting { replicas: 2, front_door: false };
    let entry = at.start(&mut till).await;
    let check = json!({
        "place_id": "keyless", "place_name": "Keyless", "total_amount": 1, "nds_amount": 0, "tips_amount": null,
        "items": [{"quantity": 1, "price": 1, "category": "c"}],
    });
    let consumer = of(entry.contract("receipts", "consumer"));
    // Shards may still move when the services are ready. Once they have come to rest, nothing is refused any more.
    let (mut accepted, mut unknown) = (0, 0);
    eventually("500 checks in a row are taken", Duration::from_secs(120), async || {
        for _ in 0..500 {
            let answer = consumer.post("/api/add_checks/", &check).await;
            assert!([201, 503].contains(&answer.status), "{}", answer.text);
            unknown += i64::from(answer.text.contains("the outcome is unknown"));
            if answer.status != 201 {
                return false;
            }
            accepted += 1;
        }
        true
    })
    .await;
    let admin = entry.admin().await;
    let figures = admin.get_strong("/v1/analytics/places/keyless").await.expect(200);
    let purchases = figures.body["purchases"].as_i64().unwrap();
    assert!(
        (accepted..=accepted + unknown).contains(&purchases),
        "{purchases} of {accepted} and {unknown} unknown"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_more_than_a_day_ahead_or_of_a_year_that_cannot_be_written_is_refused_in_the_contracts_shape()
{
    let at = Setting { replicas: 1, front_door: false };
    let (_till, entry) = at.shared().await;
    let producer = of(entry.contract("receipts", "producer"));
    let ahead = (chrono::Utc::now() + chrono::Duration::hours(26)).to_rfc3339();
    for timestamp in [ahead.as_str(), "9999-01-01T00:00:00", "-9999-01-01T00:00:00", "0000-01-01T00:00:00Z"] {
        let mut check = simple("ahead", "ahead", "1.00");
        let tax = check.as_object_mut().unwrap().remove("tax_amount").unwrap();
        check["nds_amount"] = tax;
        check["timestamp"] = json!(timestamp);
        let answer = producer.post("/api/checks/", &check).await.expect(400);
        assert!(answer.body["timestamp"][0].is_string(), "{timestamp}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contracts_refusals_are_of_bounded_size() {
    let at = Setting { replicas: 1, front_door: false };
    let (_till, entry) = at.shared().await;
    let producer = of(entry.contract("receipts", "producer"));
    let items = vec![json!({"quantity": "x", "price": "y"}); 1000];
    for body in [json!({"items": items}).to_string(), "[".repeat(1_000_000), "x".repeat(1_000_000)] {
        let answer = producer.post_raw("/api/checks/", body).await.expect(400);
        assert!(answer.text.len() < 70_000, "{} bytes", answer.text.len());
        assert!(!answer.text.contains("recursion"), "{}", answer.text);
    }
}
