//! Taking a shard over on a bad network, where requests come late, connections break, and records of somebody else
//! appear.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use schemas::{Event, codec, partition_of, shards};
use till_tests::client::eventually;
use till_tests::kafka_proxy::Api;
use till_tests::receipts::{Receipts, simple};
use till_tests::{Client, Isolation, KafkaProxy, Service, Till};

use crate::forged;
use crate::ownership::{SURELY, accepted_by};

/// How long a client tries a transactional call before it gives up.
const ONE_ATTEMPT: Duration = Duration::from_secs(10);
/// How many attempts at each shard fail before the second replica joins: the held requests are held for over 30 s.
const ATTEMPTS: usize = 3;
/// How often the stores are looked at before they must be equal. At an earlier look a follower may be some records
/// behind.
const LOOKS: usize = 3;

/// The first of the two transactional ids of a shard.
fn first_id(till: &Till, shard: i32) -> String {
    format!("{}-1-shard-{shard}-0", till.prefix)
}

/// Prepares a replica that is stopped and set to go through the proxy. The demo's accounts exist, and two shards are
/// declared. It comes with a terminal's token, because the shard of the accounts may later be served by nobody.
async fn stopped_behind_a_proxy(name: &str) -> (Till, KafkaProxy, String) {
    let mut till = Till::prepare(name).await;
    till.command_api.set("TILL_SHARDS", "2");
    till.command_api.set("TILL_SERVING_TIMEOUT_MS", "180000");
    till.command_api.start_ready().await;
    let token = till.terminal().await.token().to_owned();
    assert!(till.command_api.terminate().success());
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    (till, proxy, token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_id_of_a_shard_is_fenced_only_after_the_first() {
    let (mut till, proxy, _) = stopped_behind_a_proxy("fence-order").await;
    let (first, second) = (first_id(&till, 0), format!("{}-1-shard-0-1", till.prefix));
    proxy.hold_requests(Api::InitProducerId, &first);
    till.command_api.start();
    eventually("the first id is to be fenced", SURELY, async || proxy.has_seen(Api::InitProducerId, &first))
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!proxy.has_seen(Api::InitProducerId, &second), "the first is not fenced yet");
    proxy.release();
    till.command_api.ready().await;
    assert!(proxy.has_seen(Api::InitProducerId, &second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_whose_fence_comes_late_serves_nothing_and_both_stores_stay_equal() {
    let (mut till, proxy, token) = stopped_behind_a_proxy("late-fence").await;
    for shard in 0..2 {
        proxy.hold_requests(Api::InitProducerId, &first_id(&till, shard));
    }
    till.command_api.start();
    let begun = Instant::now();
    let failed = || till.command_api.log().matches("could not be taken over").count();
    eventually("the first replica tries again and again", SURELY * 2, async || failed() >= 2 * ATTEMPTS)
        .await;
    let last_attempt = Instant::now();
    let mut second = till.another_command_api("command-api-b");
    second.set("TILL_KAFKA_BROKERS", till.servers.kafka.brokers());
    second.start();
    eventually("the second replica serves what it was given", SURELY, async || {
        second.log().contains(" serving ")
    })
    .await;
    let client = |replica: &Service| Client::new(&replica.url(), &till.projector.url()).with_token(&token);
    let load = Load::begin(&[client(&till.command_api), client(&second)]);
    assert!(begun.elapsed() > Duration::from_secs(30), "{:?}", begun.elapsed());
    if last_attempt.elapsed() > ONE_ATTEMPT {
        println!("this machine was too slow: the first replica has given up before its fence came");
    }
    proxy.release();

    till.command_api.ready().await;
    second.ready().await;
    let accepted = load.end().await;
    let in_log = till.topic("receipts").records(Isolation::Committed).await;
    let mut keys: Vec<_> = in_log.iter().map(|record| record.key.clone()).collect();
    keys.sort();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "one receipt twice");
    let keys: HashSet<_> = keys.into_iter().collect();
    let lost: Vec<_> = accepted.iter().filter(|id| !keys.contains(id.as_bytes())).collect();
    assert!(lost.is_empty(), "accepted and not in the log: {lost:?}");
    assert!(!accepted.is_empty());
    let announced = announced_after(&till, &till.command_api, &second).await;
    assert!(announced.is_empty(), "the first replica announced what it had lost: {announced:?}");
    stores_become_equal(&mut till.command_api, &mut second).await;
}

/// Clients that send new receipts, through either replica.
struct Load {
    stop: Arc<AtomicBool>,
    senders: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn begin(clients: &[Client; 2]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..32).map(|number: u32| {
            let client = clients[number as usize % 2].with_timeout(Duration::from_secs(3));
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut receipts = Receipts::new(&format!("late-{number}"), number.into(), 3);
                let mut accepted = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let receipt = receipts.make();
                    let answer = client.try_post("/v1/receipts", receipt.to_string()).await;
                    if answer.is_ok_and(|answer| answer.status == 201) {
                        accepted.push(receipt["transaction_id"].as_str().unwrap().to_owned());
                    }
                }
                accepted
            })
        });
        Self { senders: senders.collect(), stop }
    }

    /// Ends the clients, and gives the ids of the receipts that were accepted.
    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut accepted = Vec::new();
        for sender in self.senders {
            accepted.extend(sender.await.unwrap());
        }
        accepted
    }
}

