//! Receipts over HTTP, which are answered after their commit, beside the same process's route that does all but Kafka.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::blast::{self, Requests, Round};
use super::control;
use super::plan::Plan;
use super::raw::Raw;
use super::report::Section;
use super::services::Deployment;
use super::stack::Stack;
use super::stats::{grouped, median, percentile_ms};
use crate::failure::{Failure, Result};

const CONNECTIONS: [usize; 3] = [1, 64, 512];
const WARM_UP: Duration = Duration::from_millis(500);
/// How long a broker that has just started is put under load beforehand. It compiles its code then, at the load's cost.
const BROKER_WARM_UP: Duration = Duration::from_secs(15);

/// The medians over the rounds at one number of connections.
pub struct Figures {
    /// Receipts that were answered, a second.
    pub per_second: f64,
    /// The time within which half of the answers came.
    pub p50_ms: f64,
    /// The time within which 99 of 100 answers came.
    pub p99_ms: f64,
}

/// The rates and latencies that several rounds of one kind gave.
#[derive(Default)]
pub struct Rounds {
    per_second: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

impl Rounds {
    /// Adds what a round gave.
    pub fn add(&mut self, per_second: f64, latencies_us: &mut [u32]) {
        self.per_second.push(per_second);
        self.p50_ms.push(percentile_ms(latencies_us, 50));
        self.p99_ms.push(percentile_ms(latencies_us, 99));
    }

