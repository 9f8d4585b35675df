//! Batches over HTTP, beside a bare transactional producer of the same records. The producer has as many partitions,
//! and as many records a transaction.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use runtime::kafka::{Isolation, ProducerRecord, end_offsets};
use schemas::Topic;

use super::blast::{Requests, id_text};
use super::control::{self, block_on};
use super::plan::Plan;
use super::producer::{Producer, Recorded};
use super::raw;
use super::report::Section;
use super::services::{Deployment, Service};
use super::stack::{PARTITIONS, Stack};
use super::stats::{grouped, median};
use crate::failure::{Explain, Failure, Result};

const PREFIX: &str = "bench-batch";
const BARE_PREFIX: &str = "bench-batch-bare";
const RECEIPTS: usize = 10_000;
const AT_ONCE: [usize; 2] = [1, 4];
/// The number of shards where `TILL_SHARDS` is not set.
const SHARDS: i64 = 2;
/// The size of each receipt in the largest batch: all of them together are just under the 32 MiB that a batch may have.
const WIDE_BYTES: usize = 3_300;
/// How long a broker that has just started is put under load beforehand. It compiles its code then, at the load's cost.
const BROKER_WARM_UP: Duration = Duration::from_secs(10);

/// The rates that several rounds gave.
#[derive(Default)]
struct Rounds {
    over_http: Vec<f64>,
    bare: Vec<f64>,
    a_transaction: Vec<f64>,
}

