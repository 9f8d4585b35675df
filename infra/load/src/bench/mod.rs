//! The figures of docs/benchmarks.md, taken on a broker, a database and services of this run's own.

mod against;
mod batch;
mod blast;
mod control;
mod fill;
mod http;
mod kinds;
mod memory;
mod orders;
mod paced;
mod people;
mod plan;
mod producer;
mod products;
mod raw;
mod readable;
mod rebuild;
mod replay;
mod replicas;
mod report;
mod services;
mod stack;
mod stats;
mod strangers;
mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use till_tests::places;

use crate::failure::{Failure, Result};
use fill::Logs;
use plan::Plan;
use report::Section;
use stack::Stack;

const EXAMPLES: &str = "\
Examples:
  load bench                          everything at a million receipts
  load bench --full                   memory and replay at four million too
  load bench --only http,raw          some measurements; the other sections of the file stay as they are
  load bench --print                  the tables here instead of in the file
  load bench --set TILL_SHARDS=1      services with other settings than the defaults
  load bench --against FOLDER         receipts of other binaries and of these in turns; ./till bench --against COMMIT builds them

It starts its own Kafka, Postgres and services (from the folder of this binary) on free ports of the loopback, with
data under --data, and ends them. Nothing else should run on the machine meanwhile.";

const SECTIONS: [&str; 14] = [
    "http",
    "raw",
    "batch",
    "people",
    "orders",
    "queue",
    "products",
    "replicas",
    "takeover",
    "strangers",
    "rebuild",
    "readable",
    "memory",
    "replay",
];

/// Arguments of `load bench`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Memory and replay at 4 million receipts too
    #[arg(long)]
    full: bool,
    /// Only these measurements
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = SECTIONS)]
    only: Vec<String>,
    /// Compare with the services' binaries in this folder, in alternating rounds, and print the table
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["only", "full", "out"])]
    against: Option<PathBuf>,
    /// The file whose generated sections are rewritten; by default docs/benchmarks.md of the repository
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the tables and leave the file alone
    #[arg(long)]
    print: bool,
    /// Rounds a measurement, of which medians are taken
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds a round of requests
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Receipts of the large logs, in thousands
    #[arg(long, value_name = "THOUSANDS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    receipts_k: u64,
    /// A setting of the services, as TILL_KEY=VALUE; repeatable
    #[arg(long = "set", value_name = "TILL_KEY=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Data and logs; emptied first, removed after
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Leave data and logs there
    #[arg(long)]
    keep: bool,
}

fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.starts_with("TILL_") => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected TILL_KEY=VALUE".to_owned()),
    }
}

/// The plan that the arguments ask for.
fn plan(args: &Args) -> Result<Plan> {
    if !(args.seconds >= 0.1 && args.seconds <= 3_600.0) {
        return Err(Failure::new("--seconds must be from 0.1 to 3600"));
    }
    let receipts = args.receipts_k * 1_000;
    Ok(Plan {
        rounds: args.rounds,
        round_length: Duration::from_secs_f64(args.seconds),
        sizes: if args.full { vec![receipts, 4 * receipts] } else { vec![receipts] },
        settings: args.settings.clone(),
        start: Instant::now(),
    })
}

/// Takes the figures and writes them.
///
/// # Errors
/// When a part of the stack does not start, a measurement fails, or the file has no place for the figures.
pub fn run(args: &Args) -> Result<()> {
    let plan = plan(args)?;
    let out = args.out.clone().unwrap_or_else(|| places::repository().join("docs/benchmarks.md"));
    let folder = args.data.clone().unwrap_or_else(|| places::repository().join(".till/bench"));
    let circumstances = report::circumstances(&command());
    if !args.print && args.against.is_none() {
        // The file is checked before the measurements, because these take long.
        report::check(&out, &SECTIONS.map(|name| (name, wanted(args, name))))?;
    }
    let stack = Stack::start(&folder)?;
    plan.say(&format!("Kafka and Postgres are up, their data in {}", folder.display()));
    let print = |section: &Section| println!("\n## {}\n\n{}", section.name, section.markdown(&circumstances));
    if let Some(former) = &args.against {
        print(&against::measure(&stack, &plan, former)?);
    } else {
        measure(args, &stack, &plan, |section| {
            print(&section);
            if args.print { Ok(()) } else { report::write(&out, &section, &circumstances) }
        })?;
    }
    if args.keep {
        plan.say(&format!("data and logs are kept in {}", folder.display()));
        return Ok(());
    }
    stack.stop()
}

fn wanted(args: &Args, name: &str) -> bool {
    args.only.is_empty() || args.only.iter().any(|only| only == name)
}

/// Takes the measurements, and hands each table on at once, so that the failure of a later one loses nothing.
fn measure(
    args: &Args,
    stack: &Stack,
    plan: &Plan,
    mut done: impl FnMut(Section) -> Result<()>,
) -> Result<()> {
    let mut all_done = |sections: Vec<Section>| sections.into_iter().try_for_each(&mut done);
    let wanted = |name| wanted(args, name);
    if wanted("http") {
        all_done(http::measure(stack, plan, wanted("raw"))?)?;
    } else if wanted("raw") {
        all_done(http::measure_raw(stack, plan)?)?;
    }
    if wanted("batch") {
        all_done(batch::measure(stack, plan)?)?;
    }
    if wanted("people") {
        all_done(people::measure(stack, plan)?)?;
    }
    if wanted("orders") {
        all_done(orders::measure(stack, plan)?)?;
    }
    if wanted("queue") {
        all_done(orders::measure_queue(stack, plan)?)?;
    }
    if wanted("products") {
        all_done(products::measure(stack, plan)?)?;
    }
    if wanted("replicas") {
        all_done(replicas::measure_throughput(stack, plan)?)?;
    }
    if wanted("takeover") {
        all_done(replicas::measure_takeover(stack, plan)?)?;
    }
    if wanted("strangers") {
        all_done(strangers::measure(stack, plan)?)?;
    }
    if wanted("readable") {
        all_done(readable::measure(stack, plan)?)?;
    }
    let mut logs = Logs::new(stack, plan);
    if wanted("replay") {
        all_done(replay::measure(&mut logs, plan)?)?;
    }
    if wanted("rebuild") {
        all_done(rebuild::measure(stack, &mut logs, plan)?)?;
    }
    if wanted("memory") {
        all_done(memory::measure(stack, &mut logs, plan)?)?;
    }
    Ok(())
}

/// The command as it was typed, but without the folder of the binary.
fn command() -> String {
    let args: Vec<String> = std::env::args().skip(1).collect();
    format!("load {}", args.join(" "))
}
