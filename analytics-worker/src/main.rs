//! The hourly worker: adds up the receipts of each window of the schedule and appends the figures as events.
//! It reads and writes Kafka only, and any number of replicas may run: each window is closed once.
//!
//! Read it from [`worker`] on: `worker` -> `slice` -> `fold` -> `parts` -> `append`; `closed` is what it knows, folded
//! from its own events.

mod append;
mod clock;
mod closed;
mod cursor;
mod fault;
mod figures;
mod fold;
mod journal;
mod log;
mod parts;
mod reader;
mod recompute;
mod serve;
mod settings;
mod slice;
mod window;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use runtime::server::{self, Readiness};
use runtime::settings::manual;

use reader::Watch;
use recompute::{Range, recompute};
use settings::{Own, Settings};

/// Adds up the receipts of each hour and appends the figures to Kafka as events.
#[derive(Parser)]
#[command(name = "analytics-worker", version)]
struct Arguments {
    /// TOML file with settings.
    #[arg(long, global = true, env = "TILL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Close windows as they end, until SIGTERM.
    #[command(after_help = "Examples:
  analytics-worker serve
  TILL_ANALYTICS_SCHEDULE='0 * * * * *' analytics-worker serve    # figures every minute
  curl http://127.0.0.1:9010/readyz")]
    Serve,
    /// Check the settings and end.
    #[command(after_help = "Examples:
  analytics-worker check-config
  analytics-worker --config /etc/till.toml check-config")]
    CheckConfig,
    /// Work the figures out again from the slices on record and compare; ends with 1 on any difference.
    #[command(after_help = "Examples:
  analytics-worker recompute                                       # every window there is
  analytics-worker recompute --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z

Ends with 0 where all agree, 1 where any differ, 2 where they could not be compared.")]
    Recompute {
        /// Windows that begin at or after this instant, RFC 3339; the first one where left out.
        #[arg(long, value_name = "INSTANT")]
        from: Option<DateTime<Utc>>,
        /// Windows that end at or before this instant, RFC 3339; the last one where left out.
        #[arg(long, value_name = "INSTANT")]
        to: Option<DateTime<Utc>>,
    },
}

const EXAMPLES: &str = "Examples:
  analytics-worker serve
  TILL_KAFKA_BROKERS=kafka-1:9092,kafka-2:9092 analytics-worker --config /etc/till.toml check-config
  analytics-worker recompute --from 2026-11-23T00:00:00Z --to 2026-11-24T00:00:00Z

";

const COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    let command = Arguments::command().after_long_help(format!("{EXAMPLES}{}", manual::<Own>()));
    let arguments = Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    run(&arguments).unwrap_or_else(|error| {
        eprintln!("analytics-worker: {error}");
        ExitCode::from(COULD_NOT)
    })
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let settings: Settings =
        runtime::settings::load(arguments.config.as_deref()).map_err(|error| error.to_string())?;
    runtime::telemetry::start(&settings.common)?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    match &arguments.task {
        Task::Serve => threads.block_on(serve::serve(settings)).map(|()| ExitCode::SUCCESS),
        Task::CheckConfig => {
            println!("the settings are usable");
            Ok(ExitCode::SUCCESS)
        }
        Task::Recompute { from, to } => {
            let _entered = threads.enter();
            let watch = Watch { shutdown: server::shutdown_on_signal(), readiness: Readiness::waiting("") };
            let range = Range { from: *from, to: *to };
            let report = recompute(&settings, range, watch).map_err(|fault| fault.to_string())?;
            Ok(if report.differences == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
