//! A whole deployment of Till for one test. It has its own topics and database, and its services are processes.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::kafka_proxy::KafkaProxy;
use crate::log::Log;
use crate::places;
use crate::ports::free_port;
use crate::process::{self, Process, Spec};
use crate::scratch::Scratch;
use crate::servers::Servers;

/// How long a service may take to serve before the test gives up.
pub const READY_WITHIN: Duration = Duration::from_secs(120);

/// How long a service may take to end when asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// For how long an access token is good: longer than any test lasts, on whatever machine.
const LOGGED_IN_S: u32 = 6 * 60 * 60;

/// The schedule of the worker's windows in tests: each lasts ten seconds.
const SCHEDULE: &str = "*/10 * * * * *";

/// Secrets of a deployment that is no demo.
const OWN_SECRETS: [(&str, &str); 3] = [
    ("TILL_JWT_SECRET", "a secret of one's own, long enough for HS256"),
    ("TILL_MASTER_KEYS", "1:f731d0f9dc64fb478befc17966f50ceaf8c6094bc07129f26caabba627e72ed8"),
    ("TILL_INDEX_KEY", "106ecbeaa646de55f257d194f5993c3d5c8e3905bc771ce222df5caaeb4fe4a7"),
];

/// A deployment. Its services end with this value; its servers may be shared.
pub struct Till {
    /// The first command-api, to which clients of the deployment write.
    pub command_api: Service,
    /// The first projector, from which clients of the deployment read.
    pub projector: Service,
    /// The first hourly worker, whose windows are ten seconds long.
    pub analytics: Service,
    /// Further replicas of the three, which start with them.
    pub further: Vec<Service>,
    /// The Kafka and the Postgres that it runs on, which it may share with other tests.
    pub servers: Arc<Servers>,
    /// The folder of the test's logs and stores.
    pub scratch: Scratch,
    /// The prefix of its topics, which is also the name of its database.
    pub prefix: String,
}

impl Till {
    /// A deployment on the servers that the run's tests share. No service is started yet.
    pub async fn prepare(name: &str) -> Self {
        Self::on(name, Servers::shared().await).await
    }

    /// A deployment on servers of its own, which the test may kill.
    pub async fn prepare_alone(name: &str) -> Self {
        Self::on(name, Arc::new(Servers::start(&format!("{name}-servers")).await)).await
    }

    /// A deployment whose services all serve.
    pub async fn start(name: &str) -> Self {
        let mut till = Self::prepare(name).await;
        till.start_all().await;
        till
    }

