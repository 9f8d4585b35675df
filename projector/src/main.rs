//! The projector: folds the topics into Postgres, one leader a projection, and answers HTTP reads from the tables.
//!
//! The way of a receipt: [`log`] (read on a thread of its own) -> [`lead`] -> [`fold`] (guard, rows and positions in one
//! transaction) -> [`projections`] -> [`tables`] of the live generation -> [`read`] (a snapshot that has seen what the client
//! asks for) -> [`http`], whose table of contents is [`routes`]. [`rebuild`] makes the next generation beside the live one.

mod contracts;
mod database;
mod description;
mod fold;
mod http;
mod inspect;
mod lead;
mod log;
mod projections;
mod read;
mod rebuild;
mod routes;
mod secrets;
mod serve;
mod settings;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use projections::definition::Projection;
use runtime::kafka::{Cluster, Isolation, partition_count};
use schemas::Topic;
use settings::{OperatorSettings, ProjectorSettings, Settings};

/// Folds Till's topics into Postgres and answers HTTP reads.
#[derive(Parser)]
#[command(name = "projector", version)]
struct Arguments {
    /// Settings in a TOML file; the environment overrides it.
    #[arg(long, global = true, env = "TILL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fold and answer reads until SIGTERM.
    Serve,
    /// Check the settings and say what is wrong.
    CheckConfig,
    /// Print the description of the HTTP API (OpenAPI 3.1).
    Openapi,
    /// Make the tables of every projection where they are missing.
    Migrate,
    /// Fold a projection anew beside the live tables, then switch to the result.
    Rebuild {
        #[arg(value_parser = projection_of, help = projections::names())]
        projection: Projection,
    },
    /// Go back to the tables a rebuild replaced.
    Rollback {
        #[arg(value_parser = projection_of, help = projections::names())]
        projection: Projection,
    },
    /// Show each projection's version, generation, position and lag.
    Status,
    /// Print the log as JSON lines, each partition in its order.
    Journal(inspect::journal::Options),
}

fn projection_of(name: &str) -> Result<Projection, String> {
    projections::named(name).ok_or_else(|| format!("the projections are {}", projections::names()))
}

fn main() -> ExitCode {
    let command = Arguments::command().after_long_help(runtime::settings::manual::<ProjectorSettings>());
    let arguments = match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("projector: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    if matches!(arguments.command, Command::Openapi) {
        print!("{}", runtime::openapi::text(&routes::description()));
        return Ok(());
    }
    let settings = arguments.settings()?;
    if matches!(arguments.command, Command::CheckConfig) {
        println!("the settings are usable");
        return Ok(());
    }
    runtime::telemetry::start(&settings.common)?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no threads: {error}"))?;
    let ended = runtime.block_on(execute(arguments.command, settings));
    // Threads that wait for Kafka may take seconds, and have nothing left to do.
    runtime.shutdown_background();
    ended
}

impl Arguments {
    /// Loads and checks the settings that the command needs.
    fn settings(&self) -> Result<Settings, String> {
        let file = self.config.as_deref();
        let settings = match self.command {
            Command::Serve | Command::CheckConfig => runtime::settings::load(file),
            _ => runtime::settings::load::<OperatorSettings>(file)
                .map(|settings| Settings { common: settings.common, own: settings.own.into() }),
        };
        settings.map_err(|error| error.to_string())
    }
}

/// Takes the number of partitions from the log itself. An operator's command then works from a shell where `TILL_PARTITIONS` is not
/// what the services have.
async fn with_partitions_of_the_log(mut settings: Settings) -> Result<Settings, String> {
    let (cluster, topic) =
        (Cluster::new(&settings.common), Topic::Receipts.name(&settings.common.topic_prefix));
    let name = topic.clone();
    let asked =
        tokio::task::spawn_blocking(move || partition_count(&cluster.reader(Isolation::Uncommitted)?, &name));
    settings.common.partitions = asked.await.expect("asking does not panic").map_err(|error| {
        format!("Kafka (TILL_KAFKA_BROKERS) does not say how many partitions {topic} (TILL_TOPIC_PREFIX) has: {error}")
    })?;
    Ok(settings)
}

async fn execute(command: Command, settings: Settings) -> Result<(), String> {
    let settings = match command {
        Command::Rebuild { .. } | Command::Status | Command::Journal(_) => {
            with_partitions_of_the_log(settings).await?
        }
        _ => settings,
    };
    let own = &settings.own;
    let postgres = |error: sqlx::Error| format!("Postgres (TILL_DATABASE_URL): {error}");
    match command {
        Command::CheckConfig | Command::Openapi => Ok(()),
        Command::Serve => serve::serve(settings).await,
        Command::Migrate => {
            let mut connection = database::connect(own, "migrate").await.map_err(postgres)?;
            tables::migrate::migrate(&mut connection, &settings.common)
                .await
                .map_err(|error| error.to_string())
        }
        Command::Rebuild { projection } => {
            rebuild::rebuild(&settings, projection).await.map_err(|error| error.to_string())
        }
        Command::Rollback { projection } => {
            rebuild::roll_back(&settings, projection).await.map_err(|error| error.to_string())
        }
        Command::Status => inspect::status::print(&settings).await,
        Command::Journal(options) => inspect::journal::print(settings, options).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_names_every_projection() {
        let mut command = Arguments::command();
        command.build();
        let help = command.find_subcommand_mut("rebuild").unwrap().render_help().to_string();
        assert!(projections::ALL.iter().all(|projection| help.contains(projection.name)), "{help}");
    }
}