    /// The median of each figure.
    pub fn medians(self) -> Figures {
        Figures {
            per_second: median(self.per_second),
            p50_ms: median(self.p50_ms),
            p99_ms: median(self.p99_ms),
        }
    }
}

/// Measures both routes at each number of connections. With `with_raw`, raw transactions are measured between the
/// rounds of one connection.
///
/// # Errors
/// When the service does not start, or any request of a round was refused.
pub fn measure(stack: &Stack, plan: &Plan, with_raw: bool) -> Result<Vec<Section>> {
    let deployment = Deployment::new(stack, "bench-http", &plan.settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let routes = Routes::new(command_api.address)?;
    let mut raw = if with_raw { Some(Raw::new(stack)?) } else { None };

    for connections in CONNECTIONS.into_iter().rev() {
        routes.receipts(connections, BROKER_WARM_UP)?;
    }
    routes.validate(512, Duration::from_secs(1))?;
    let mut recorded: BTreeMap<usize, Rounds> = BTreeMap::new();
    let mut validated: BTreeMap<usize, Rounds> = BTreeMap::new();
    let mut transactions = Rounds::default();
    for round in 1..=plan.rounds {
        for connections in CONNECTIONS {
            let mut with = routes.receipts(connections, plan.round_length)?;
            let mut without = routes.validate(connections, plan.round_length)?;
            plan.say(&format!(
                "http round {round}: {connections} connections, {} receipts/s, {} without Kafka",
                grouped(with.per_second),
                grouped(without.per_second)
            ));
            recorded.entry(connections).or_default().add(with.per_second, &mut with.latencies_us);
            validated.entry(connections).or_default().add(without.per_second, &mut without.latencies_us);
            if let (1, Some(raw)) = (connections, &mut raw) {
                let mut latencies_us = raw.round((WARM_UP, plan.round_length))?;
                transactions
                    .add(latencies_us.len() as f64 / plan.round_length.as_secs_f64(), &mut latencies_us);
            }
        }
    }
    command_api.stop();

    let recorded: BTreeMap<usize, Figures> =
        recorded.into_iter().map(|(at, rounds)| (at, rounds.medians())).collect();
    let validated = validated.into_iter().map(|(at, rounds)| (at, rounds.medians())).collect();
    let raw_section = raw.map(|_| raw_section(&transactions.medians(), recorded.get(&1), plan));
    Ok([http_section(&recorded, &validated, plan)].into_iter().chain(raw_section).collect())
}

/// Measures raw transactions alone, for runs that measure no service.
///
/// # Errors
/// Those of Kafka.
pub fn measure_raw(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let (mut raw, mut rounds) = (Raw::new(stack)?, Rounds::default());
    raw.warm_up(BROKER_WARM_UP)?;
    for _ in 0..plan.rounds {
        let mut latencies_us = raw.round((WARM_UP, plan.round_length))?;
        rounds.add(latencies_us.len() as f64 / plan.round_length.as_secs_f64(), &mut latencies_us);
    }
    Ok(vec![raw_section(&rounds.medians(), None, plan)])
}

/// The two routes of one running command-api.
pub struct Routes {
    address: SocketAddr,
    receipts: Arc<Requests>,
    validate: Arc<Requests>,
}

impl Routes {
    /// Logs in there as the demo's terminal.
    ///
    /// # Errors
    /// When the login is refused.
    pub fn new(address: SocketAddr) -> Result<Self> {
        let token = control::terminal(address)?;
        let requests = |path, first_id| Arc::new(Requests::new(path, &token, first_id));
        Ok(Self {
            address,
            receipts: requests("/v1/receipts", 0),
            validate: requests("/v1/receipts/validate", 1 << 60),
        })
    }

    /// A round of receipts that are recorded.
    ///
    /// # Errors
    /// When any was refused.
    pub fn receipts(&self, connections: usize, length: Duration) -> Result<Round> {
        only_hoped_for(blast::round(self.address, &self.receipts, connections, (WARM_UP, length), 201)?)
    }

    /// A round of receipts that are only validated.
    ///
    /// # Errors
    /// When any was refused.
    pub fn validate(&self, connections: usize, length: Duration) -> Result<Round> {
        only_hoped_for(blast::round(self.address, &self.validate, connections, (WARM_UP, length), 200)?)
    }
}

/// Fails where a round had refusals: it measured something else than answers after a commit.
fn only_hoped_for(round: Round) -> Result<Round> {
    if round.others.is_empty() {
        return Ok(round);
    }
    Err(Failure::new(format!(
        "a round had other answers, by status (0: connection lost): {:?}",
        round.others
    )))
}

fn http_section(
    recorded: &BTreeMap<usize, Figures>,
    validated: &BTreeMap<usize, Figures>,
    plan: &Plan,
) -> Section {
    let head = [
        "connections",
        "receipts/s",
        "p50 ms",
        "p99 ms",
        "without Kafka/s",
        "p50 ms",
        "p99 ms",
        "ratio",
        "aim",
    ];
    let taken = format!(
        "Medians of {} alternating rounds of {:.0} s each; unique receipts, keep-alive, answered after the commit; generator, broker and service share the machine.",
        plan.rounds,
        plan.round_length.as_secs_f64()
    );
    let mut section = Section::new("http", &head, taken);
    for ((connections, with), without) in recorded.iter().zip(validated.values()) {
        section.row([
            connections.to_string(),
            grouped(with.per_second),
            format!("{:.2}", with.p50_ms),
            format!("{:.2}", with.p99_ms),
            grouped(without.per_second),
            format!("{:.2}", without.p50_ms),
            format!("{:.2}", without.p99_ms),
            format!("{:.2}", with.per_second / without.per_second),
            if *connections == 512 { "ratio 0.55, at least 0.4" } else { "p99 under 10 ms" }.to_owned(),
        ]);
    }
    section
}

fn raw_section(raw: &Figures, over_http: Option<&Figures>, plan: &Plan) -> Section {
    let beside = if over_http.is_some() { ", alternating with those of one connection" } else { "" };
    let taken = format!(
        "Medians of {} rounds of {:.0} s{beside}. A raw transaction is begin, one receipt, its delivery, commit; 1 ms is left between two and not counted.",
        plan.rounds,
        plan.round_length.as_secs_f64()
    );
    let mut section = Section::new("raw", &["", "p50 ms", "p99 ms", "p50 ratio to raw", "aim"], taken);
    let row = |name: &str, figures: &Figures, ratio: String, aim: &str| {
        [
            name.to_owned(),
            format!("{:.2}", figures.p50_ms),
            format!("{:.2}", figures.p99_ms),
            ratio,
            aim.to_owned(),
        ]
    };
    section.row(row("raw transaction of one record", raw, "1".to_owned(), ""));
    if let Some(http) = over_http {
        let ratio = format!("{:.2}", http.p50_ms / raw.p50_ms);
        section.row(row("`POST /v1/receipts`, one connection", http, ratio, "at most 1.3"));
    }
    section
}
