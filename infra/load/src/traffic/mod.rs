//! Sample traffic at the front door, at a steady rate.

mod client;
mod plan;
mod summary;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::failure::{Explain, Failure, Result};
use client::{Account, Client};
use plan::{Answered, Planner};
use summary::Summary;

/// The most requests that are under way at once. While so many wait for answers, the schedule waits too.
const IN_FLIGHT: usize = 256;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  load traffic                                     a minute of traffic at the demo's front door
  load traffic --rate 200 --minutes 10             busier and longer
  load traffic --front-door http://127.0.0.1:8081  another front door
  load traffic --seed 7                            the same places, products and mistakes in the same order each time

Of 1,000 requests about 925 are new receipts, 30 repeat an earlier one, 30 are invalid, 10 send another content
under an id already used and 5 are voids. Answers 503 are waited for as Retry-After says and sent again unchanged.
The exit status is 0 only if every answer was the one its request deserves.";

/// Arguments of `load traffic`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where Till answers
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    front_door: String,
    /// How long to send; fractions are fine
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Requests a second
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// What is bought, and which requests are wrong, follows from this number; by default from the clock
    #[arg(long)]
    seed: Option<u64>,
    /// Whose terminal key receipts are sent with (role terminal): it is issued at the begin, and revoked at the end
    #[arg(long, value_name = "NAME", default_value = "terminal")]
    terminal: String,
    /// Who issues the key and voids receipts (role admin)
    #[arg(long, value_name = "NAME:PASSWORD", default_value = "admin:admin")]
    admin: Account,
}

/// Sends the traffic and prints the summary.
///
/// # Errors
/// When arguments make no sense, the front door does not answer or lets nobody in, or any answer was unexpected.
pub fn run(args: &Args) -> Result<()> {
    if !(args.rate > 0.0 && args.rate <= 100_000.0) {
        return Err(Failure::new("--rate must be above 0 and at most 100,000 requests a second"));
    }
    if !(args.minutes > 0.0 && args.minutes <= 100_000.0) {
        return Err(Failure::new("--minutes must be above 0 and at most 100,000"));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().explain("starting the runtime")?;
    let summary = runtime.block_on(send(args))?;
    println!("{summary}");
    summary.verdict()
}

async fn send(args: &Args) -> Result<Summary> {
    let client = Client::open(&args.front_door, &args.terminal, args.admin.clone()).await?;
    println!("sending {} requests/s to {} for {} min", args.rate, args.front_door, args.minutes);

    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    let clock = u64::try_from(millis).unwrap_or(0);
    let mut planner = Planner::new(args.seed.unwrap_or(clock), clock);
    let mut summary = Summary::new();
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    let (answers_tx, mut answers) = mpsc::unbounded_channel::<Answered>();
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(args.minutes * 60.0);
    let mut interrupted = std::pin::pin!(interrupted()?);
    let mut progress_at = start + PROGRESS_EVERY;

    for number in 0_u32.. {
        let due = start + Duration::from_secs_f64(f64::from(number) / args.rate);
        if due >= end {
            break;
        }
        let slot = tokio::select! {
            slot = async { sleep_until(due).await; slots.clone().acquire_owned().await } => slot.explain("waiting for a slot")?,
            _ = &mut interrupted => break,
        };
        if Instant::now() >= end {
            break;
        }
        while let Ok(answered) = answers.try_recv() {
            planner.learn(summary.count(answered));
        }
        if Instant::now() >= progress_at {
            println!("{}", summary.progress());
            progress_at += PROGRESS_EVERY;
        }
        let (request, client, answers_tx) = (planner.next(Utc::now()), client.clone(), answers_tx.clone());
        tokio::spawn(async move {
            // The send does not fail: the receiver lives until every sender is gone.
            let _ = answers_tx.send(client.answer(request).await);
            drop(slot);
        });
    }
    drop(answers_tx);
    while let Some(answered) = answers.recv().await {
        planner.learn(summary.count(answered));
    }
    client.close().await?;
    Ok(summary)
}

/// Ends when the program is asked to end.
fn interrupted() -> Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate()).explain("listening for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => (),
            _ = terminated.recv() => (),
        }
    })
}
