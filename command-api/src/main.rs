//! The write side of Till. HTTP commands are decided by exactly one writer a shard, and their events are appended to
//! Kafka before the commands are answered. Begin to read at [`routes`].

mod blocking;
mod contracts;
mod description;
mod effects;
mod http;
mod keys;
mod passwords;
mod readiness;
mod reshard;
mod routes;
mod serve;
mod settings;
mod shard;
mod topics;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use runtime::kafka::{Cluster, ensure_topics};
use runtime::server::Readiness;
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
    /// Print the description of the HTTP API (OpenAPI 3.1) and end.
    Openapi,
    /// Create the topics that are missing, check all, and end.
    CreateTopics,
    /// Change the number of shards, K. Every command-api must be stopped.
    ///
    /// Fences the owners of the former topology epoch and declares the next one in the log. Shard k owns the
    /// partitions p with p mod K = k of every event topic; no record moves. Refused while a replica is in the
    /// group of shards. Without --yes it only says what it would do. Afterwards start command-api with
    /// TILL_SHARDS set to the new number: another one is refused.
    #[command(after_help = RESHARD_EXAMPLE)]
    Reshard {
        /// The new number of shards, at most the partitions of an event topic
        #[arg(long, value_name = "K")]
        shards: i32,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Tend the keys of persons.
    #[command(subcommand)]
    Keys(KeysTask),
}

#[derive(Subcommand)]
enum KeysTask {
    /// Put every person's key under the first of TILL_MASTER_KEYS, and delete those that no living person has.
    ///
    /// The fleet runs on: the owner of each shard does it. What was done is not done again, so an interrupted run is
    /// repeated. TILL_JWT_SECRET must be the fleet's.
    #[command(after_help = REWRAP_EXAMPLE)]
    Rewrap,
}

const REWRAP_EXAMPLE: &str = "Example, each quarter:
  openssl rand -hex 32                              the new master key
  TILL_MASTER_KEYS=2:<new>,1:<former>               for every command-api and projector, and start them again
  command-api keys rewrap
  TILL_MASTER_KEYS=2:<new>                          for all of them, and start them again";

const RESHARD_EXAMPLE: &str = "Example:
  command-api reshard --shards 4          what would be done
  command-api reshard --shards 4 --yes    do it, then: TILL_SHARDS=4 command-api serve";

const EXAMPLES: &str = "Examples:
  command-api serve
  TILL_KAFKA_BROKERS=kafka-1:9092,kafka-2:9092 command-api --config /etc/till.toml check-config
  command-api create-topics
  command-api reshard --shards 4 --yes
  command-api keys rewrap

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
    if matches!(arguments.task, Task::Openapi) {
        print!("{}", runtime::openapi::text(&routes::description()));
        return Ok(());
    }
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
        Task::Openapi => Ok(()),
        Task::CreateTopics => {
            let (cluster, specs) = (Cluster::new(&settings.common), topics::specs(&settings.common));
            runtime.block_on(ensure_topics(&cluster, &specs)).map_err(|error| error.to_string())
        }
        Task::Keys(KeysTask::Rewrap) => runtime.block_on(keys::rewrap(&settings)),
        Task::Reshard { shards, yes } => {
            let common = &settings.common;
            let framing = runtime
                .block_on(runtime::registry::framing(common, &Readiness::waiting("the schema registry")))?;
            reshard::reshard(common, shards, yes, &framing, runtime.handle())
        }
    }
}
