//! Kill -9 and takeover while persons are recorded, erased and rewrapped, and while their keys are folded: whoever lives
//! stays readable, whoever was erased stays unreadable, and every name is one person's.

use std::time::Duration;

use serde_json::{Value, json};
use till_tests::client::eventually;
use till_tests::kafka_proxy::Api;
use till_tests::{Client, Isolation, KafkaProxy, Process, Till};

use crate::forged;
use crate::ownership::SURELY;
use crate::people::{
    FIRST_MASTER, INDEX_KEY, SECOND_MASTER, masters, registered, restart_with, set_secrets, with_secrets,
};

/// Where an owner is killed.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// `PersonErased` is on its way.
    Event,
    /// It is acknowledged, and the tombstone is on its way.
    Release,
    /// All is acknowledged, and not committed.
    Commit,
}

impl Step {
    const ALL: [Self; 3] = [Self::Event, Self::Release, Self::Commit];

    fn hold(self, till: &Till, proxy: &KafkaProxy) {
        match self {
            Self::Event => proxy.hold_requests(Api::Produce, &format!("{}.people", till.prefix)),
            Self::Release => proxy.hold_requests(Api::Produce, &format!("{}.keys", till.prefix)),
            Self::Commit => proxy.hold_requests(Api::EndTxn, &till.prefix),
        }
    }
}

