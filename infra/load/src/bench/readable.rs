//! The time from a receipt's acceptance to its first read. Of 2,000 receipts a second a sample is read back, each with
//! the position that its answer gave.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::blast::{Requests, id_text};
use super::control;
use super::plan::Plan;
use super::report::Section;
use super::services::Deployment;
use super::stack::Stack;
use super::stats::{grouped, micros, percentile_ms};
use super::wire::{Connection, request};
use crate::failure::{Explain, Failure, Result};

const RECEIPTS_PER_SECOND: u32 = 2_000;
/// How many of those receipts are read back.
const SAMPLED_PER_SECOND: u32 = 50;
const SENDERS: u32 = 32;
const SAMPLERS: u32 = 4;
const WARM_UP: Duration = Duration::from_secs(3);
const LENGTH: Duration = Duration::from_secs(20);

/// The latencies of the samples in microseconds, and how many receipts were accepted in the whole run.
#[derive(Default)]
struct Samples {
    from_acceptance_us: Vec<u32>,
    from_due_us: Vec<u32>,
    accepted: u64,
    /// How long the run took. It is longer than planned where receipts could not be sent when they were due.
    took: Duration,
}

#[derive(Clone)]
struct Run {
    write: SocketAddr,
    read: SocketAddr,
    requests: Arc<Requests>,
    token: String,
    start: Instant,
}

/// Sends receipts, and reads samples back.
///
/// # Errors
/// When a service does not start, a receipt is not accepted or a read does not find it.
pub fn measure(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = Deployment::new(stack, "bench-readable", &plan.settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    deployment.run("projector", &["migrate"])?;
    let mut projector = deployment.start("projector")?;
    projector.ready()?;

    let terminal = control::terminal(command_api.address)?;
    let run = Run {
        write: command_api.address,
        read: projector.address,
        requests: Arc::new(Requests::new("/v1/receipts", &terminal, 0)),
        token: control::login(command_api.address, "analyst")?,
        start: Instant::now() + Duration::from_millis(200),
    };
    let mut samples = control::block_on(all(&run))?;
    command_api.stop();
    projector.stop();
    Ok(vec![section(&mut samples)])
}

async fn all(run: &Run) -> Result<Samples> {
    type Task = Pin<Box<dyn Future<Output = Result<Samples>> + Send>>;
    let senders = (0..SENDERS).map(|number| Box::pin(send(run.clone(), number)) as Task);
    let samplers = (0..SAMPLERS).map(|number| Box::pin(sample(run.clone(), number)) as Task);
    let tasks: Vec<_> = senders.chain(samplers).map(tokio::spawn).collect();
    let mut sum = Samples::default();
    for task in tasks {
        let part = task.await.explain("a connection's task")??;
        sum.from_acceptance_us.extend(part.from_acceptance_us);
        sum.from_due_us.extend(part.from_due_us);
        sum.accepted += part.accepted;
    }
    sum.took = run.start.elapsed();
    Ok(sum)
}

/// Waits until the `step`-th turn of one worker is due, of `of` workers that share `per_second` turns, and gives that
/// time; `None` past the end. Latency counts from there, so that a worker that is late does not hide what made it late.
async fn turn(run: &Run, step: u32, (worker, of): (u32, u32), per_second: u32) -> Option<Instant> {
    let due = run.start + Duration::from_secs(1) / per_second * (step * of + worker);
    if due >= run.start + WARM_UP + LENGTH {
        return None;
    }
    sleep_until(due.into()).await;
    Some(due)
}

async fn send(run: Run, number: u32) -> Result<Samples> {
    let mut connection = Connection::open(run.write).await.explain("connecting to command-api")?;
    let (mut samples, mut buffer) = (Samples::default(), Vec::new());
    for step in 0.. {
        let rate = RECEIPTS_PER_SECOND - SAMPLED_PER_SECOND;
        if turn(&run, step, (number, SENDERS), rate).await.is_none() {
            break;
        }
        run.requests.next_into(&mut buffer);
        accepted(&mut connection, &buffer).await?;
        samples.accepted += 1;
    }
    Ok(samples)
}

async fn sample(run: Run, number: u32) -> Result<Samples> {
    let mut write = Connection::open(run.write).await.explain("connecting to command-api")?;
    let mut read = Connection::open(run.read).await.explain("connecting to the projector")?;
    let authorization = format!("Bearer {}", run.token);
    let (mut samples, mut buffer) = (Samples::default(), Vec::new());
    for step in 0.. {
        let Some(due) = turn(&run, step, (number, SAMPLERS), SAMPLED_PER_SECOND).await else { break };
        let id = run.requests.next_into(&mut buffer);
        let position = accepted(&mut write, &buffer).await?;
        let at = Instant::now();
        let headers = [("authorization", authorization.as_str()), ("till-position", position.as_str())];
        let get = request("GET", &format!("/v1/receipts/{}", id_text(id)), &headers, "");
        let response = read.exchange(&get).await.explain("reading a receipt")?;
        if response.status != 200 {
            let body = String::from_utf8_lossy(response.body).into_owned();
            return Err(Failure::new(format!(
                "a read with its position was answered {} {body}",
                response.status
            )));
        }
        samples.accepted += 1;
        if due >= run.start + WARM_UP {
            samples.from_acceptance_us.push(micros(at.elapsed()));
            samples.from_due_us.push(micros(due.elapsed()));
        }
    }
    Ok(samples)
}

/// Sends a receipt, which must be accepted, and gives its position.
async fn accepted(connection: &mut Connection, request: &[u8]) -> Result<String> {
    let response = connection.exchange(request).await.explain("sending a receipt")?;
    match (response.status, response.header("till-position")) {
        (201, Some(position)) => Ok(position.to_owned()),
        (status, _) => {
            let body = String::from_utf8_lossy(response.body);
            Err(Failure::new(format!("a receipt was answered {status}, with no position or not 201: {body}")))
        }
    }
}

fn section(samples: &mut Samples) -> Section {
    let per_second = samples.accepted as f64 / samples.took.as_secs_f64();
    let taken = format!(
        "{} receipts/s for {} s over {} connections, on a schedule; {} of them read back at once with `Till-Position`.",
        grouped(per_second),
        LENGTH.as_secs(),
        SENDERS + SAMPLERS,
        grouped(samples.from_acceptance_us.len() as f64),
    );
    let mut section = Section::new("readable", &["", "p50 ms", "p99 ms"], taken);
    for (name, latencies_us) in [
        ("from the 201 to the read's answer", &mut samples.from_acceptance_us),
        ("from the receipt's turn in the schedule to the read's answer", &mut samples.from_due_us),
    ] {
        let (p50, p99) = (percentile_ms(latencies_us, 50), percentile_ms(latencies_us, 99));
        section.row([name.to_owned(), format!("{p50:.1}"), format!("{p99:.1}")]);
    }
    section
}
