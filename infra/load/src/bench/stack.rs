//! The broker and the database of a run, set up as `./till up` sets them up but on free ports and data of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use runtime::Common;
use runtime::kafka::{Cluster, TopicSpec, ensure_topics};
use runtime::settings::LogFormat;
use till_tests::process::Spec;
use till_tests::{Kafka, Postgres};

use super::control::block_on;
use crate::failure::{Explain, Failure, Result};

const UP_WITHIN: Duration = Duration::from_secs(60);
/// As many partitions as `./till up` gives to Till's topics.
pub const PARTITIONS: i32 = 4;

/// A running broker and a running database server. Both are ended when this value is dropped.
pub struct Stack {
    /// The folder of data and logs.
    pub folder: PathBuf,
    kafka: Kafka,
    postgres: Postgres,
}

impl Stack {
    /// Starts both on the folder, which is removed first where an earlier run has made it.
    ///
    /// # Errors
    /// When the folder cannot be used.
    ///
    /// # Panics
    /// When one of them does not come up.
    pub fn start(folder: &Path) -> Result<Self> {
        clear(folder)?;
        let (kafka, postgres) = (Kafka::start_as_till_up(folder), Postgres::start_as_till_up(folder));
        block_on(async {
            kafka.ready().await;
            postgres.ready().await;
        });
        Ok(Self { folder: folder.to_owned(), kafka, postgres })
    }

    /// The broker's address, as `host:port`.
    pub fn brokers(&self) -> &str {
        self.kafka.brokers()
    }

    /// The broker, as the services' clients are told of it.
    pub fn cluster(&self) -> Cluster {
        Cluster::new(&Common {
            kafka_brokers: self.brokers().to_owned(),
            kafka_options: String::new(),
            topic_prefix: String::new(),
            partitions: PARTITIONS,
            replication_factor: 1,
            schema_registry_url: String::new(),
            shards: 1,
            demo: true,
            log_format: LogFormat::Text,
            log_filter: String::new(),
            business_timezone: "UTC".to_owned(),
            server_names: String::new(),
            allowed_origins: String::new(),
            shutdown_grace_ms: 0,
        })
    }

    /// Makes a topic that is written without a service. Its records are stamped and kept as those of the receipts topic
    /// are.
    ///
    /// # Errors
    /// Those of Kafka.
    pub fn create_topic(&self, name: String) -> Result<()> {
        let config = &[("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1")];
        let topic = TopicSpec {
            name,
            partitions: PARTITIONS,
            replication_factor: 1,
            config,
            from_the_beginning: true,
        };
        let deadline = Instant::now() + UP_WITHIN;
        loop {
            // A partition that was just made may have no leader yet, which the check meets as an error.
            match block_on(ensure_topics(&self.cluster(), std::slice::from_ref(&topic))) {
                Err(error) if Instant::now() > deadline => return Err(error).explain("making a topic"),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// The URL of one of the server's databases.
    pub fn database_url(&self, database: &str) -> String {
        self.postgres.url(database)
    }

    /// A folder that the database server may write to, and that this process may read.
    pub fn postgres_folder(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    /// Makes an empty database.
    ///
    /// # Panics
    /// When Postgres refuses.
    pub fn create_database(&self, name: &str) {
        block_on(self.postgres.create_database(name));
    }

    /// Ends both, the database in good order, and removes their data.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn stop(self) -> Result<()> {
        self.postgres.stop();
        self.kafka.stop();
        fs::remove_dir_all(&self.folder).explain(format!("removing {}", self.folder.display()))
    }
}

/// Removes the folder of an earlier run. A folder that has not its mark is left alone, and an error.
fn clear(folder: &Path) -> Result<()> {
    let mark = folder.join("made-by-load-bench");
    if folder.exists() {
        let empty = fs::read_dir(folder).explain(format!("reading {}", folder.display()))?.next().is_none();
        if !empty && !mark.exists() {
            return Err(Failure::new(format!(
                "{} holds something else: choose an empty or new folder with --data",
                folder.display()
            )));
        }
        fs::remove_dir_all(folder).explain(format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(folder).explain(format!("making {}", folder.display()))?;
    // The folder is opened to others, because Postgres' user must pass through it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).explain("opening the folder")?;
    fs::write(&mark, "").explain("marking the folder")
}

/// Runs a program to its end, and gives what it printed.
///
/// # Errors
/// The program failed. The failure has what it printed.
pub fn run(spec: Spec, limit: Duration) -> Result<String> {
    let name = spec.name.clone();
    let finished = spec.run(limit);
    if finished.status.success() {
        return Ok(finished.output);
    }
    Err(Failure::new(format!("{name} failed ({}):\n{}", finished.status, finished.output)))
}