fn customer(name: &str) -> Value {
    json!({"name": name, "email": format!("{name}@example.com")})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_cut_short_at_any_step_is_whole_or_did_not_happen_at_the_owners_successor() {
    let mut till = Till::prepare("erasure-killed").await;
    till.command_api.set("TILL_SHARDS", "1");
    set_secrets(&mut till, FIRST_MASTER, INDEX_KEY);
    let mut successor = till.another_command_api("successor");
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.start_all().await;
    let admin = till.admin().await;
    let at_successor = Client::new(&successor.url(), &till.projector.url()).with_token(admin.token());
    for step in Step::ALL {
        println!("{step:?}");
        let (doomed, other) = (format!("doomed-{step:?}"), format!("other-{step:?}"));
        let [path, living] = [&doomed, &other].map(|name| customer(name));
        let (path, living) = (registered(&admin, &path).await, registered(&admin, &living).await);
        step.hold(&till, &proxy);
        let cut = admin.with_timeout(Duration::from_secs(3)).try_delete(&path).await;
        assert!(cut.is_err(), "{step:?} is held: {cut:?}");
        till.command_api.kill();
        successor.start_ready().await;
        // What was held arrives late, from an owner that is fenced by now.
        proxy.release();

        let read = at_successor.get(&path).await.expect(200).body;
        let is_erased = read["erased"] == true;
        assert_eq!(read["name"] == Value::Null, is_erased, "{step:?}: {read}");
        eventually("it is erased", SURELY, async || {
            at_successor.try_delete(&path).await.is_ok_and(|answer| answer.status == 204)
        })
        .await;
        let read = at_successor.get(&path).await.expect(200).body;
        assert_eq!((&read["erased"], &read["name"]), (&json!(true), &Value::Null), "{step:?}");
        assert_eq!(at_successor.get(&living).await.expect(200).body["name"], other);
        let _ = registered(&at_successor, &customer(&doomed)).await;
        let _ = at_successor.post("/v1/customers", &customer(&other)).await.problem(409);

        assert!(successor.terminate().success());
        till.command_api.start_ready().await;
    }
    assert_eq!(names(&admin).await.len(), 2 * Step::ALL.len(), "each name is one customer's");
}

/// The names of all customers who are not erased.
async fn names(admin: &Client) -> Vec<String> {
    let listed = admin.get("/v1/customers?limit=1000").await.expect(200).body;
    let customers = listed["customers"].as_array().expect("customers").iter();
    let mut names: Vec<_> = customers.filter_map(|one| one["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names
}

const MANY: usize = 200;

/// Registers many customers, and gives the paths of those to be erased.
async fn many(admin: &Client) -> Vec<String> {
    let sent: Vec<_> = (0..MANY)
        .map(|number| {
            let admin = admin.clone();
            tokio::spawn(async move { registered(&admin, &customer(&format!("customer-{number}"))).await })
        })
        .collect();
    let mut paths = Vec::new();
    for path in sent {
        paths.push(path.await.unwrap());
    }
    paths.split_off(MANY - 5)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewrap_whose_owners_are_killed_ends_with_every_key_under_the_new_master_key() {
    let mut till = Till::prepare("rewrap-killed").await;
    set_secrets(&mut till, FIRST_MASTER, INDEX_KEY);
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.start_all().await;
    let admin = till.admin().await;
    let erased = many(&admin).await;
    for path in &erased {
        let _ = admin.delete(path).await.expect(204);
    }
    restart_with(&mut till, &format!("{SECOND_MASTER},{FIRST_MASTER}")).await;
    proxy.delay_answers(Api::EndTxn, Duration::from_millis(150));
    for attempt in 0..4_u64 {
        let rewrap =
            Process::start(till.command_api.command(&format!("rewrap-{attempt}"), "keys", &["rewrap"]));
        tokio::time::sleep(Duration::from_millis(300 + 250 * attempt)).await;
        till.command_api.kill();
        drop(rewrap);
        till.command_api.start_ready().await;
        let under = masters(&till).await;
        println!(
            "{} of {} keys are under the new one",
            under.iter().filter(|one| **one == 2).count(),
            under.len()
        );
    }
    proxy.delay_answers(Api::EndTxn, Duration::ZERO);
    println!("{}", till.command_api.run("keys", &["rewrap"]).success("keys rewrap"));
    restart_with(&mut till, SECOND_MASTER).await;
    let admin = till.admin().await;
    assert_eq!(names(&admin).await.len(), MANY - erased.len());
    for path in &erased {
        assert_eq!(admin.get(path).await.expect(200).body["erased"], true);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_folded_anew_while_everything_is_killed_are_those_of_the_living() {
    let till = Till::prepare_alone("keys-killed").await;
    let mut till = with_secrets(till).await;
    let admin = till.admin().await;
    let erased = many(&admin).await;
    for (number, path) in erased.iter().enumerate() {
        let rebuild =
            Process::start(till.projector.command(&format!("rebuild-{number}"), "rebuild", &["keys"]));
        let _ = admin.delete(path).await.expect(204);
        tokio::time::sleep(Duration::from_millis(80 * number as u64)).await;
        // Killed in turn: the rebuild, the leader with it, and Postgres, which then empties the unlogged tables.
        drop(rebuild);
        if number % 2 == 1 {
            till.projector.kill();
        }
        if number % 3 == 2 {
            till.servers.postgres.kill();
            till.servers.postgres.restart();
            till.servers.postgres.ready().await;
        }
        if number % 2 == 1 {
            till.projector.start_ready().await;
        }
        eventually("those who live are read", SURELY * 2, async || {
            let client = admin.with_header("prefer", "wait=30");
            client.try_get("/v1/customers?limit=1000").await.is_ok_and(|answer| answer.status == 200)
        })
        .await;
        assert_eq!(names(&admin).await.len(), MANY - number - 1);
        assert_eq!(admin.get(path).await.expect(200).body["erased"], true);
    }
    let _ = till.projector.run("rebuild", &["keys"]).success("projector rebuild");
    assert_eq!(names(&admin).await.len(), MANY - erased.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_keys_that_is_restored_brings_nobody_back() {
    let mut till = with_secrets(Till::prepare("keys-restored").await).await;
    let admin = till.admin().await;
    let path = registered(&admin, &customer("ann")).await;
    let log = till.topic("keys");
    let backup = log
        .records(Isolation::Committed)
        .await
        .into_iter()
        .max_by_key(|record| record.offset)
        .expect("a key");
    let subject = String::from_utf8(backup.key.clone()).unwrap();
    let _ = admin.delete(&path).await.expect(204);

    // An owner would notice that somebody else writes: a backup is restored while none runs.
    assert!(till.command_api.terminate().success());
    forged::append(&log, vec![backup]).await;
    till.command_api.start_ready().await;
    let admin = till.admin().await;
    let read = admin.get_strong(&path).await.expect(200).body;
    assert_eq!(
        (&read["erased"], &read["name"]),
        (&json!(true), &Value::Null),
        "an erasure stands over a key"
    );
    let _ = registered(&admin, &customer("ann")).await;

    let printed = till.command_api.run("keys", &["rewrap"]).success("keys rewrap");
    println!("{printed}");
    let records = log.of_key(&subject, Isolation::Committed).await;
    assert!(records.last().is_some_and(|record| record.value.is_empty()), "it is deleted again");
    assert_eq!(admin.get_strong(&path).await.expect(200).body["erased"], true);
    assert_eq!(names(&admin).await, ["ann"]);
}
