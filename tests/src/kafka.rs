//! A real Kafka of one node, KRaft, from the jars of Apache Kafka.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::places;
use crate::ports::free_port;
use crate::process::{Process, Spec};

/// How long a broker may take to answer before the test gives up.
const UP_WITHIN: Duration = Duration::from_secs(120);
/// How long a broker may take to end when asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// A JVM option. A test's broker lives for a minute, too short for the optimizing compiler to earn back what it costs.
const WITHOUT_OPTIMIZING: &str = "-XX:TieredStopAtLevel=1";

/// A broker and its process.
pub struct Kafka {
    brokers: String,
    process: Mutex<Process>,
}

impl Kafka {
    /// Formats a log folder under `folder` and starts a broker on it, on free ports.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, Some(WITHOUT_OPTIMIZING))
    }

    /// Starts a broker in the JVM that `./till up` gives it, for measurements.
    #[must_use]
    pub fn start_as_till_up(folder: &Path) -> Self {
        Self::start_with(folder, None)
    }

    fn start_with(folder: &Path, jvm_option: Option<&str>) -> Self {
        let (port, controller) = (free_port(), free_port());
        let data = folder.join("kafka");
        fs::create_dir_all(&data).expect("the test's folder is ours");
        let properties = data.join("server.properties");
        fs::write(&properties, server_properties(&data, port, controller))
            .expect("the test's folder is ours");

        let cluster = "dGlsbC10ZXN0cy10aWxsLQ";
        let format = ["format", "--cluster-id", cluster, "--config"].map(OsString::from);
        let _ = java("kafka-format", "kafka.tools.StorageTool", folder, jvm_option)
            .with(format.into_iter().chain([properties.clone().into_os_string()]))
            .run(UP_WITHIN)
            .success("formatting Kafka's log folder");
        let process = Process::start(
            java("kafka", "kafka.Kafka", folder, jvm_option).with([properties.into_os_string()]),
        );
        Self { brokers: format!("127.0.0.1:{port}"), process: Mutex::new(process) }
    }

    /// The broker's address, as `host:port`.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Waits until the broker answers a request for metadata.
    ///
    /// # Panics
    /// The broker does not answer within two minutes, or has ended.
    pub async fn ready(&self) {
        let deadline = Instant::now() + UP_WITHIN;
        while !self.answers().await {
            self.check_alive(deadline);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether the broker answers.
    pub async fn answers(&self) -> bool {
        let brokers = self.brokers.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let client: BaseConsumer = client(&brokers).set("log_level", "0").create()?;
            client.fetch_metadata(None, Duration::from_secs(1)).map(drop)
        });
        asked.await.expect("asking does not panic").is_ok()
    }

    /// Kills the broker (`kill -9`), so that it tidies up nothing.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Asks the broker to end, and waits until it has.
    ///
    /// # Panics
    /// The broker does not end within a minute.
    pub fn stop(&self) {
        self.process().terminate(ENDS_WITHIN);
    }

    /// Starts the broker again after a kill, on the same data and port.
    pub fn restart(&self) {
        self.process().restart();
    }

    fn check_alive(&self, deadline: Instant) {
        let mut process = self.process();
        assert!(process.exited().is_none(), "Kafka ended by itself:\n{}", process.log_tail());
        assert!(Instant::now() < deadline, "Kafka does not answer:\n{}", process.log_tail());
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A client configuration for this broker.
#[must_use]
pub fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("broker.address.family", "v4");
    config
}

struct Java {
    spec: Spec,
    main: &'static str,
    jvm_option: Option<OsString>,
}

fn java(name: &str, main: &'static str, folder: &Path, jvm_option: Option<&str>) -> Java {
    Java {
        spec: Spec::new(name, Path::new("java"), folder),
        main,
        jvm_option: jvm_option.map(OsString::from),
    }
}

impl Java {
    fn with(self, args: impl IntoIterator<Item = OsString>) -> Spec {
        let mut class_path = places::kafka_libs().into_os_string();
        class_path.push("/*");
        let jvm = [places::kafka_jvm_options()].into_iter().chain(self.jvm_option);
        let mut log = OsString::from("-Dlog4j2.configurationFile=");
        log.push(places::repository().join("infra/kafka/log4j2.properties"));
        let args = jvm.chain([log, "-cp".into(), class_path, self.main.into()]).chain(args);
        self.spec.args(args)
    }
}

/// The settings of the local stack's broker, with this broker's ports and folder.
fn server_properties(data: &Path, port: u16, controller: u16) -> String {
    let template = places::repository().join("infra/kafka/server.properties.template");
    let template = fs::read_to_string(&template).unwrap_or_else(|e| panic!("{}: {e}", template.display()));
    let properties = template
        .replace("${TILL_KAFKA_PORT}", &port.to_string())
        .replace("${TILL_KAFKA_CONTROLLER_PORT}", &controller.to_string())
        .replace("${KAFKA_DATA}", &data.join("log").display().to_string());
    assert!(!properties.contains("${"), "a placeholder is left in Kafka's settings:\n{properties}");
    properties
}

/// The number of partitions that a topic has.
///
/// # Panics
/// The broker does not say.
pub async fn partitions(brokers: &str, topic: &str) -> usize {
    let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
    let ask = move || {
        let consumer: BaseConsumer = client(&brokers).create().expect("plain options");
        let metadata =
            consumer.fetch_metadata(Some(&topic), Duration::from_secs(10)).expect("the broker answers");
        metadata.topics()[0].partitions().len()
    };
    tokio::task::spawn_blocking(ask).await.expect("asking does not panic")
}
