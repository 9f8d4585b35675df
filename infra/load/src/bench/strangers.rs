//! What terminals notice of strangers that hold all they can get of the front door. Rounds with and without strangers
//! alternate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use till_tests::{FrontDoor, Siege};
use tokio::time::sleep_until;

use super::blast::Requests;
use super::control;
use super::plan::Plan;
use super::report::Section;
use super::services::Deployment;
use super::stack::Stack;
use super::stats::{grouped, median, micros, percentile_ms};
use super::wire::Connection;
use crate::failure::{Explain, Failure, Result};

const TERMINALS: u32 = 8;
/// How many receipts each terminal sends a second.
const RECEIPTS_PER_SECOND: u32 = 10;
const BROKER_WARM_UP: Duration = Duration::from_secs(10);
/// The pause from the first stranger to the first receipt that counts.
const SETTLE: Duration = Duration::from_secs(2);

/// Where terminals send, and under which token.
#[derive(Clone)]
struct Run {
    address: SocketAddr,
    requests: Arc<Requests>,
}

/// What terminals saw over some rounds.
#[derive(Default)]
struct Seen {
    latencies_us: Vec<u32>,
    p99_ms: Vec<f64>,
    /// The number of answers other than 201, by status; 0 stands for a lost connection.
    others: BTreeMap<u16, u64>,
}

/// Measures receipts of terminals, with and without a siege.
///
/// # Errors
/// When a part of the deployment does not start.
pub fn measure(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = Deployment::new(stack, "bench-strangers", &plan.settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    deployment.run("projector", &["migrate"])?;
    let mut projector = deployment.start("projector")?;
    projector.ready()?;
    let ports = [command_api.address.port()];
    let folder = stack.folder.join("bench-strangers");
    let door = control::block_on(FrontDoor::before(&folder, &ports, &[projector.address.port()]));
    let address = door.url.trim_start_matches("http://").parse::<SocketAddr>().explain("nginx's address")?;
    let token = control::terminal(address)?;
    let run = Run { address, requests: Arc::new(Requests::new("/v1/receipts", &token, 0)) };

    terminals(&run, BROKER_WARM_UP)?;
    let (mut quiet, mut besieged) = (Seen::default(), Seen::default());
    for round in 1..=plan.rounds {
        quiet.add(terminals(&run, plan.round_length)?);
        let siege = Siege::lay(&[&door.url]);
        std::thread::sleep(SETTLE);
        besieged.add(terminals(&run, plan.round_length)?);
        let logins = siege.logins();
        drop(siege);
        let last = |seen: &Seen| seen.p99_ms.last().copied().unwrap_or(f64::NAN);
        plan.say(&format!(
            "strangers round {round}: p99 {:.1} ms quiet, {:.1} ms besieged; their logins by status: {logins:?}",
            last(&quiet),
            last(&besieged)
        ));
    }
    let peak_mb = command_api.memory()?.peak_mb;
    command_api.stop();
    projector.stop();
    Ok(vec![section(plan, [quiet, besieged], peak_mb)])
}

impl Seen {
    fn add(&mut self, mut round: Self) {
        self.p99_ms.push(percentile_ms(&mut round.latencies_us, 99));
        self.latencies_us.extend(round.latencies_us);
        for (status, count) in round.others {
            *self.others.entry(status).or_default() += count;
        }
    }
}

/// Runs all terminals for `length`. Each sends at its rate, whatever its answers take, and latency counts from when a
/// receipt was due.
fn terminals(run: &Run, length: Duration) -> Result<Seen> {
    control::block_on(async {
        let start = Instant::now() + Duration::from_millis(200);
        let tasks: Vec<_> =
            (0..TERMINALS).map(|number| tokio::spawn(terminal(run.clone(), number, start, length))).collect();
        let mut sum = Seen::default();
        for task in tasks {
            let part = task.await.explain("a terminal's task")??;
            sum.latencies_us.extend(part.latencies_us);
            for (status, count) in part.others {
                *sum.others.entry(status).or_default() += count;
            }
        }
        if sum.latencies_us.is_empty() {
            return Err(Failure::new(format!(
                "no receipt was accepted; answers by status: {:?}",
                sum.others
            )));
        }
        Ok(sum)
    })
}

async fn terminal(run: Run, number: u32, start: Instant, length: Duration) -> Result<Seen> {
    let mut connection = Connection::open(run.address).await.explain("connecting to nginx")?;
    let (mut seen, mut buffer) = (Seen::default(), Vec::new());
    let pause = Duration::from_secs(1) / RECEIPTS_PER_SECOND;
    for step in 0.. {
        let due = start + pause * step + pause * number / TERMINALS;
        if due >= start + length {
            break;
        }
        sleep_until(due.into()).await;
        run.requests.next_into(&mut buffer);
        let status = connection.exchange(&buffer).await.map_or(0, |response| response.status);
        if status == 201 {
            seen.latencies_us.push(micros(due.elapsed()));
            continue;
        }
        *seen.others.entry(status).or_default() += 1;
        if status == 0 {
            connection = Connection::open(run.address).await.explain("connecting to nginx")?;
        }
    }
    Ok(seen)
}

fn section(plan: &Plan, [quiet, besieged]: [Seen; 2], peak_mb: f64) -> Section {
    let head = ["", "receipts", "p50 ms", "p99 ms", "longest ms", "other answers", "aim"];
    let taken = format!(
        "{TERMINALS} terminals at {RECEIPTS_PER_SECOND} receipts a second each through nginx to one replica; {} alternating rounds of {:.0} s, the p99 their median. Strangers: 49 idle connections, 200 slow ones, 40 that read no answer, 40 wrong logins at once. command-api's peak memory was {peak_mb:.0} MB (aim: under 300).",
        plan.rounds,
        plan.round_length.as_secs_f64()
    );
    let mut section = Section::new("strangers", &head, taken);
    let quiet_p99_ms = median(quiet.p99_ms.clone());
    for (name, mut seen) in [("quiet", quiet), ("besieged", besieged)] {
        let p99_ms = median(seen.p99_ms);
        let aim = match name {
            "quiet" => String::new(),
            _ => format!("p99 at most twice: it is {:.1} times", p99_ms / quiet_p99_ms),
        };
        section.row([
            name.to_owned(),
            grouped(seen.latencies_us.len() as f64),
            format!("{:.2}", percentile_ms(&mut seen.latencies_us, 50)),
            format!("{p99_ms:.2}"),
            format!("{:.0}", percentile_ms(&mut seen.latencies_us, 100)),
            seen.others.values().sum::<u64>().to_string(),
            aim,
        ]);
    }
    section
}
