//! The broker and the database of a run, set up as `./till up` sets them up but on free ports and data of their own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use runtime::Common;
use runtime::kafka::{Cluster, Isolation, TopicSpec, ensure_topics};
use runtime::settings::LogFormat;
use sqlx::{Connection, PgConnection};
use till_tests::places;
use till_tests::ports::free_port;
use till_tests::process::{Process, Spec};

use super::control::block_on;
use crate::failure::{Explain, Failure, Result};

const UP_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// As many as `./till up` gives Till's topics.
pub const PARTITIONS: i32 = 4;
const POSTGRES_FOLDER: &str = "postgres";
/// Who runs Postgres where the caller is root, which Postgres refuses to be.
const POSTGRES_USER: &str = "postgres";

/// A running broker and database server. They end with this value.
pub struct Stack {
    /// `host:port` of the broker.
    pub brokers: String,
    /// Data and logs.
    pub folder: PathBuf,
    postgres_port: u16,
    kafka: Process,
    postgres: Process,
}

impl Stack {
    /// Starts both on an empty `folder`, which is removed first if it is there.
    ///
    /// # Errors
    /// When the folder cannot be used or one of them does not come up.
    pub fn start(folder: &Path) -> Result<Self> {
        clear(folder)?;
        let (kafka, brokers) = start_kafka(folder)?;
        let (postgres, postgres_port) = start_postgres(folder)?;
        let mut stack = Self { brokers, folder: folder.to_owned(), postgres_port, kafka, postgres };
        stack.wait_until_up()?;
        Ok(stack)
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let client = self.cluster().reader(Isolation::Committed).explain("making a Kafka client")?;
        let url = self.database_url("postgres");
        wait_for("Kafka", &mut self.kafka, || client.fetch_metadata(None, Duration::from_secs(1)).is_ok())?;
        wait_for("Postgres", &mut self.postgres, || block_on(PgConnection::connect(&url)).is_ok())
    }

