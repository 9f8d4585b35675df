//! To-dos of a served shard: many of them at once, and what replicas ask of each other to do them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use schemas::Event;
use schemas::accounts::{AccountRegistered, LoginLocked};
use serde_json::json;
use till_tests::client::eventually;
use till_tests::receipts::Receipts;
use till_tests::{Client, Isolation, Till};

use crate::common::{Setting, in_every_setting};
use crate::forged;
use crate::ownership::SURELY;

/// The secret of a demo's deployment.
const DEMO_SECRET: &str = "till-demo-secret-till-demo-secret";
const REALM: &str = "till";
/// As many to-dos as are kept in memory.
const MANY: usize = 10_000;
const CLIENTS: usize = 64;
/// How much 10,000 to-dos may add to a command-api's memory.
const MORE_MIB: u64 = 20;

/// Events of accounts whose login locks all end at one instant.
fn locked_accounts(until: DateTime<Utc>) -> Vec<Event> {
    let name = |number: usize| format!("locked-{number}");
    let registered = |number: usize| AccountRegistered {
        realm: REALM.into(),
        username: name(number),
        number: number as i64 + 1,
        password_hash: "none".into(),
        roles: Vec::new(),
        places: Vec::new(),
        idempotency_id: None,
    };
    let locked =
        |number: usize| LoginLocked { realm: REALM.into(), username: name(number), until, account: 0 };
    (0..MANY).flat_map(|number| [registered(number).into(), locked(number).into()]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_todos_due_at_once_refuse_no_client_and_take_little_memory() {
    let mut till = Till::prepare("many-todos").await;
    let _ = till.command_api.run("create-topics", &[]).success("command-api create-topics");
    let due = Utc::now() + TimeDelta::seconds(40);
    let records = locked_accounts(due).iter().map(|event| forged::record(event, 4)).collect();
    forged::append(&till.topic("accounts"), records).await;
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;

    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(send(terminal.clone(), number, Arc::clone(&stop)))).collect();
    let before = loop {
        let peak = till.command_api.peak_mib();
        if Utc::now() > due - TimeDelta::seconds(1) {
            break peak;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let begun = Instant::now();
    let accounts = till.topic("accounts");
    eventually("every lock has ended", SURELY * 2, async || {
        ended(&accounts.records(Isolation::Committed).await).len() >= MANY
    })
    .await;
    println!("{MANY} to-dos were done {:?} after they were due", begun.elapsed() - Duration::from_secs(1));
    stop.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    let after = till.command_api.peak_mib();
    println!("{sent} receipts beside them; {before} MiB before, {after} MiB after");
    assert!(after <= before + MORE_MIB, "{before} MiB before, {after} MiB after");
    let ended = ended(&accounts.records(Isolation::Committed).await);
    assert!(ended.len() == MANY && ended.values().all(|times| *times == 1), "each was done once");
}

/// Sends receipts until it is told to stop, and gives how many. None of them may be refused.
async fn send(terminal: Client, number: usize, stop: Arc<AtomicBool>) -> usize {
    let mut receipts = Receipts::new(&format!("beside-{number}"), number as u64, 3);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let _ = terminal.receipt(&receipts.make()).await.expect(201);
        sent += 1;
    }
    sent
}

/// The accounts whose lock has ended, and how often it has.
fn ended(records: &[till_tests::RawRecord]) -> HashMap<String, usize> {
    let mut ended = HashMap::new();
    for record in records.iter().filter(|record| record.header("event-type") == Some(b"LoginUnlocked")) {
        let event = schemas::codec::decode(&record.value, None).unwrap();
        *ended.entry(event.id().into_owned()).or_default() += 1;
    }
    ended
}

/// The secret that replicas know each other by: HKDF with SHA-256 (RFC 5869) of the deployment's secret, in
/// hexadecimal.
fn internal_secret(secret: &str) -> String {
    let mut derived = [0; 32];
    hkdf::Hkdf::<sha2::Sha256>::new(None, secret.as_bytes()).expand(b"internal", &mut derived).unwrap();
    derived.iter().map(|byte| format!("{byte:02x}")).collect()
}

in_every_setting!(commands_are_told_by_replicas_alone);

async fn commands_are_told_by_replicas_alone(at: Setting) {
    let (till, entry) = at.shared().await;
    let path = "/internal/commands";
    let told =
        json!({"cause": "00000000-0000-0000-0000-000000000001", "command": {"Account": {"UnlockLogin": {}}}});
    let anyone = entry.anyone();
    if at.front_door {
        let _ = anyone.post(path, &told).await.problem(404);
        for [writes, _] in ["producer", "consumer"].map(|service| entry.contract("receipts", service)) {
            let root = writes[0].trim_end_matches('/').to_owned();
            assert_eq!(anyone.at(&root).post(path, &told).await.status, 404);
        }
        return;
    }
    let _ = anyone.post(path, &told).await.problem(401);
    let _ = anyone.with_token("0123456789abcdef").post(path, &told).await.problem(401);
    let _ = entry.admin().await.post(path, &told).await.problem(401);
    let secret = till.command_api.setting("TILL_JWT_SECRET").unwrap_or(DEMO_SECRET);
    let replica = anyone.with_token(&internal_secret(secret));
    let _ = replica.post(path, &told).await.problem(501);
    let _ = replica.post_raw(path, vec![b' '; 2 * 1024 * 1024]).await.problem(413);
}