    async fn on(name: &str, servers: Arc<Servers>) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let prefix = format!("t{}-{name}", COUNT.fetch_add(1, Ordering::Relaxed));
        servers.postgres.create_database(&prefix).await;
        let scratch = Scratch::new(name);
        let service = |binary, listen| Service::new(binary, binary, listen, scratch.path());
        let mut command_api = service("command-api", "TILL_COMMAND_API_LISTEN");
        let mut projector = service("projector", "TILL_PROJECTOR_LISTEN");
        let mut analytics = service("analytics-worker", "TILL_ANALYTICS_LISTEN");
        for service in [&mut command_api, &mut projector, &mut analytics] {
            service.set("TILL_KAFKA_BROKERS", servers.kafka.brokers());
            service.set("TILL_TOPIC_PREFIX", &prefix);
            service.set("TILL_PARTITIONS", "4");
            service.set("TILL_DEMO", "true");
        }
        set_up_command_api(&mut command_api, scratch.path());
        command_api.set("TILL_TOKEN_TTL_S", &LOGGED_IN_S.to_string());
        projector.set("TILL_DATABASE_URL", &servers.postgres.url(&prefix));
        analytics.set("TILL_ANALYTICS_SCHEDULE", SCHEDULE);
        Self { command_api, projector, analytics, further: Vec::new(), servers, scratch, prefix }
    }

    /// Adds replicas, without starting them, until there are `count` of each service. They get the settings that the
    /// first one has now.
    pub fn replicate(&mut self, count: usize) {
        for number in self.replicas("command-api").count() + 1..=count {
            let further = [
                self.another_command_api(&format!("command-api-{number}")),
                self.another_projector(&format!("projector-{number}")),
                self.another_analytics(&format!("analytics-worker-{number}")),
            ];
            self.further.extend(further);
        }
    }

    /// The replicas of the service whose binary has this name. The first one comes first.
    pub fn replicas<'a>(&'a self, binary: &'a str) -> impl Iterator<Item = &'a Service> {
        let all = [&self.command_api, &self.projector, &self.analytics].into_iter().chain(&self.further);
        all.filter(move |service| service.binary() == binary)
    }

    /// The same replicas, to stop and start them.
    pub fn replicas_mut<'a>(&'a mut self, binary: &'a str) -> impl Iterator<Item = &'a mut Service> {
        self.services().filter(move |service| service.binary() == binary)
    }

    /// The base URLs of a service's replicas.
    #[must_use]
    pub fn urls(&self, binary: &str) -> Vec<String> {
        self.replicas(binary).map(Service::url).collect()
    }

    fn services(&mut self) -> impl Iterator<Item = &mut Service> {
        [&mut self.command_api, &mut self.projector, &mut self.analytics].into_iter().chain(&mut self.further)
    }

    /// Starts all services and waits until they serve.
    pub async fn start_all(&mut self) {
        let _ = self.projector.run("migrate", &[]).success("projector migrate");
        for service in self.services() {
            service.start();
        }
        self.all_ready().await;
    }

    /// Waits until all services serve.
    pub async fn all_ready(&mut self) {
        for service in self.services() {
            service.ready().await;
        }
    }

    /// One more command-api of this deployment, with a store of its own. It is not started.
    #[must_use]
    pub fn another_command_api(&self, name: &str) -> Service {
        let mut service = self.another(name, &self.command_api, "command-api", "TILL_COMMAND_API_LISTEN");
        set_up_command_api(&mut service, self.scratch.path());
        service
    }

    /// One more projector of this deployment. It is not started.
    #[must_use]
    pub fn another_projector(&self, name: &str) -> Service {
        self.another(name, &self.projector, "projector", "TILL_PROJECTOR_LISTEN")
    }

    /// One more worker of this deployment. It is not started.
    #[must_use]
    pub fn another_analytics(&self, name: &str) -> Service {
        self.another(name, &self.analytics, "analytics-worker", "TILL_ANALYTICS_LISTEN")
    }

    fn another(&self, name: &str, of: &Service, binary: &str, listen: &str) -> Service {
        let mut service = Service::new(name, binary, listen, self.scratch.path());
        let mut env = of.process_env();
        env.remove(listen);
        for (key, value) in env {
            service.set(&key, &value);
        }
        service
    }

    /// Starts a proxy before the deployment's broker. Services that are set to it are delayed, held back and cut as the
    /// test says.
    #[must_use]
    pub fn kafka_proxy(&self) -> KafkaProxy {
        KafkaProxy::start(self.servers.kafka.brokers())
    }

    /// One of the deployment's topics: `receipts`, `accounts`, `analytics` or `shards`.
    #[must_use]
    pub fn topic(&self, noun: &str) -> Log {
        Log::new(self.servers.kafka.brokers(), &format!("{}.{noun}", self.prefix))
    }

    /// A client that is not logged in.
    #[must_use]
    pub fn anyone(&self) -> Client {
        Client::new(&self.command_api.url(), &self.projector.url())
    }

    /// A client that is logged in as the demo's admin.
    pub async fn admin(&self) -> Client {
        self.anyone().login("admin", "admin").await
    }

    /// A client that is logged in as the demo's analyst.
    pub async fn analyst(&self) -> Client {
        self.anyone().login("analyst", "analyst").await
    }

    /// A client that is logged in as the demo's terminal, which may send any place's receipts.
    pub async fn terminal(&self) -> Client {
        self.anyone().login("terminal", "terminal").await
    }
}

fn set_up_command_api(service: &mut Service, folder: &Path) {
    let store = folder.join(format!("{}-store", service.name()));
    service.set("TILL_STORE_DIR", &store.display().to_string());
    let url = service.url();
    service.set("TILL_COMMAND_API_ADVERTISE", &url);
}

/// A service: its process, and the port that it listens on.
pub struct Service {
    spec: Spec,
    process: Option<Process>,
    port: u16,
}

impl Service {
    /// A service that runs `BINARY serve`. It listens on a free port, which the setting `listen` tells it.
    #[must_use]
    pub fn new(name: &str, binary: &str, listen: &str, folder: &Path) -> Self {
        let port = free_port();
        let mut spec = Spec::new(name, &places::binary(binary), folder).args(["serve"]);
        spec.env.insert(listen.to_owned(), format!("127.0.0.1:{port}"));
        Self { spec, process: None, port }
    }

