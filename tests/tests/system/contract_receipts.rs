//! Contract 003, `receipts`, as an unchanged client meets it: through nginx, one port for each of its two services.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::process::Finished;
use till_tests::receipts::simple;
use till_tests::{FrontDoor, Spec, Till, places};

/// How long the client may take. Liveness only.
const ENDS_WITHIN: Duration = Duration::from_secs(600);

/// A deployment that serves the contract, with windows of three seconds, and nginx before it.
async fn served(name: &str) -> (Till, FrontDoor) {
    let mut till = Till::prepare(name).await;
    let journals = till.scratch.path().join("journals").display().to_string();
    for service in [&mut till.command_api, &mut till.projector, &mut till.analytics] {
        service.set("TILL_CONTRACTS", "receipts");
        service.set("TILL_JOURNAL_DIR", &journals);
    }
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/3 * * * * *");
    till.start_all().await;
    let front_door = FrontDoor::start(&till).await;
    (till, front_door)
}

/// The Python client's words on the deployment.
fn client(till: &Till, label: &str, producer: &str, consumer: &str, more: &[&str]) -> Finished {
    let script = places::repository().join("tests/contracts/receipts_client.py");
    let mut spec = Spec::new(&format!("client-{label}"), &places::python(), till.scratch.path());
    spec.env.insert("PYTHONIOENCODING".into(), "utf-8".into());
    let options =
        [script.into_os_string(), "--producer".into(), producer.into(), "--consumer".into(), consumer.into()];
    spec.args(options.into_iter().chain(more.iter().map(OsString::from))).run(ENDS_WITHIN)
}

/// The sections of the client that found a difference.
fn sections(client: &Finished) -> BTreeSet<String> {
    client
        .output
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(section, _)| section.to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_client_of_the_receipts_contract_finds_what_its_document_says() {
    let (till, door) = served("contract-receipts").await;
    let (producer, consumer) = (&door.receipts_producer, &door.receipts_consumer);
    let journals = till.scratch.path().join("journals").display().to_string();
    let content = client(&till, "content", producer, consumer, &["--journals", &journals]);
    println!("{}", content.success("the client of the receipts contract"));

    // The client is shown to notice: every answer spoilt in one way, and each section that should must say so.
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
        let spoilt = client(&till, fault, producer, consumer, &["--plant", fault]);
        assert!(!spoilt.status.success(), "{fault}: the client is content:\n{}", spoilt.output);
        let found = sections(&spoilt);
        let missed: Vec<_> = expected.iter().filter(|section| !found.contains(**section)).collect();
        assert!(missed.is_empty(), "{fault}: {missed:?} notice nothing:\n{}", spoilt.output);
    }
    // And so is its look at journals, by another folder's.
    let elsewhere = till.scratch.path().join("no-journals");
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("journal.csv"), "").unwrap();
    std::fs::write(elsewhere.join("journal.txt"), "something else\n").unwrap();
    let other =
        client(&till, "journals", producer, consumer, &["--journals", &elsewhere.display().to_string()]);
    assert_eq!(sections(&other), BTreeSet::from(["journals_are_kept".to_owned()]), "{}", other.output);
    // /v1 is no place for its client.
    let wrong = format!("{}/v1", door.url);
    let lost = client(&till, "v1", &wrong, &wrong, &[]);
    assert!(!lost.status.success(), "{}", lost.output);
}

