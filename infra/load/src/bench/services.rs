//! Till's services on the run's stack, from the release binaries beside this one.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use till_tests::ports::free_port;
use till_tests::process::{Process, Spec};

use super::control;
use super::stack::{self, Stack};
use crate::failure::{Explain, Failure, Result};

/// How long a service may take to serve, at most: long enough for a replay of millions of receipts.
const READY_WITHIN: Duration = Duration::from_secs(600);
const TOPICS_WITHIN: Duration = Duration::from_secs(60);
const ENDS_WITHIN: Duration = Duration::from_secs(60);
/// How often a service is asked whether it serves: often enough to time its start to a few milliseconds, and seldom
/// enough not to disturb it.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// The schedule of the worker's windows. They are short, so that the worker closes a log soon after it was written.
const WINDOWS: &str = "*/10 * * * * *";

/// The settings of a deployment: it has topics and a database of its own on the shared stack.
pub struct Deployment {
    /// The prefix of its topics, which is also the name of its database.
    pub prefix: String,
    folder: PathBuf,
    env: BTreeMap<String, String>,
    /// The folder of the services' binaries; `None` where they lie beside this one.
    binaries: Option<PathBuf>,
}

/// A running service, which is ended when this value is dropped.
pub struct Service {
    /// The address it listens on.
    pub address: SocketAddr,
    /// The name of its binary.
    pub name: &'static str,
    process: Process,
}

/// Memory of a process, in MB (10^6 bytes).
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The most that was ever resident (VmHWM).
    pub peak_mb: f64,
    /// Anonymous memory resident at this moment (RssAnon).
    pub anonymous_mb: f64,
}

impl Deployment {
    /// A deployment with an empty database; `settings` are `TILL_*` beyond the defaults, as NAME=VALUE.
    ///
    /// # Errors
    /// When the database or folder cannot be made.
    pub fn new(stack: &Stack, prefix: &str, settings: &[(String, String)]) -> Result<Self> {
        stack.create_database(prefix);
        let folder = stack.folder.join(prefix);
        fs::create_dir_all(&folder).explain(format!("making {}", folder.display()))?;
        let mut env = BTreeMap::from([
            ("TILL_ANALYTICS_SCHEDULE".to_owned(), WINDOWS.to_owned()),
            ("TILL_PARTITIONS".to_owned(), stack::PARTITIONS.to_string()),
        ]);
        env.extend(settings.iter().cloned());
        env.insert("TILL_KAFKA_BROKERS".to_owned(), stack.brokers().to_owned());
        env.insert("TILL_TOPIC_PREFIX".to_owned(), prefix.to_owned());
        env.insert("TILL_DATABASE_URL".to_owned(), stack.database_url(prefix));
        env.insert("TILL_DEMO".to_owned(), "true".to_owned());
        Ok(Self { prefix: prefix.to_owned(), folder, env, binaries: None })
    }

    /// The same deployment with the binaries of this folder.
    pub fn with_binaries(self, folder: &Path) -> Self {
        Self { binaries: Some(folder.to_owned()), ..self }
    }

    /// The same topics and settings with another, empty database.
    ///
    /// # Errors
    /// When the database cannot be made.
    pub fn with_fresh_database(&self, stack: &Stack, name: &str) -> Result<Self> {
        stack.create_database(name);
        let mut env = self.env.clone();
        env.insert("TILL_DATABASE_URL".to_owned(), stack.database_url(name));
        let binaries = self.binaries.clone();
        Ok(Self { prefix: self.prefix.clone(), folder: self.folder.clone(), env, binaries })
    }

    /// Runs a subcommand to its end and gives back what it printed and how long it took.
    ///
    /// # Errors
    /// When the binary is not built or fails.
    pub fn run(&self, binary: &str, args: &[&str]) -> Result<(String, Duration)> {
        let spec = self.spec(binary, &format!("{binary}-{}", args.join("-")), args)?;
        let start = Instant::now();
        let output = stack::run(spec, READY_WITHIN)?;
        Ok((output, start.elapsed()))
    }