    /// The name of this replica, which is also that of its log's file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The name of its binary, which all replicas of a service share.
    fn binary(&self) -> &str {
        self.spec.program.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The service's base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Gives the service another program, with the same settings, from the next start on. Returns the former one.
    pub fn replace_program(&mut self, program: &Path) -> PathBuf {
        std::mem::replace(&mut self.spec.program, program.to_owned())
    }

    /// Gives a setting a value, from the next start on.
    pub fn set(&mut self, key: &str, value: &str) {
        self.spec.env.insert(key.to_owned(), value.to_owned());
    }

    /// Gives the secrets values that are refused nowhere, from the next start on.
    pub fn set_own_secrets(&mut self) {
        for (key, value) in OWN_SECRETS {
            self.set(key, value);
        }
    }

    /// Leaves a setting at its default, from the next start on.
    pub fn unset(&mut self, key: &str) {
        self.spec.env.remove(key);
    }

    /// The value that a setting was given; `None` where it has its default.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.spec.env.get(key).map(String::as_str)
    }

    /// The id of the service's process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// The most memory that the process has ever had resident, in MiB.
    ///
    /// # Panics
    /// The service does not run.
    #[must_use]
    pub fn peak_mib(&self) -> u64 {
        let process = self.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
        kib.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") / 1024
    }

    fn process_env(&self) -> std::collections::BTreeMap<String, String> {
        self.spec.env.clone()
    }

    /// Starts the service.
    ///
    /// # Panics
    /// The service runs.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} was started already", self.name());
        process::note(&self.spec.log, "start");
        self.process = Some(Process::start(self.spec.clone()));
    }

    /// Waits until the service serves.
    ///
    /// # Panics
    /// The service ends, or does not serve within two minutes.
    pub async fn ready(&mut self) {
        let deadline = Instant::now() + READY_WITHIN;
        let client = Client::new(&self.url(), &self.url()).with_timeout(Duration::from_secs(5));
        loop {
            let answer = client.try_get("/readyz").await;
            if answer.as_ref().is_ok_and(|a| a.status == 200) {
                return;
            }
            let name = self.name().to_owned();
            let process = self.process.as_mut().unwrap_or_else(|| panic!("{name} was not started"));
            assert!(process.exited().is_none(), "{name} ended:\n{}", process.log_tail());
            let said = answer.map_or_else(|e| e.to_string(), |a| a.text);
            assert!(Instant::now() < deadline, "{name} does not serve: {said}\n{}", process.log_tail());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether the service serves at this moment.
    pub async fn is_ready(&self) -> bool {
        let client = Client::new(&self.url(), &self.url()).with_timeout(Duration::from_secs(5));
        client.try_get("/readyz").await.is_ok_and(|a| a.status == 200)
    }

    /// Starts the service, and waits until it serves.
    pub async fn start_ready(&mut self) {
        self.start();
        self.ready().await;
    }

    /// Kills the service (`kill -9`), even where it is stopped.
    pub fn kill(&mut self) {
        process::note(&self.spec.log, "kill -9");
        self.process = None;
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(|process| process.exited().is_some())
    }

    /// Waits `limit` at most for the process to end by itself.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.wait(limit))
    }

    /// Asks the service to end (SIGTERM), and waits until it has.
    ///
    /// # Panics
    /// The service does not run, or does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        process::note(&self.spec.log, "SIGTERM");
        let mut process = self.process.take().unwrap_or_else(|| panic!("{} does not run", self.spec.name));
        process.terminate(ENDS_WITHIN)
    }

    /// Stops the process where it is (SIGSTOP).
    ///
    /// # Panics
    /// The service does not run.
    pub fn pause(&self) {
        process::note(&self.spec.log, "SIGSTOP");
        self.process.as_ref().expect("it runs").pause();
    }

    /// Lets a stopped process go on (SIGCONT).
    ///
    /// # Panics
    /// The service does not run.
    pub fn resume(&self) {
        process::note(&self.spec.log, "SIGCONT");
        self.process.as_ref().expect("it runs").resume();
    }

    /// All that the service has logged, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.spec.log)
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Another subcommand of the service's binary, with the service's settings, to be run in the background. It logs to
    /// `NAME-LABEL.log`.
    #[must_use]
    pub fn command(&self, label: &str, subcommand: &str, args: &[&str]) -> Spec {
        let mut spec = self.spec.clone();
        spec.name = format!("{}-{label}", self.name());
        spec.log = self.spec.log.with_file_name(format!("{}.log", spec.name));
        spec.args([subcommand].iter().chain(args).map(std::ffi::OsString::from))
    }

    /// Runs another subcommand of the service's binary, with the service's settings, to its end.
    #[must_use]
    pub fn run(&self, subcommand: &str, args: &[&str]) -> process::Finished {
        self.command(subcommand.trim_start_matches('-'), subcommand, args).run(READY_WITHIN)
    }
}