/// A check whose total is not the sum of its items.
fn mismatched(transaction_id: &str) -> Value {
    let mut check = simple(transaction_id, "place-mismatch", "5.00");
    check["total_amount"] = json!("7.00");
    check["nds_amount"] = check["tax_amount"].take();
    check["tips_amount"] = json!(0);
    check
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_does_not_add_up_is_recorded_through_the_contract_marked_listed_and_voided() {
    let (till, _door) = served("contract-facts").await;
    let (anyone, admin) = (till.anyone(), till.admin().await);
    let check = mismatched("odd");
    let _ = admin.receipt(&check).await.problem(422);
    // Under the prefix, on the services themselves: writes here, reads there.
    let taken = anyone.post("/contracts/receipts/api/checks/", &check).await.expect(201);
    assert_eq!(taken.body["total_amount"], "7.00");
    let mut even = mismatched("even");
    even["total_amount"] = json!("5.00");
    let _ = anyone.post("/contracts/receipts/api/checks/", &even).await.expect(201);

    let listed =
        admin.get_strong("/v1/receipts?totals_match=false&place_id=place-mismatch").await.expect(200);
    let ids: Vec<_> =
        listed.body["receipts"].as_array().unwrap().iter().map(|r| &r["transaction_id"]).collect();
    assert_eq!(ids, ["odd"]);
    assert_eq!(listed.body["receipts"][0]["totals_match"], false);
    assert_eq!(listed.body["receipts"][0]["recorded_by"], "contracts/receipts");
    let matching = admin.get_strong("/v1/receipts?totals_match=true").await.expect(200);
    assert_eq!(matching.body["receipts"].as_array().unwrap().len(), 1);
    let _ = admin.get("/v1/receipts?totals_match=perhaps").await.problem(400);

    let place = admin.get_strong("/v1/analytics/places/place-mismatch").await.expect(200);
    assert_eq!((&place.body["purchases"], &place.body["total_amount"]), (&json!(2), &json!("12.00")));
    let _ = admin.void("odd", "it never happened").await.expect(201);
    let place = admin.get_strong("/v1/analytics/places/place-mismatch").await.expect(200);
    assert_eq!((&place.body["purchases"], &place.body["total_amount"]), (&json!(1), &json!("5.00")));
    let checks = anyone.get("/contracts/receipts/api/ch/").await.expect(200);
    assert_eq!(checks.body.as_array().unwrap().len(), 2, "a void is no part of the contract");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_makes_a_repeated_check_of_the_consumer_the_same_one() {
    let (till, _door) = served("contract-keys").await;
    let path = "/contracts/receipts/consumer/api/add_checks/";
    let check = json!({"place_id": "p", "place_name": "P", "total_amount": "-1.50", "nds_amount": 0, "tips_amount": null,
        "items": [{"quantity": -3, "price": "0.50", "category": "c"}]});
    let keyed = till.anyone().with_header("idempotency-key", "one");
    let first = keyed.post(path, &check).await.expect(201);
    assert_eq!(keyed.post(path, &check).await.expect(201).body, first.body);
    let mut other = check.clone();
    other["place_name"] = json!("Q");
    let _ = keyed.post(path, &other).await.expect(422);
    let _ = till.anyone().post(path, &check).await.expect(201);

    let admin = till.admin().await;
    let place = admin.get_strong("/v1/analytics/places/p").await.expect(200);
    assert_eq!((&place.body["purchases"], &place.body["total_amount"]), (&json!(2), &json!("-3.00")));
    let receipts = admin.get_strong("/v1/receipts?place_id=p").await.expect(200);
    let receipt = &receipts.body["receipts"][0];
    assert_eq!(
        (&receipt["totals_match"], &receipt["recorded_by"]),
        (&json!(true), &json!("contracts/receipts/consumer"))
    );
    // Figures by arrival take negative numbers too.
    eventually("the window is closed", Duration::from_secs(120), async || {
        let read = admin.get_strong("/v1/analytics/categories?place_id=p").await.expect(200);
        let hours = read.body["hours"].as_array().unwrap();
        hours.iter().any(|hour| hour["categories"][0]["running_quantity"] == -6)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contract_that_is_not_switched_on_is_not_there() {
    let till = crate::common::shared().await;
    let _ = till.anyone().post("/contracts/receipts/api/checks/", &mismatched("off")).await.problem(404);
    let _ = till.anyone().get("/contracts/receipts/api/ch/").await.problem(404);
    let mut other = Till::prepare("contract-unknown").await;
    other.command_api.set("TILL_CONTRACTS", "receipts, nonsense");
    let checked = other.command_api.run("check-config", &[]);
    assert!(!checked.status.success() && checked.output.contains("TILL_CONTRACTS"), "{}", checked.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_consumers_journal_is_not_written_again_by_restarts_and_rebuilds() {
    let (mut till, _door) = served("contract-journal").await;
    let admin = till.admin().await;
    let _ = admin.receipt(&simple("a", "p", "1.00")).await.expect(201);
    let journal = till.scratch.path().join("journals/journal.txt");
    let lines = |journal: &Path| std::fs::read_to_string(journal).unwrap_or_default().lines().count();
    eventually("a window is closed", Duration::from_secs(120), async || lines(&journal) > 0).await;
    let _ = till.analytics.terminate();
    let windows = async || {
        let runs = admin.get_strong("/v1/analytics/runs?limit=1000").await.expect(200);
        runs.body["runs"].as_array().unwrap().len()
    };
    let (closed, written) = (windows().await, lines(&journal));
    assert_eq!(written, closed, "a line for each window");
    let _ = till.projector.run("rebuild", &["hours"]).success("projector rebuild hours");
    till.projector.kill();
    till.projector.start_ready().await;
    assert_eq!((windows().await, lines(&journal)), (closed, written));
}
