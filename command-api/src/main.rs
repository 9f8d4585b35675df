//! The write side of Till: HTTP commands, decided by exactly one writer a shard, appended to Kafka before
//! they are answered. Read it from [`routes`] on.

mod http;
mod passwords;
mod registry;
mod routes;
mod serve;
mod settings;
mod shard;
mod topics;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use runtime::settings::manual;
use settings::{Own, Settings};

/// Takes Till's commands over HTTP and appends their events to Kafka.
#[derive(Parser)]
#[command(name = "command-api", version)]
struct Arguments {
    /// TOML file with settings.
    #[arg(long, global = true, env = "TILL_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Serve until SIGTERM.
    Serve,
    /// Check the settings and end.
    CheckConfig,
    /// Create the topics that are missing, check all, and end.
    CreateTopics,
}

const EXAMPLES: &str = "Examples:
  command-api serve
  TILL_KAFKA_BROKERS=kafka-1:9092,kafka-2:9092 command-api --config /etc/till.toml check-config
  command-api create-topics

";

fn main() -> ExitCode {
    let command = Arguments::command().after_long_help(format!("{EXAMPLES}{}", manual::<Own>()));
    let arguments = Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("command-api: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let settings: Settings =
        runtime::settings::load(arguments.config.as_deref()).map_err(|error| error.to_string())?;
    runtime::telemetry::start(&settings.common)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("cannot start threads: {error}"))?;
    match arguments.task {
        Task::Serve => runtime.block_on(serve::serve(settings)),
        Task::CheckConfig => {
            println!("the settings are usable");
            Ok(())
        }
        Task::CreateTopics => {
            runtime.block_on(topics::ensure(&settings.common)).map_err(|error| error.to_string())
        }
    }
}
