//! Everything is killed again and again while receipts come in, and the oracle judges what is left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use schemas::{Event, analytics, codec};
use till_tests::client::eventually;
use till_tests::kafka_proxy::Api;
use till_tests::receipts::Random;
use till_tests::{Isolation, KafkaProxy, Log, RawRecord, Servers, Service, Till, oracle};

use crate::forged::Foreigner;
use crate::load::{Load, pause};

/// How often each of these is killed: command-api, projector, worker, broker, Postgres.
const KILLS: u64 = 20;
/// How long the survivors may take to serve again and to close the last window.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
const SCHEDULE: &str = "*/5 * * * * *";
const CHECKS: [&str; 7] = ["stream", "accepted", "straddling", "figures", "hours", "hours-read", "journal"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_survive_twenty_kills_of_every_service_of_the_broker_and_of_postgres() {
    let mut till = Till::prepare_alone("chaos").await;
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", SCHEDULE);
    let proxy = till.kafka_proxy();
    till.command_api.set("TILL_KAFKA_BROKERS", proxy.brokers());
    till.start_all().await;
    let admin = till.admin().await;
    let began = Instant::now();
    let load = Load::begin(&till, &admin);
    let foreign = Foreigner::begin(&till);

    let servers = Arc::clone(&till.servers);
    tokio::join!(
        torment_writers(&mut till.command_api, &servers, &proxy),
        torment(&mut till.projector, 2),
        torment(&mut till.analytics, 3),
        torment_postgres(&servers),
    );
    println!("{} kills of each in {:?}", KILLS, began.elapsed());
    foreign.end().await;
    settle(&mut till).await;
    let sent = load.end().await;
    let stopped = Utc::now();
    eventually("the window of the last receipt is closed", SETTLED_WITHIN, async || {
        last_window_end(&till.topic("analytics")).await.is_some_and(|end| end > stopped)
    })
    .await;
    // The worker ends first: a window that it closed while the oracle reads would be in one of the oracle's inputs
    // only.
    assert!(till.analytics.terminate().success(), "{}", till.analytics.log());
    println!("settled after {:?}", began.elapsed());

    let judged = oracle::judge(&till, admin.token(), sent.path(), &CHECKS, &[]);
    println!("{}", judged.success("the oracle"));
}

/// Starts everything that does not run, and waits until all of it serves.
pub async fn settle(till: &mut Till) {
    till.servers.kafka.ready().await;
    till.servers.postgres.ready().await;
    let deadline = Instant::now() + SETTLED_WITHIN;
    for service in [&mut till.command_api, &mut till.projector, &mut till.analytics] {
        while !service.is_ready().await {
            assert!(Instant::now() < deadline, "{} does not serve again:\n{}", service.name(), service.log());
            revive(service);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Starts a service that has ended by itself, as an operator's supervisor would.
pub fn revive(service: &mut Service) {
    if service.has_ended() {
        println!("{} ended by itself", service.name());
        service.kill();
        service.start();
    }
}

/// Lets a service live until it serves, for a while at most, and then for a moment more. Sometimes it does not live
/// that long.
async fn let_live(service: &mut Service, random: &mut Random) {
    let deadline = Instant::now() + Duration::from_secs(15);
    let strikes_early = random.chance(25);
    while !strikes_early && Instant::now() < deadline && !service.is_ready().await {
        revive(service);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    pause(random, 200, 7_000).await;
}

async fn torment(service: &mut Service, seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..KILLS {
        let_live(service, &mut random).await;
        service.kill();
        pause(&mut random, 0, 500).await;
        service.start();
    }
}

/// Kills the broker and command-api together or shortly one after the other, in either order, while commands are on
/// their way. Every third life of command-api holds each transaction open for a while before its commit, so that some
/// of them span the end of a window.
async fn torment_writers(service: &mut Service, servers: &Servers, proxy: &KafkaProxy) {
    let mut random = Random::new(1);
    for kill in 0..KILLS {
        serve_a_while(service, &mut random).await;
        let broker_first = random.chance(50);
        if broker_first {
            servers.kafka.kill();
        } else {
            service.kill();
        }
        pause(&mut random, 0, 800).await;
        if broker_first {
            service.kill();
        } else {
            servers.kafka.kill();
        }
        pause(&mut random, 0, 300).await;
        servers.kafka.restart();
        let open_for = if kill % 3 == 1 { Duration::from_millis(1500) } else { Duration::ZERO };
        proxy.delay_answers(Api::Produce, open_for);
        service.start();
    }
    proxy.delay_answers(Api::Produce, Duration::ZERO);
}

/// Waits until the service serves, and lets it take receipts for some seconds.
async fn serve_a_while(service: &mut Service, random: &mut Random) {
    let deadline = Instant::now() + SETTLED_WITHIN;
    while !service.is_ready().await {
        assert!(Instant::now() < deadline, "command-api does not serve again:\n{}", service.log());
        revive(service);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    pause(random, 1_500, 3_500).await;
}

async fn torment_postgres(servers: &Servers) {
    let mut random = Random::new(4);
    for _ in 0..KILLS {
        servers.postgres.ready().await;
        pause(&mut random, 500, 10_000).await;
        servers.postgres.kill();
        pause(&mut random, 0, 1_000).await;
        servers.postgres.restart();
    }
}

/// The end of the last window that was closed.
pub async fn last_window_end(analytics: &Log) -> Option<DateTime<Utc>> {
    let records = analytics.records(Isolation::Committed).await;
    let end = |record: &RawRecord| match codec::decode(&record.value, None) {
        Ok(Event::Analytics(analytics::Event::HourClosed(hour))) => Some(hour.window_end),
        _ => None,
    };
    records.iter().filter_map(end).max()
}
