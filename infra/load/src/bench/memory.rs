//! The peak memory of each service: after it has replayed a log from its beginning, and after load on top of that.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::blast::{self, Requests};
use super::control::{self, call};
use super::fill::Logs;
use super::plan::Plan;
use super::report::Section;
use super::services::{Deployment, Memory, Service};
use super::stack::Stack;
use super::stats::grouped;
use crate::failure::{Failure, Result};

/// How long folding the whole log may take, at most.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(1_800);
/// A read of each of the two projections that fold receipts.
const READS: [&str; 2] = ["/v1/receipts?limit=1", "/v1/places"];
const CONNECTIONS: usize = 512;
const WARM_UP: Duration = Duration::from_secs(1);

/// The memory of one service at the two times.
struct Measured {
    name: &'static str,
    replayed: Memory,
    loaded: Option<Memory>,
}

/// Measures the memory of all services, at each size of the log.
///
/// # Errors
/// When a service does not start, does not reach the end of the log or refuses the load.
pub fn measure(stack: &Stack, logs: &mut Logs<'_>, plan: &Plan) -> Result<Vec<Section>> {
    let head = [
        "receipts in the log",
        "process",
        "peak after replay MB",
        "peak after load MB",
        "anonymous then MB",
        "aim",
    ];
    let taken = format!(
        "Empty stores and an empty database; all three services replay the log, then take receipts over {CONNECTIONS} \
         connections for {:.0} s. The worker closes a window every 10 s.",
        plan.round_length.as_secs_f64()
    );
    let mut section = Section::new("memory", &head, taken);
    let mut command_api_mb = Vec::new();
    for &receipts in &plan.sizes {
        let deployment =
            logs.of(receipts)?.with_fresh_database(stack, &format!("bench-memory-{receipts}"))?;
        for measured in measure_one(&deployment, plan)? {
            if measured.name == COMMAND_API {
                let loaded_mb = measured.loaded.map(|memory| memory.peak_mb);
                command_api_mb.push((receipts, measured.replayed.peak_mb, loaded_mb));
            }
            section.row(row(receipts, &measured));
        }
    }
    if let [(few, replayed_few, loaded_few), (many, replayed_many, loaded_many)] = command_api_mb[..] {
        let a_million = |few_mb: f64, many_mb: f64| (many_mb - few_mb) / ((many - few) as f64 / 1e6);
        let loaded = loaded_few.zip(loaded_many).map(|(few_mb, many_mb)| a_million(few_mb, many_mb));
        section.row([
            "growth a million".to_owned(),
            COMMAND_API.to_owned(),
            format!("{:.1}", a_million(replayed_few, replayed_many)),
            loaded.map_or_else(String::new, |mb| format!("{mb:.1}")),
            String::new(),
            "at most 5 MB".to_owned(),
        ]);
    }
    Ok(vec![section])
}

const COMMAND_API: &str = "command-api";
const PROJECTOR: &str = "projector";
const WORKER: &str = "analytics-worker";

fn row(receipts: u64, measured: &Measured) -> [String; 6] {
    let megabytes = |memory: Option<f64>| memory.map_or_else(|| "-".to_owned(), |mb| format!("{mb:.0}"));
    let last = measured.loaded.unwrap_or(measured.replayed);
    let aim = if measured.name == COMMAND_API { "under 200 MB" } else { "under 150 MB, flat" };
    [
        grouped(receipts as f64),
        measured.name.to_owned(),
        megabytes(Some(measured.replayed.peak_mb)),
        megabytes(measured.loaded.map(|memory| memory.peak_mb)),
        megabytes(Some(last.anonymous_mb)),
        aim.to_owned(),
    ]
}

fn measure_one(deployment: &Deployment, plan: &Plan) -> Result<Vec<Measured>> {
    let mut command_api = deployment.start(COMMAND_API)?;
    command_api.ready()?;
    let replayed_by_command_api = command_api.memory()?;
    deployment.run(PROJECTOR, &["migrate"])?;
    let mut projector = deployment.start(PROJECTOR)?;
    projector.ready()?;
    let analyst = control::login(command_api.address, "analyst")?;
    caught_up(projector.address, &analyst)?;
    let replayed_by_projector = projector.memory()?;
    // The worker comes last, so that the windows in which the log was written are over. It serves once it has closed them.
    let mut worker = deployment.start(WORKER)?;
    worker.ready()?;
    let replayed_by_worker = worker.memory()?;
    plan.say("memory: command-api, projector and worker have replayed the log");

    load(&command_api, plan)?;
    caught_up(projector.address, &analyst)?;
    let services = [
        (command_api, replayed_by_command_api),
        (projector, replayed_by_projector),
        (worker, replayed_by_worker),
    ];
    let mut all = Vec::new();
    for (service, replayed) in services {
        all.push(Measured { name: service.name, replayed, loaded: Some(service.memory()?) });
        service.stop();
    }
    let replayed = deployment.peak_of(PROJECTOR, &["rebuild", "receipts"])?;
    all.push(Measured { name: "projector rebuild", replayed, loaded: None });
    Ok(all)
}

fn load(command_api: &Service, plan: &Plan) -> Result<()> {
    let token = control::terminal(command_api.address)?;
    let requests = Arc::new(Requests::new("/v1/receipts", &token, 0));
    let round = blast::round(command_api.address, &requests, CONNECTIONS, (WARM_UP, plan.round_length), 201)?;
    plan.say(&format!("memory: {} receipts/s with all services folding", grouped(round.per_second)));
    // The bounded queue may refuse for overload; any other refusal is an error of the measurement.
    if round.others.keys().all(|&status| status == 503) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the load had other answers, by status (0: connection lost): {:?}",
        round.others
    )))
}

/// Waits until strong reads of the projections answer, which is when all that is in the log now is folded.
fn caught_up(projector: SocketAddr, token: &str) -> Result<()> {
    let authorization = format!("Bearer {token}");
    let headers =
        [("authorization", authorization.as_str()), ("till-consistency", "strong"), ("prefer", "wait=10")];
    let deadline = Instant::now() + CAUGHT_UP_WITHIN;
    for path in READS {
        loop {
            match call(projector, "GET", path, &headers, "")? {
                (200, _) => break,
                (503, _) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(200)),
                (status, text) => return Err(Failure::new(format!("GET {path}, strong: {status} {text}"))),
            }
        }
    }
    Ok(())
}
