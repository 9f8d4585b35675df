//! Till with a schema registry, a real Apicurio. What the registry has is enough to read the records, and Till reads
//! them without it.

use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::receipts::{Receipts, simple};
use till_tests::{Apicurio, Client, Isolation, Ledger, RawRecord, Service, Till, oracle};

use crate::figures::{append_raw, closed_past, fails};
use crate::settings::refuses_to_start;

const SETTING: &str = "TILL_SCHEMA_REGISTRY_URL";
const CHECKS: [&str; 6] = ["stream", "accepted", "figures", "hours", "hours-read", "journal"];

/// Sends receipts and some voids, and writes all of them into the ledger.
async fn send(client: &Client, ledger: &Ledger, prefix: &str) -> Vec<Value> {
    let mut receipts = Receipts::new(prefix, 23, 4);
    let sent: Vec<_> = (0..60).map(|_| receipts.make()).collect();
    for (number, receipt) in sent.iter().enumerate() {
        let _ = ledger.receipt(client, receipt).await.unwrap().expect(201);
        if number % 10 == 0 {
            let _ = ledger.void(client, &format!("{prefix}-{number}"), "test").await.unwrap().expect(201);
        }
    }
    sent
}

/// How many values name their schema by its fingerprint, and how many by an id of the registry.
async fn framings(till: &Till, noun: &str) -> (usize, usize) {
    let records = till.topic(noun).records(Isolation::Committed).await;
    let begin_with = |marker: u8| records.iter().filter(|record| record.value[0] == marker).count();
    (begin_with(0xC3), begin_with(0x00))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_begun_without_a_registry_goes_on_with_one_and_is_read_when_that_is_gone() {
    let mut till = Till::prepare("registry").await;
    let Some(mut apicurio) = Apicurio::prepare("a log that goes on with a registry", till.scratch.path())
    else {
        return;
    };
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/3 * * * * *");
    till.start_all().await;
    let (admin, analytics) = (till.admin().await, till.topic("analytics"));
    let ledger = Ledger::new(till.scratch.path());
    let mut sent = send(&admin, &ledger, "before").await;
    closed_past(&analytics, Utc::now()).await;

    apicurio.start_ready().await;
    for service in [&mut till.command_api, &mut till.analytics] {
        assert!(service.terminate().success(), "{}", service.log());
        service.set(SETTING, &apicurio.url());
        service.start_ready().await;
    }
    sent.extend(send(&admin, &ledger, "with").await);
    closed_past(&analytics, Utc::now()).await;
    assert!(till.analytics.terminate().success());
    for noun in ["receipts", "accounts", "analytics", "shards"] {
        let (by_fingerprint, by_id) = framings(&till, noun).await;
        println!("{noun}: {by_fingerprint} values by fingerprint, {by_id} by the registry's ids");
        // All accounts were opened before. Of the shards' topic, only the latest record of each key need be there.
        assert!(by_id > 0 || noun == "accounts", "no value of {noun} has an id of the registry");
        assert!(by_fingerprint > 0 || noun == "shards", "no value of {noun} has a fingerprint");
    }
    let judge =
        |checks: &[&str], more: &[&str]| oracle::judge(&till, admin.token(), ledger.path(), checks, more);
    let url = apicurio.url();
    println!(
        "{}",
        judge(&CHECKS, &["registered", "--registry", &url]).success("the oracle, by the registry")
    );

    apicurio.terminate();
    // A service that has started with the registry needs it no more.
    sent.extend(send(&admin, &ledger, "after").await);
    assert!(till.command_api.terminate().success());
    for name in ["receipts", "hours"] {
        let _ = till.projector.run("rebuild", &[name]).success("projector rebuild");
    }
    let mut replayed = till.another_command_api("replayed");
    replayed.unset(SETTING);
    replayed.start_ready().await;
    let client = Client::new(&replayed.url(), &till.projector.url()).with_token(admin.token());
    for receipt in &sent {
        // While shards move, the answer is 503.
        eventually("the repeated receipt has its answer", Duration::from_secs(60), async || {
            ledger.receipt(&client, receipt).await.is_some_and(|answer| answer.status == 200)
        })
        .await;
    }
    till.analytics.unset(SETTING);
    till.analytics.start_ready().await;
    closed_past(&analytics, Utc::now()).await;
    assert!(till.analytics.terminate().success());
    let _ = till.analytics.run("recompute", &[]).success("analytics-worker recompute");
    let judged = oracle::judge(&till, admin.token(), ledger.path(), &CHECKS, &[]);
    println!("{}", judged.success("the oracle, by the headers"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_that_write_wait_for_a_registry_that_is_away_and_end_where_it_refuses_a_schema() {
    let mut till = Till::prepare("registry-late").await;
    let Some(mut apicurio) = Apicurio::prepare("waiting for a registry", till.scratch.path()) else { return };
    for service in [&mut till.command_api, &mut till.analytics] {
        service.set(SETTING, &apicurio.url());
        service.start();
    }
    for service in [&mut till.command_api, &mut till.analytics] {
        waits_for(service, "Connection refused").await;
    }
    apicurio.start_ready().await;
    for service in [&mut till.command_api, &mut till.analytics] {
        service.ready().await;
    }

    let mut other = Till::prepare("registry-refused").await;
    let subject = format!("{}.receipts-till.ReceiptRecorded", other.prefix);
    let foreign = json!({
        "type": "record", "namespace": "till", "name": "ReceiptRecorded",
        "fields": [{"name": "another", "type": "string"}]
    });
    apicurio.register(&subject, &foreign).await;
    for service in [&mut other.command_api, &mut other.analytics] {
        service.set(SETTING, &apicurio.url());
        refuses_to_start(service, &["refuses", &subject, "409", "Incompatible"]);
    }
    // No authority has signed the registry's certificate.
    other.command_api.set(SETTING, &apicurio.https_url());
    other.command_api.start();
    waits_for(&mut other.command_api, "certificate verify failed").await;
}

/// Waits until the service says at `/readyz` that it waits for the registry, and why.
async fn waits_for(service: &mut Service, why: &str) {
    let client = Client::new(&service.url(), &service.url());
    eventually(&format!("it waits for the registry: {why}"), Duration::from_secs(60), async || {
        let answer = client.try_get("/readyz").await;
        answer.is_ok_and(|answer| {
            answer.status == 503
                && answer.text.contains("the schema registry at")
                && answer.text.contains(why)
        })
    })
    .await;
    assert!(!service.has_ended(), "{}", service.log());
}

/// A copy of a record for another receipt, with a part of its value changed.
fn altered(record: &RawRecord, key: &str, change: impl FnOnce(&mut [u8])) -> RawRecord {
    let mut value = replaced(&record.value, &record.key, key.as_bytes());
    change(&mut value);
    RawRecord {
        key: key.into(),
        value,
        partition: schemas::partition_of(key.as_bytes(), 4),
        ..record.clone()
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_of_a_log_by_its_registry_fails_on_a_fault_planted_for_it() {
    let mut till = Till::prepare("registry-planted").await;
    let Some(mut apicurio) = Apicurio::prepare("faults planted for a registry", till.scratch.path()) else {
        return;
    };
    apicurio.start_ready().await;
    till.command_api.set(SETTING, &apicurio.https_url());
    till.command_api.set("SSL_CERT_FILE", apicurio.certificate.to_str().unwrap());
    till.command_api.start_ready().await;
    let (admin, receipts) = (till.admin().await, till.topic("receipts"));
    let ledger = Ledger::new(till.scratch.path());
    let _ = ledger.receipt(&admin, &simple("sold-1", "corner", "1.00")).await.unwrap().expect(201);
    let _ = ledger.void(&admin, "sold-1", "test").await.unwrap().expect(201);
    assert!(till.command_api.terminate().success());
    let url = apicurio.url();
    let judge = |ledger: &std::path::Path, check: &str| {
        oracle::judge(&till, admin.token(), ledger, &[check], &["--registry", &url])
    };
    for check in ["registered", "accepted"] {
        println!("{}", judge(ledger.path(), check).success("the oracle, before any fault"));
    }
    let records = receipts.of_key("sold-1", Isolation::Committed).await;
    let [sold, void] = records.as_slice() else { panic!("two records: {records:?}") };

    // Planted: a record with another product than the ledger says was sent.
    let changed = altered(sold, "sold-2", |value| {
        let at = value.windows(5).position(|window| window == b"bread").unwrap();
        value[at] = b'B';
    });
    append_raw(&receipts, vec![changed]).await;
    let text = std::fs::read_to_string(ledger.path()).unwrap();
    let copied = till.scratch.path().join("copied.jsonl");
    let sent = text.lines().next().unwrap().replace("sold-1", "sold-2");
    std::fs::write(&copied, format!("{text}{sent}\n")).unwrap();
    fails(&judge(&copied, "accepted"), &["sold-2", "another content"]);
    let _ = judge(ledger.path(), "registered").success("the oracle, of schemas that are right");

    // Planted: the schema of another type, and one that the registry does not have.
    let other = altered(sold, "sold-3", |value| value[1..5].copy_from_slice(&void.value[1..5]));
    append_raw(&receipts, vec![other.clone()]).await;
    let place = format!("{}.receipts/{}@", till.prefix, other.partition);
    fails(&judge(ledger.path(), "registered"), &[&place]);
    let unknown = altered(sold, "sold-4", |value| value[1..5].copy_from_slice(&9_999_u32.to_be_bytes()));
    append_raw(&receipts, vec![unknown]).await;
    fails(&judge(ledger.path(), "registered"), &["answers 404", "/schemas/ids/9999"]);

    // Planted: a subject that may be changed at will, and that was changed.
    let subject = format!("{}.accounts-till.LoginLocked", till.prefix);
    let body = json!({"compatibility": "NONE"});
    let _ = apicurio.client().put(&format!("/config/{subject}"), &body).await.expect(200);
    fails(&judge(ledger.path(), "registered"), &[&subject, "held to NONE"]);
    apicurio
        .register(
            &subject,
            &json!({"type": "record", "namespace": "till", "name": "LoginLocked", "fields": []}),
        )
        .await;
    fails(&judge(ledger.path(), "registered"), &[&format!("{subject} has the versions")]);
}