    /// The broker as the services' clients are told of it.
    pub fn cluster(&self) -> Cluster {
        Cluster::new(&Common {
            kafka_brokers: self.brokers.clone(),
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

    /// Makes a topic that is written without a service: stamped and kept as the receipts topic is.
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
            // A partition just made may not have its leader yet, which the check meets as an error.
            match block_on(ensure_topics(&self.cluster(), std::slice::from_ref(&topic))) {
                Err(error) if Instant::now() > deadline => return Err(error).explain("making a topic"),
                Err(_) => std::thread::sleep(Duration::from_millis(100)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// The URL of one of the server's databases.
    pub fn database_url(&self, database: &str) -> String {
        format!("postgres://till@127.0.0.1:{}/{database}", self.postgres_port)
    }

    /// A folder the database server may write to and this process may read.
    pub fn postgres_folder(&self) -> PathBuf {
        self.folder.join(POSTGRES_FOLDER)
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// Those of Postgres.
    pub fn create_database(&self, name: &str) -> Result<()> {
        let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        block_on(async {
            let mut connection = PgConnection::connect(&self.database_url("postgres")).await?;
            sqlx::query(statement).execute(&mut connection).await.map(drop)
        })
        .explain(format!("making the database {name}"))
    }

    /// Ends both, the database in order, and removes their data.
    ///
    /// # Errors
    /// When the folder cannot be removed.
    pub fn stop(mut self) -> Result<()> {
        self.postgres.terminate(ENDS_WITHIN);
        self.kafka.terminate(ENDS_WITHIN);
        fs::remove_dir_all(&self.folder).explain(format!("removing {}", self.folder.display()))
    }
}

/// Only a folder of an earlier run is removed: one that is not ours is left alone.
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
    // Postgres' user passes through it.
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).explain("opening the folder")?;
    fs::write(&mark, "").explain("marking the folder")
}

fn start_kafka(folder: &Path) -> Result<(Process, String)> {
    let (port, controller) = (free_port(), free_port());
    let data = folder.join("kafka");
    let properties = folder.join("server.properties");
    let template = places::repository().join("infra/kafka/server.properties.template");
    let text = fs::read_to_string(&template)
        .explain(format!("reading {}", template.display()))?
        .replace("${TILL_KAFKA_PORT}", &port.to_string())
        .replace("${TILL_KAFKA_CONTROLLER_PORT}", &controller.to_string())
        .replace("${KAFKA_DATA}", &data.display().to_string());
    fs::write(&properties, text).explain("writing Kafka's properties")?;

    // Any 16 bytes in base64: this cluster meets no other.
    let format = ["format", "--cluster-id", "dGlsbC1iZW5jaC10aWxsLQ", "--config"];
    run(java("kafka-format", "kafka.tools.StorageTool", folder, &format, &properties), UP_WITHIN)?;
    let broker = java("kafka", "kafka.Kafka", folder, &[], &properties);
    Ok((Process::start(broker), format!("127.0.0.1:{port}")))
}

/// A class of Kafka's, in the JVM that `./till up` gives the broker.
fn java(name: &str, class: &str, folder: &Path, args: &[&str], properties: &Path) -> Spec {
    let mut class_path = places::kafka_libs().into_os_string();
    class_path.push("/*");
    let mut logging = OsString::from("-Dlog4j2.configurationFile=");
    logging.push(places::repository().join("infra/kafka/log4j2.properties"));
    let jvm = [places::kafka_jvm_options(), "-cp".into()];
    let args = args.iter().map(OsString::from).chain([properties.as_os_str().to_owned()]);
    Spec::new(name, Path::new("java"), folder)
        .args(jvm.into_iter().chain([class_path, logging, class.into()]).chain(args))
}

fn start_postgres(folder: &Path) -> Result<(Process, u16)> {
    let port = free_port();
    let home = folder.join(POSTGRES_FOLDER);
    fs::create_dir_all(&home).explain("making Postgres' folder")?;
    let user = is_root(folder)?.then(|| POSTGRES_USER.to_owned());
    if let Some(user) = &user {
        chown(&home, Some(user_id(user)?), None).explain("handing Postgres its folder")?;
    }
    let data = home.join("data");
    let mut initdb = Spec::new("postgres-init", &places::postgres_bin().join("initdb"), folder).args(
        ["--username=till", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"]
            .map(OsString::from)
            .into_iter()
            .chain([data.clone().into_os_string()]),
    );
    initdb.user.clone_from(&user);
    run(initdb, UP_WITHIN)?;

    let template = places::repository().join("infra/postgres/postgresql.conf.template");
    let settings = fs::read_to_string(&template)
        .explain(format!("reading {}", template.display()))?
        .replace("${TILL_POSTGRES_PORT}", &port.to_string());
    let config = folder.join("postgresql.conf");
    fs::write(&config, settings).explain("writing Postgres' settings")?;
    let mut config_setting = OsString::from("config_file=");
    config_setting.push(&config);
    let mut server = Spec::new("postgres", &places::postgres_bin().join("postgres"), folder).args([
        "-D".into(),
        data.into_os_string(),
        "-c".into(),
        config_setting,
    ]);
    server.user = user;
    Ok((Process::start(server), port))
}

/// Runs a program to its end; what it printed.
///
/// # Errors
/// When it failed, with what it printed.
pub fn run(spec: Spec, limit: Duration) -> Result<String> {
    let name = spec.name.clone();
    let finished = spec.run(limit);
    if finished.status.success() {
        return Ok(finished.output);
    }
    Err(Failure::new(format!("{name} failed ({}):\n{}", finished.status, finished.output)))
}

fn is_root(own_folder: &Path) -> Result<bool> {
    fs::metadata(own_folder).map(|metadata| metadata.uid() == 0).explain("reading the folder's owner")
}

fn user_id(user: &str) -> Result<u32> {
    let output =
        Command::new("id").args(["-u", user]).stderr(Stdio::null()).output().explain("running id")?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| {
        Failure::new(format!(
            "there is no user {user} to run Postgres as: install Debian's package postgresql"
        ))
    })
}

fn wait_for(name: &str, process: &mut Process, mut up: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + UP_WITHIN;
    while !up() {
        if process.exited().is_some() || Instant::now() > deadline {
            return Err(Failure::new(format!("{name} did not come up:\n{}", process.log_tail())));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
