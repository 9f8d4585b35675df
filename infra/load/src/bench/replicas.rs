//! Two command-api. What does a client of the first see while the second joins, leaves and dies, and how much do both
//! take together?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use schemas::partition_of;

use super::blast::{self, Requests, Round, id_text};
use super::control;
use super::plan::Plan;
use super::report::Section;
use super::services::{Deployment, Service};
use super::stack::{PARTITIONS, Stack};
use super::stats::{grouped, median, percentile_ms};
use super::wire::Connection;
use crate::failure::{Explain, Failure, Result};

const SHARDS: i32 = 2;
const CONNECTIONS_A_SHARD: usize = 4;
/// How long a client waits whose request was refused.
const BACK_OFF: Duration = Duration::from_millis(20);
/// The pause after an event, in which shards have moved and are served again.
const SETTLE: Duration = Duration::from_secs(2);
/// How long a dead member's session may last, and some more: only after it do its shards move.
const SESSION: Duration = Duration::from_secs(9);
const WARM_UP: Duration = Duration::from_millis(500);
const BROKER_WARM_UP: Duration = Duration::from_secs(5);
const CONNECTIONS: [usize; 2] = [64, 512];

/// What clients saw while something happened.
#[derive(Default)]
struct Seen {
    /// Of each round, the longest time in which no receipt of some shard was accepted.
    gaps_ms: Vec<f64>,
    /// How many answers were 503, over all rounds.
    unavailable: u64,
    /// How many answers were neither 201 nor 503; a lost connection counts as one.
    others: u64,
}

/// Measures what clients of the first replica see while the second joins, is asked to end, joins again and is killed.
///
/// # Errors
/// When a service does not start or end.
pub fn measure_takeover(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = two_shards(stack, plan, "bench-takeover")?;
    let mut first = deployment.start("command-api")?;
    first.ready()?;
    let requests = requests(first.address)?;
    blast::round(first.address, &requests, 64, (WARM_UP, BROKER_WARM_UP), 201)?;
    let (mut join, mut stop, mut crash) = (Seen::default(), Seen::default(), Seen::default());
    for round in 1..=plan.rounds {
        let second = watched(first.address, &requests, &mut join, || {
            let second = start_second(&deployment)?;
            std::thread::sleep(SETTLE);
            Ok(second)
        })?;
        watched(first.address, &requests, &mut stop, || {
            second.stop();
            std::thread::sleep(SETTLE);
            Ok(())
        })?;
        let second = start_second(&deployment)?;
        std::thread::sleep(SETTLE);
        watched(first.address, &requests, &mut crash, || {
            second.kill();
            std::thread::sleep(SESSION);
            Ok(())
        })?;
        let last = |seen: &Seen| seen.gaps_ms.last().copied().unwrap_or(f64::NAN);
        plan.say(&format!(
            "takeover round {round}: longest gap {:.0} ms at a join, {:.0} ms at a planned stop, {:.0} ms at a crash",
            last(&join),
            last(&stop),
            last(&crash)
        ));
    }
    first.stop();
    Ok(vec![takeover_section(plan, [join, stop, crash])])
}

fn takeover_section(plan: &Plan, [join, stop, crash]: [Seen; 3]) -> Section {
    let head = ["the second replica", "longest gap ms", "of all rounds", "503s", "other answers", "aim"];
    let taken = format!(
        "{} rounds, the gap their median and maximum: the longest time in which no receipt of some shard was accepted from {CONNECTIONS_A_SHARD} clients a shard that send one after the other, all to the first replica; the other columns are sums. A request that waits for a moving shard waits TILL_MOVE_TIMEOUT_MS (3 s) at most, then it is a 503.",
        plan.rounds
    );
    let mut section = Section::new("takeover", &head, taken);
    let aims = ["no 503", "under 1 s of 503s", "7,000 ms: the session of 6 s and one more"];
    let names = ["joins", "is asked to end (SIGTERM)", "is killed (SIGKILL)"];
    for ((name, seen), aim) in names.into_iter().zip([join, stop, crash]).zip(aims) {
        let most = seen.gaps_ms.iter().copied().fold(f64::NAN, f64::max);
        section.row([
            name.to_owned(),
            grouped(median(seen.gaps_ms)),
            grouped(most),
            seen.unavailable.to_string(),
            seen.others.to_string(),
            aim.to_owned(),
        ]);
    }
    section
}