/// The shards that `former` announced after `successor` had announced them.
async fn announced_after(till: &Till, former: &Service, successor: &Service) -> Vec<i32> {
    let mut taken = HashSet::new();
    let mut announced = Vec::new();
    for record in till.topic("shards").records(Isolation::Committed).await {
        if let Ok(Event::Shards(shards::Event::ShardAnnounced(event))) = codec::decode(&record.value, None) {
            if event.url == successor.url() {
                taken.insert(event.shard);
            } else if event.url == former.url() && taken.contains(&event.shard) {
                announced.push(event.shard);
            }
        }
    }
    announced
}

/// Ends both replicas and compares their stores. They are started again as long as one of them has not folded
/// everything.
async fn stores_become_equal(first: &mut Service, second: &mut Service) {
    for look in 1..=LOOKS {
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(first.terminate().success() && second.terminate().success());
        let (one, other) = (states(first), states(second));
        assert!(one.len() > 3, "there is something to compare: {}", one.len());
        if one == other {
            println!("{} states are equal after {look} looks", one.len());
            return;
        }
        let differing = one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key)).count();
        assert!(look < LOOKS, "{differing} states of {} and {} differ", one.len(), other.len());
        first.start();
        second.start_ready().await;
        first.ready().await;
    }
}

/// All states in the store of a stopped replica.
fn states(service: &Service) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let folder = Path::new(service.setting("TILL_STORE_DIR").unwrap()).join("till-store");
    let database = fjall::Database::builder(folder).open().unwrap();
    let states = database.keyspace("states", fjall::KeyspaceCreateOptions::default).unwrap();
    states
        .iter()
        .map(|entry| entry.into_inner().unwrap())
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// The id of a receipt that is on the same partition as another one.
fn beside(id: &str, named: &str) -> String {
    let partition = partition_of(id.as_bytes(), 4);
    let names = (0..).map(|number| format!("{named}-{number}"));
    names.into_iter().find(|name| partition_of(name.as_bytes(), 4) == partition).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_somebody_else_wrote_is_folded_before_the_next_answer() {
    let mut till = Till::prepare("not-alone").await;
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    let foreign = "not-alone";
    let (before, after) = (beside(foreign, "before"), beside(foreign, "after"));
    let _ = terminal.receipt(&simple(&before, "place", "1.00")).await.expect(201);
    forged::append(&till.topic("receipts"), vec![forged::record(&forged::receipt(foreign).into(), 4)]).await;

    let after = simple(&after, "place", "1.00");
    let refused = terminal.receipt(&after).await.problem(503);
    assert_eq!(refused.body["type"], "urn:till:unknown", "it was decided without what stands before it");
    let known = accepted_by(&terminal, &simple(foreign, "place", "9.00")).await;
    assert_eq!(known.status, 409, "the shard has folded it: {}", known.text);
    let _ = accepted_by(&terminal, &after).await.expect(200);
    assert!(till.command_api.log().contains("somebody else wrote"), "{}", till.command_api.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_whose_connection_breaks_in_a_commit_is_fenced_before_its_next_transaction() {
    let mut till = Till::prepare("broken-commit").await;
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.command_api.start_ready().await;
    let terminal = till.terminal().await;
    proxy.cut_next(Api::EndTxn);
    let receipt = simple("cut", "place", "1.00");
    let answer = accepted_by(&terminal, &receipt).await;
    assert!([200, 201].contains(&answer.status), "{}", answer.text);
    assert!(proxy.has_cut());
    eventually("the shard is taken over anew", SURELY, async || {
        till.command_api.log().contains("a broker connection broke")
    })
    .await;
    let _ = accepted_by(&terminal, &simple("after-the-cut", "place", "1.00")).await.expect(201);
    assert_eq!(till.topic("receipts").of_key("cut", Isolation::Committed).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_on_a_new_log_leave_it_with_the_first_accounts() {
    for (round, replicas) in [2, 3].into_iter().enumerate() {
        let mut till = Till::prepare(&format!("together-{round}")).await;
        let names = ["command-api-b", "command-api-c"].into_iter().take(replicas - 1);
        let mut others: Vec<_> = names.map(|name| till.another_command_api(name)).collect();
        till.command_api.start();
        others.iter_mut().for_each(Service::start);
        till.command_api.ready().await;
        for other in &mut others {
            other.ready().await;
        }
        for replica in others.iter().chain([&till.command_api]) {
            for name in ["admin", "analyst", "terminal"] {
                let client = Client::new(&replica.url(), &till.projector.url());
                let _ = client.try_login(name, name).await.expect(200);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_accounts_that_an_owner_cannot_open_are_opened_by_its_successor() {
    let mut till = Till::prepare("unopened").await;
    till.command_api.set("TILL_SHARDS", "1");
    let mut second = till.another_command_api("command-api-b");
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    proxy.hold_requests(Api::Produce, &format!("{}.accounts", till.prefix));
    till.command_api.start();
    eventually("the first replica serves", SURELY, async || till.command_api.log().contains(" serving "))
        .await;
    second.start();
    let to_second = Client::new(&second.url(), &second.url());
    eventually("the second replica waits for the accounts", SURELY, async || {
        let answer = to_second.try_get("/readyz").await;
        answer.is_ok_and(|answer| answer.status == 200 || answer.text.contains("the first accounts"))
    })
    .await;
    // The second replica has time to see where the shard of the accounts is served. If it left them to that owner for
    // good, it would do so now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    till.command_api.kill();
    second.ready().await;
    for name in ["admin", "analyst", "terminal"] {
        let _ = to_second.try_login(name, name).await.expect(200);
    }
}
