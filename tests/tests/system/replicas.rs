//! Several replicas of each service. Any of them takes any request, whichever is stopped, killed or added.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use till_tests::client::eventually;
use till_tests::receipts::{Random, Receipts, simple};
use till_tests::{Answer, Client, Isolation, Service, Till, oracle};

use crate::chaos::last_window_end;
use crate::load::{Load, pause};
use crate::ownership::{SURELY, accepted_by};

/// How many blows the replicas of each service take, one after the other.
const BLOWS: u64 = 10;
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
const CHECKS: [&str; 5] = ["stream", "accepted", "figures", "hours", "journal"];
/// Longer than it takes to notice a stopped owner, so that no request ends because it has waited too long.
const PATIENT_MS: &str = "45000";

/// Two command-api that share one shard. The first of them is its owner.
async fn owner_and_follower(name: &str) -> (Till, Service, Client) {
    let mut till = Till::prepare(name).await;
    till.command_api.set("TILL_SHARDS", "1");
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    let mut follower = till.another_command_api("command-api-b");
    follower.set("TILL_ANSWER_TIMEOUT_MS", PATIENT_MS);
    follower.set("TILL_MOVE_TIMEOUT_MS", PATIENT_MS);
    follower.start_ready().await;
    (till, follower, terminal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_stopped_owner_end_and_once_continued_it_gives_no_stale_answer() {
    let (till, follower, terminal) = owner_and_follower("stale").await;
    let admin = till.admin().await;
    let to_follower = admin.at(&follower.url());
    till.command_api.pause();
    // The request reaches the socket of the stopped owner, and would wait there for as long as the owner is stopped.
    let forwarded = simple("forwarded", "place-stale", "1.00");
    let refused = to_follower.receipt(&forwarded).await.problem(503);
    assert_eq!(refused.body["type"], "urn:till:unknown", "{}", refused.text);

    // All of this happens after the stop, and the former owner has not seen it.
    let _ = accepted_by(&to_follower, &forwarded).await.expect(201);
    let account = json!({"username": "newcomer", "password": "correct horse"});
    let _ = to_follower.post("/v1/auth/register", &account).await.expect(201);
    let void = {
        let admin = admin.clone();
        tokio::spawn(async move { admin.void("forwarded", "wrong till").await })
    };
    let login = tokio::spawn(async move { terminal.try_login("newcomer", "correct horse").await });
    // Both requests need some time to lie in the stopped process's sockets.
    tokio::time::sleep(Duration::from_millis(300)).await;
    till.command_api.resume();
    let (void, login) = (void.await.unwrap(), login.await.unwrap());
    assert!([201, 503].contains(&void.status), "a receipt that was accepted is known: {}", void.text);
    assert!([200, 503].contains(&login.status), "an account that was opened is known: {}", login.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_refused_while_a_patient_replica_waits_for_a_killed_owners_successor() {
    let (mut till, follower, terminal) = owner_and_follower("successor").await;
    till.command_api.kill();
    let to_follower = terminal.at(&follower.url());
    // The announced owner refuses connections, until the follower has taken over.
    let _ = to_follower.receipt(&simple("waited", "place-successor", "1.00")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_stop_and_a_join_refuse_nobody() {
    let mut till = Till::prepare("planned").await;
    till.command_api.set("TILL_MOVE_TIMEOUT_MS", PATIENT_MS);
    till.command_api.start_ready().await;
    let mut leaving = till.another_command_api("command-api-b");
    leaving.start_ready().await;
    let terminal = till.terminal().await;
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|number| {
            let (terminal, stop) = (terminal.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut receipts = Receipts::new(&format!("sender-{number}"), number, 3);
                let mut longest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let _ = terminal.receipt(&receipts.make()).await.expect(201);
                    longest = longest.max(begun.elapsed());
                }
                longest
            })
        })
        .collect();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let ended = tokio::task::block_in_place(|| leaving.terminate());
        assert!(ended.success(), "{}", leaving.log());
        leaving.start_ready().await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        println!("the longest wait for an answer was {:?}", sender.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_killed_stopped_continued_and_started_lose_double_and_forget_nothing() {
    let mut till = Till::prepare("replicas").await;
    till.command_api.set("TILL_SHARDS", "4");
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/5 * * * * *");
    till.start_all().await;
    let mut others = [
        till.another_command_api("command-api-b"),
        till.another_command_api("command-api-c"),
        till.another_projector("projector-b"),
        till.another_analytics("analytics-worker-b"),
    ];
    for service in &mut others {
        service.start_ready().await;
    }
    let [second, third, second_projector, second_worker] = &mut others;
    let admin = till.admin().await;
    let clients = everywhere(&admin, [&till.command_api, second, third], [&till.projector, second_projector]);
    let began = Instant::now();
    let load = Load::begin_through(&till, &clients);
    let stop = AtomicBool::new(false);
    let torments = async {
        tokio::join!(
            torment([&mut till.command_api, second, third], 1),
            torment([&mut till.projector, second_projector], 2),
            torment([&mut till.analytics, second_worker], 3),
        );
        stop.store(true, Ordering::Relaxed);
    };
    let (opened, ()) = tokio::join!(open_accounts(&clients, &stop), torments);
    println!("{BLOWS} blows on each service in {:?}, {opened} accounts opened and used", began.elapsed());
    till.all_ready().await;
    for service in &mut others {
        service.ready().await;
    }
    let sent = load.end().await;
    let stopped = chrono::Utc::now();
    eventually("the window of the last receipt is closed", SETTLED_WITHIN, async || {
        last_window_end(&till.topic("analytics")).await.is_some_and(|end| end > stopped)
    })
    .await;
    // The workers end first: a window that one closed while the oracle reads would be in one of the oracle's inputs
    // only.
    for worker in [&mut till.analytics, &mut others[3]] {
        assert!(worker.terminate().success(), "{}", worker.log());
    }
    println!("settled after {:?}", began.elapsed());
    let judged = oracle::judge(&till, admin.token(), sent.path(), &CHECKS, &[]);
    println!("{}", judged.success("the oracle"));
    assert!(!till.topic("shards").records(Isolation::Committed).await.is_empty());
}

/// One client for each pair of a replica that takes writes and a replica that takes reads.
fn everywhere<const W: usize, const R: usize>(
    client: &Client,
    writers: [&Service; W],
    readers: [&Service; R],
) -> Vec<Client> {
    let pairs = writers.iter().flat_map(|writer| readers.iter().map(move |reader| (writer, reader)));
    pairs.map(|(writer, reader)| client.of(&writer.url(), &reader.url())).collect()
}

/// Kills one replica at a time, stops it for a while, or asks it to end, and starts it again.
async fn torment<const N: usize>(replicas: [&mut Service; N], seed: u64) {
    let mut random = Random::new(seed);
    for blow in 0..BLOWS {
        let replica = &mut *replicas[usize::try_from(random.below(N as u64)).unwrap()];
        match blow % 3 {
            0 => {
                replica.kill();
                pause(&mut random, 0, 1_500).await;
                replica.start();
            }
            1 => {
                let ended = tokio::task::block_in_place(|| replica.terminate());
                assert!(ended.success(), "{} ended with {ended}:\n{}", replica.name(), replica.log());
                pause(&mut random, 0, 1_000).await;
                replica.start();
            }
            _ => {
                replica.pause();
                pause(&mut random, 500, 10_000).await;
                replica.resume();
            }
        }
        // Sometimes the next blow falls before the replica serves again.
        if random.chance(70) {
            replica.ready().await;
        }
        pause(&mut random, 300, 3_000).await;
    }
}

/// Opens accounts through one replica, gives them a role through another, and at once uses them through a third. No
/// replica may answer from an older state.
async fn open_accounts(clients: &[Client], stop: &AtomicBool) -> u32 {
    let mut random = Random::new(7);
    let mut opened = 0;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("account-{opened}");
        let account = json!({"username": name, "password": "correct horse"});
        let key = format!("key-{opened}");
        let registered = insist(clients, &mut random, async |client| {
            let client = client.with_header("idempotency-key", &key);
            client.try_post("/v1/auth/register", account.to_string()).await
        })
        .await
        .expect(201);
        let roles = json!({"roles": ["terminal"]});
        let path = format!("/v1/accounts/{}/roles", registered.body["number"]);
        let _ = insist(clients, &mut random, async |client| client.try_put(&path, &roles).await)
            .await
            .expect(200);
        let login = insist(clients, &mut random, async |client| {
            client.try_post("/v1/auth/login", account.to_string()).await
        })
        .await
        .expect(200);
        let token = login.body["access_token"].as_str().unwrap().to_owned();
        let receipt = simple("only-checked", "place", "1.00").to_string();
        let valid = insist(clients, &mut random, async |client| {
            client.with_token(&token).try_post("/v1/receipts/validate", receipt.clone()).await
        });
        assert_eq!(valid.await.expect(200).body["valid"], true, "the login knows the role");
        opened += 1;
        pause(&mut random, 100, 300).await;
    }
    opened
}

/// Sends a request through one replica after another until the answer is another than "try again", and gives that
/// answer.
async fn insist(
    clients: &[Client],
    random: &mut Random,
    send: impl AsyncFn(Client) -> Result<Answer, reqwest::Error>,
) -> Answer {
    let deadline = Instant::now() + SURELY;
    loop {
        let client = random.pick(clients).with_timeout(Duration::from_secs(8));
        match send(client).await {
            Ok(answer) if answer.status != 503 => return answer,
            _ => assert!(Instant::now() < deadline, "no replica answers"),
        }
        pause(random, 50, 300).await;
    }
}