/// Measures receipts a second of one replica, and of two that have half of the connections each.
///
/// # Errors
/// When a service does not start, or a request of a round was refused.
pub fn measure_throughput(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = two_shards(stack, plan, "bench-replicas")?;
    let mut first = deployment.start("command-api")?;
    first.ready()?;
    let requests = requests(first.address)?;
    blast::round(first.address, &requests, 512, (WARM_UP, BROKER_WARM_UP), 201)?;
    let mut figures = Vec::new();
    let mut second = None;
    for replicas in [1, 2] {
        if replicas == 2 {
            second = Some(start_second(&deployment)?);
            std::thread::sleep(SETTLE);
        }
        let addresses: Vec<_> =
            [Some(&first), second.as_ref()].into_iter().flatten().map(|s| s.address).collect();
        for connections in CONNECTIONS {
            let rounds = (0..plan.rounds).map(|_| together(&addresses, &requests, connections, plan));
            figures.push((replicas, connections, rounds.collect::<Result<Vec<_>>>()?));
            plan.say(&format!("replicas: {replicas} with {connections} connections"));
        }
    }
    second.into_iter().chain([first]).for_each(Service::stop);
    Ok(vec![throughput_section(plan, figures)])
}

fn throughput_section(plan: &Plan, figures: Vec<(usize, usize, Vec<Round>)>) -> Section {
    let taken = format!(
        "Medians of {} rounds of {:.0} s; {SHARDS} shards, one a replica where there are two; each replica gets half of the connections, and forwards what the other owns; all on one machine.",
        plan.rounds,
        plan.round_length.as_secs_f64()
    );
    let head = ["replicas", "connections", "receipts/s", "p50 ms", "p99 ms"];
    let mut section = Section::new("replicas", &head, taken);
    for (replicas, connections, mut rounds) in figures {
        let percentile = |rounds: &mut Vec<Round>, per_cent| {
            median(rounds.iter_mut().map(|round| percentile_ms(&mut round.latencies_us, per_cent)).collect())
        };
        section.row([
            replicas.to_string(),
            connections.to_string(),
            grouped(median(rounds.iter().map(|round| round.per_second).collect())),
            format!("{:.2}", percentile(&mut rounds, 50)),
            format!("{:.2}", percentile(&mut rounds, 99)),
        ]);
    }
    section
}

fn two_shards(stack: &Stack, plan: &Plan, prefix: &str) -> Result<Deployment> {
    let own = [
        ("TILL_SHARDS".to_owned(), SHARDS.to_string()),
        ("TILL_PARTITIONS".to_owned(), PARTITIONS.to_string()),
    ];
    Deployment::new(stack, prefix, &[plan.settings.clone(), own.into()].concat())
}

fn start_second(deployment: &Deployment) -> Result<Service> {
    let mut second = deployment.start_as("command-api", "command-api-2")?;
    second.ready()?;
    Ok(second)
}

fn requests(address: SocketAddr) -> Result<Arc<Requests>> {
    Ok(Arc::new(Requests::new("/v1/receipts", &control::terminal(address)?, 0)))
}