    /// Makes the topics that the deployment needs.
    ///
    /// # Errors
    /// When they cannot be made within a minute.
    pub fn create_topics(&self) -> Result<()> {
        let deadline = Instant::now() + TOPICS_WITHIN;
        loop {
            // A partition that was just made may have no leader yet. The check of all topics then fails, and is
            // repeated.
            match self.run("command-api", &["create-topics"]) {
                Err(failure) if Instant::now() > deadline => return Err(failure),
                Err(_) => std::thread::sleep(Duration::from_millis(500)),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Runs a subcommand to its end, and gives the most memory that it had.
    ///
    /// # Errors
    /// When the binary is not built or fails.
    pub fn peak_of(&self, binary: &str, args: &[&str]) -> Result<Memory> {
        let mut process = Process::start(self.spec(binary, &format!("{binary}-{}", args.join("-")), args)?);
        let mut most = Memory { peak_mb: f64::NAN, anonymous_mb: f64::NAN };
        loop {
            if let Some(Ok(memory)) = process.id().map(memory_of) {
                // `max` drops the NaN that an ended process leaves.
                most.peak_mb = most.peak_mb.max(memory.peak_mb);
                most.anonymous_mb = most.anonymous_mb.max(memory.anonymous_mb);
            }
            match process.exited() {
                None => std::thread::sleep(POLL_EVERY),
                Some(Some(status)) if status.success() => return Ok(most),
                Some(_) => {
                    let tail = process.log_tail();
                    return Err(Failure::new(format!("{binary} {} failed:\n{tail}", args.join(" "))));
                }
            }
        }
    }

    /// Starts a service with an empty store.
    ///
    /// # Errors
    /// When the binary is not built or an old store cannot be removed.
    pub fn start(&self, binary: &'static str) -> Result<Service> {
        self.start_as(binary, binary)
    }

    /// Does what [`Self::start`] does, for one of several replicas that have names of their own.
    ///
    /// # Errors
    /// The binary is not built, or an old store cannot be removed.
    pub fn start_as(&self, binary: &'static str, name: &str) -> Result<Service> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut spec = self.spec(binary, name, &["serve"])?;
        let store = self.folder.join(format!("{name}-store"));
        let listen = match binary {
            "command-api" => "TILL_COMMAND_API_LISTEN",
            "projector" => "TILL_PROJECTOR_LISTEN",
            _ => "TILL_ANALYTICS_LISTEN",
        };
        spec.env.insert(listen.to_owned(), address.to_string());
        if binary == "command-api" {
            if store.exists() {
                fs::remove_dir_all(&store).explain("removing the former store")?;
            }
            spec.env.insert("TILL_STORE_DIR".to_owned(), store.display().to_string());
            spec.env.insert("TILL_COMMAND_API_ADVERTISE".to_owned(), format!("http://{address}"));
        }
        Ok(Service { address, name: binary, process: Process::start(spec) })
    }

    fn spec(&self, binary: &str, log: &str, args: &[&str]) -> Result<Spec> {
        let program = match &self.binaries {
            Some(folder) => folder.join(binary),
            None => beside_this_binary(binary)?,
        };
        let mut spec = Spec::new(log, &program, &self.folder).args(args.iter().copied());
        spec.env = self.env.clone();
        Ok(spec)
    }
}

fn beside_this_binary(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().explain("finding this binary")?;
    let path = this.parent().unwrap_or(Path::new(".")).join(name);
    if path.exists() {
        return Ok(path);
    }
    Err(Failure::new(format!(
        "{} is missing: build it with `cargo build --release -p {name}`",
        path.display()
    )))
}

impl Service {
    /// Waits until the service serves, and gives how long that took from this call on.
    ///
    /// # Errors
    /// The service ends, or does not serve in time. The failure has the end of its log.
    pub fn ready(&mut self) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let answer = control::call(self.address, "GET", "/readyz", &[], "");
            if matches!(answer, Ok((200, _))) {
                return Ok(start.elapsed());
            }
            if self.process.exited().is_some() || start.elapsed() > READY_WITHIN {
                let said = answer
                    .map_or_else(|failure| failure.to_string(), |(status, text)| format!("{status} {text}"));
                return Err(Failure::new(format!(
                    "{} does not serve ({said}):\n{}",
                    self.name,
                    self.process.log_tail()
                )));
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    /// The service's memory, as the kernel counts it.
    ///
    /// # Errors
    /// The service does not run.
    pub fn memory(&self) -> Result<Memory> {
        let pid = self.process.id().ok_or_else(|| Failure::new(format!("{} does not run", self.name)))?;
        memory_of(pid)
    }

    /// Kills the service (`kill -9`), so that its shards move only when its session has ended.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Asks the service to end, and waits until it has.
    pub fn stop(mut self) {
        self.process.terminate(ENDS_WITHIN);
    }
}

fn memory_of(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).explain(format!("reading {path}"))?;
    Ok(Memory { peak_mb: megabytes(&status, "VmHWM:"), anonymous_mb: megabytes(&status, "RssAnon:") })
}

/// The value of a line such as `VmHWM:     1204 kB`, in MB. A kB of the kernel has 1,024 bytes.
fn megabytes(status: &str, label: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(label));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1_024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_megabytes() {
        let status = "Name:\tx\nVmHWM:\t  100000 kB\nRssAnon:\t     500 kB\n";
        assert!((megabytes(status, "VmHWM:") - 102.4).abs() < 1e-9);
        assert!((megabytes(status, "RssAnon:") - 0.512).abs() < 1e-9);
        assert!(megabytes(status, "VmPeak:").is_nan());
    }
}