/// Measures the peak memory of a new process with each kind of batch, then rates beside the bare producer's.
///
/// # Errors
/// When the service does not start, or a receipt of a batch was not accepted.
pub fn measure(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = Deployment::new(stack, PREFIX, &plan.settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let batches = Batches::new(command_api.address)?;
    let mut section = section(plan);
    memory_rows(&mut section, &command_api, &batches)?;

    let mut bare = Bare::new(stack)?;
    let shards = shards(plan)?;
    batches.round(AT_ONCE[1], BROKER_WARM_UP)?;
    let mut rounds: [Rounds; AT_ONCE.len()] = Default::default();
    for round in 1..=plan.rounds {
        for (at_once, rounds) in AT_ONCE.into_iter().zip(&mut rounds) {
            let before = written(stack)?;
            let (receipts, took) = batches.round(at_once, plan.round_length)?;
            // Each transaction leaves a marker in every partition of its shard, so markers tell how many transactions
            // there were.
            let marks = written(stack)? - before - i64::try_from(receipts).explain("counting")?;
            let transactions = (marks * shards / i64::from(PARTITIONS)).max(1);
            let a_transaction = receipts as f64 / transactions as f64;
            let over_http = receipts as f64 / took.as_secs_f64();
            let without = bare.round(a_transaction, plan.round_length)?;
            plan.say(&format!(
                "batch round {round}: {at_once} at once, {} receipts/s, {a_transaction:.0} a transaction, bare {}/s",
                grouped(over_http),
                grouped(without)
            ));
            rounds.over_http.push(over_http);
            rounds.bare.push(without);
            rounds.a_transaction.push(a_transaction);
        }
    }
    for (at_once, rounds) in AT_ONCE.into_iter().zip(rounds) {
        section.row(rate_row(at_once, rounds));
    }
    section.row(memory_row("all of these".to_owned(), &command_api)?);
    command_api.stop();
    Ok(vec![section])
}

fn section(plan: &Plan) -> Section {
    let head = ["", "receipts/s", "a transaction", "bare producer/s", "ratio", "aim", "peak memory MB"];
    let taken = format!(
        "Medians of {} alternating rounds of {:.0} s each; {} unique receipts a batch, as NDJSON, each batch sent when the \
         former of its connection is answered. The bare producer is one librdkafka producer that sends records of the same \
         bytes, encoded beforehand, to as many partitions, as many a transaction as the service had, the next begun 1 ms \
         after a commit. Peaks are VmHWM of one command-api with an empty store, from its start up to and with the row's \
         batches.",
        plan.rounds,
        plan.round_length.as_secs_f64(),
        grouped(RECEIPTS as f64),
    );
    Section::new("batch", &head, taken)
}

fn memory_rows(section: &mut Section, command_api: &Service, batches: &Batches) -> Result<()> {
    section.row(memory_row("started".to_owned(), command_api)?);
    for bytes in [0, WIDE_BYTES] {
        let body = batches.next(bytes);
        let name = format!("one batch of {:.0} MB", body.len() as f64 / 1e6);
        block_on(batches.send(body))?;
        section.row(memory_row(name, command_api)?);
    }
    Ok(())
}

fn memory_row(name: String, command_api: &Service) -> Result<[String; 7]> {
    let peak_mb = format!("{:.0}", command_api.memory()?.peak_mb);
    let none = String::new;
    Ok([name, none(), none(), none(), none(), none(), peak_mb])
}

fn rate_row(at_once: usize, rounds: Rounds) -> [String; 7] {
    let (over_http, bare) = (median(rounds.over_http), median(rounds.bare));
    [
        format!("{at_once} batches at once"),
        grouped(over_http),
        grouped(median(rounds.a_transaction)),
        grouped(bare),
        format!("{:.2}", over_http / bare),
        "ratio at least 0.3".to_owned(),
        String::new(),
    ]
}

fn shards(plan: &Plan) -> Result<i64> {
    let set = plan.settings.iter().rev().find(|(key, _)| key == "TILL_SHARDS");
    set.map_or(Ok(SHARDS), |(_, value)| value.parse().explain("reading TILL_SHARDS"))
}

/// How many offsets of the receipts topic are taken, by records and by markers of transactions.
fn written(stack: &Stack) -> Result<i64> {
    let reader = stack.cluster().reader(Isolation::Uncommitted).explain("making a reader")?;
    let topic = Topic::Receipts.name(PREFIX);
    let ends = end_offsets(&reader, &[(&topic, PARTITIONS)]).explain("asking for the log's end")?;
    Ok(ends.values().sum())
}

/// A client that sends batches to one command-api.
struct Batches {
    url: String,
    token: String,
    client: reqwest::Client,
    requests: Requests,
}

impl Batches {
    fn new(address: SocketAddr) -> Result<Self> {
        let token = control::terminal(address)?;
        let url = format!("http://{address}/v1/receipts/batch");
        let client = reqwest::Client::builder().no_proxy().build().explain("making an HTTP client")?;
        Ok(Self { url, token, client, requests: Requests::of_bodies(0) })
    }

    /// The next batch. A field that nobody reads pads each receipt to at least so many bytes.
    fn next(&self, at_least_bytes: usize) -> Vec<u8> {
        let (mut body, mut receipt) = (Vec::new(), Vec::new());
        for _ in 0..RECEIPTS {
            self.requests.next_into(&mut receipt);
            body.extend_from_slice(&receipt[..receipt.len() - 1]);
            if receipt.len() < at_least_bytes {
                body.extend_from_slice(b",\"note\":\"");
                body.resize(body.len() + at_least_bytes - receipt.len(), b'x');
                body.push(b'"');
            }
            body.extend_from_slice(b"}\n");
        }
        body
    }

    /// Sends batches for `length`, `at_once` so many side by side. Gives how many receipts were accepted, and in what
    /// time.
    fn round(&self, at_once: usize, length: Duration) -> Result<(usize, Duration)> {
        let start = Instant::now();
        let send = || async {
            let mut accepted = 0;
            while start.elapsed() < length {
                self.send(self.next(0)).await?;
                accepted += RECEIPTS;
            }
            Ok::<usize, Failure>(accepted)
        };
        let accepted = block_on(futures_util::future::try_join_all((0..at_once).map(|_| send())))?;
        Ok((accepted.into_iter().sum(), start.elapsed()))
    }

    /// Sends a batch and reads its answer, in which every receipt must be accepted.
    async fn send(&self, body: Vec<u8>) -> Result<()> {
        let request = self.client.post(&self.url).bearer_auth(&self.token);
        let request = request.header("content-type", "application/x-ndjson").body(body);
        let response = request.send().await.explain("sending a batch")?;
        let status = response.status();
        let text = response.text().await.explain("reading a batch's answer")?;
        let is_accepted = |line: &&str| line.contains("\"result\":\"accepted\"");
        if status == 200 && text.lines().filter(is_accepted).count() == RECEIPTS {
            return Ok(());
        }
        let other = text.lines().find(|line| !is_accepted(line)).unwrap_or("too few lines");
        Err(Failure::new(format!("a batch was answered {status}: {other}")))
    }
}

/// The bare producer, with no service around it.
struct Bare {
    producer: Producer,
    records: Vec<ProducerRecord>,
}

impl Bare {
    fn new(stack: &Stack) -> Result<Self> {
        stack.create_topic(Topic::Receipts.name(BARE_PREFIX))?;
        let producer = Producer::new(stack, BARE_PREFIX)?;
        let mut receipts = Recorded::new(11);
        let records = (0..RECEIPTS as u64).map(|id| producer.record(&receipts.next(id_text(id)))).collect();
        Ok(Self { producer, records })
    }

    /// Records a second, in transactions of so many records on average.
    fn round(&mut self, a_transaction: f64, length: Duration) -> Result<f64> {
        let (start, mut sent, mut transactions) = (Instant::now(), 0_usize, 0_u32);
        while start.elapsed() < length {
            transactions += 1;
            self.producer.begin()?;
            while (sent as f64) < f64::from(transactions) * a_transaction {
                self.producer.append(self.records[sent % self.records.len()].clone())?;
                sent += 1;
                if sent % 256 == 0 {
                    self.producer.poll();
                }
            }
            self.producer.commit()?;
            std::thread::sleep(raw::PAUSE);
        }
        Ok(sent as f64 / start.elapsed().as_secs_f64())
    }
}