/// Sends one round to all addresses at the same time, each with its share of the connections.
fn together(
    addresses: &[SocketAddr],
    requests: &Arc<Requests>,
    connections: usize,
    plan: &Plan,
) -> Result<Round> {
    let share = connections / addresses.len();
    let rounds: Vec<_> = std::thread::scope(|threads| {
        let rounds: Vec<_> = addresses
            .iter()
            .map(|address| {
                threads.spawn(|| blast::round(*address, requests, share, (WARM_UP, plan.round_length), 201))
            })
            .collect();
        rounds.into_iter().map(|round| round.join().expect("a round does not panic")).collect()
    });
    let mut sum = Round::default();
    for round in rounds {
        let round = round?;
        if !round.others.is_empty() {
            return Err(Failure::new(format!("a round had other answers, by status: {:?}", round.others)));
        }
        sum.per_second += round.per_second;
        sum.latencies_us.extend(round.latencies_us);
    }
    Ok(sum)
}

/// Has clients send while `event` happens, and adds what they saw to `seen`.
fn watched<T>(
    address: SocketAddr,
    requests: &Arc<Requests>,
    seen: &mut Seen,
    event: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let over = Arc::new(AtomicBool::new(false));
    let sending = {
        let (over, requests) = (Arc::clone(&over), Arc::clone(requests));
        std::thread::spawn(move || send_until(address, &requests, &over))
    };
    std::thread::sleep(WARM_UP);
    let happened = event();
    over.store(true, Ordering::Relaxed);
    let clients = sending.join().expect("sending does not panic")?;
    let mut longest = Duration::ZERO;
    for shard in 0..SHARDS {
        let of_shard = clients.iter().filter(|client| client.shard == shard);
        let mut accepted: Vec<_> = of_shard.flat_map(|client| client.accepted.iter().copied()).collect();
        accepted.sort();
        let gaps = accepted.windows(2).map(|pair| pair[1] - pair[0]);
        longest = longest.max(gaps.max().unwrap_or_default());
    }
    seen.gaps_ms.push(longest.as_secs_f64() * 1_000.0);
    for (status, count) in clients.iter().flat_map(|client| &client.others) {
        *(if *status == 503 { &mut seen.unavailable } else { &mut seen.others }) += count;
    }
    happened
}

/// What one client saw: when its receipts were accepted, and how its other requests were answered.
struct Client {
    shard: i32,
    accepted: Vec<Instant>,
    others: BTreeMap<u16, u64>,
}

fn send_until(address: SocketAddr, requests: &Arc<Requests>, over: &Arc<AtomicBool>) -> Result<Vec<Client>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().explain("starting a runtime")?;
    runtime.block_on(async {
        let shards = (0..SHARDS).flat_map(|shard| std::iter::repeat_n(shard, CONNECTIONS_A_SHARD));
        let tasks: Vec<_> = shards
            .map(|shard| tokio::spawn(send(address, shard, Arc::clone(requests), Arc::clone(over))))
            .collect();
        let mut clients = Vec::new();
        for task in tasks {
            clients.push(task.await.explain("a client's task")?.explain(format!("connecting to {address}"))?);
        }
        Ok(clients)
    })
}

async fn send(
    address: SocketAddr,
    shard: i32,
    requests: Arc<Requests>,
    over: Arc<AtomicBool>,
) -> std::io::Result<Client> {
    let mut client = Client { shard, accepted: Vec::new(), others: BTreeMap::new() };
    let (mut connection, mut buffer) = (Connection::open(address).await?, Vec::with_capacity(2_048));
    while !over.load(Ordering::Relaxed) {
        while shard_of(requests.next_into(&mut buffer)) != shard {}
        let status = match connection.exchange(&buffer).await {
            Ok(response) => response.status,
            Err(_) => 0,
        };
        if status == 201 {
            client.accepted.push(Instant::now());
            continue;
        }
        *client.others.entry(status).or_default() += 1;
        tokio::time::sleep(BACK_OFF).await;
        if status == 0 {
            connection = Connection::open(address).await?;
        }
    }
    Ok(client)
}

fn shard_of(id: u64) -> i32 {
    partition_of(id_text(id).as_bytes(), PARTITIONS) % SHARDS
}
