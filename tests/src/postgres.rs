//! A real Postgres, from the server binaries of the distribution, on a folder of its own.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use crate::places;
use crate::ports::free_port;
use crate::postgres_proxy::PostgresProxy;
use crate::process::{Process, Spec};

/// How long the server may take to answer before the test gives up.
const UP_WITHIN: Duration = Duration::from_secs(120);

/// How long the server may take to end when asked to.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// The user that Postgres runs as where the tests run as root, as whom it refuses to run.
const SERVER_USER: &str = "postgres";

/// A server and its process.
pub struct Postgres {
    port: u16,
    process: Mutex<Process>,
}

impl Postgres {
    /// Makes a cluster under `folder`, whose owner is the role `till` without a password, and starts it on a free port.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        // fsync protects from a failure of the machine only: what a killed process has written is in the page cache.
        let settings =
            ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=200", "unix_socket_directories="];
        Self::start_with(folder, |port| {
            settings.map(OsString::from).into_iter().chain([setting("port", port)]).collect()
        })
    }

    /// Starts a server with the settings that `./till up` gives it, for measurements.
    #[must_use]
    pub fn start_as_till_up(folder: &Path) -> Self {
        Self::start_with(folder, |port| {
            let config = folder.join("postgresql.conf");
            fs::write(&config, till_up_settings(port)).expect("the folder is ours");
            vec![setting("config_file", config.display())]
        })
    }

    fn start_with(folder: &Path, settings: impl FnOnce(u16) -> Vec<OsString>) -> Self {
        let port = free_port();
        let home = folder.join("postgres");
        fs::create_dir_all(&home).expect("the test's folder is ours");
        let user = rustix::process::geteuid().is_root().then(|| SERVER_USER.to_owned());
        if user.is_some() {
            give_away(&home);
        }
        let data = home.join("data");
        let arguments =
            ["--no-sync", "--auth=trust", "--username=till", "--encoding=UTF8", "--no-locale", "-D"];
        let arguments = arguments.map(OsString::from).into_iter().chain([data.clone().into_os_string()]);
        let mut initdb =
            Spec::new("postgres-init", &places::postgres_bin().join("initdb"), folder).args(arguments);
        initdb.user.clone_from(&user);
        let _ = initdb.run(UP_WITHIN).success("initdb");

        let mut server = Spec::new("postgres", &places::postgres_bin().join("postgres"), folder);
        server.user = user;
        server.args = ["-D".into(), data.into_os_string()].into();
        server.args.extend(settings(port).into_iter().flat_map(|setting| ["-c".into(), setting]));
        Self { port, process: Mutex::new(Process::start(server)) }
    }

    /// The URL of one of the server's databases.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// Starts a proxy before the server, and gives it with the URL of a database through it.
    pub async fn proxy(&self, database: &str) -> (PostgresProxy, String) {
        let proxy = PostgresProxy::start(self.port).await;
        let url = url(proxy.port(), database);
        (proxy, url)
    }

    /// Waits until the server takes connections. It is started again where it has ended: after a `kill -9` the old
    /// backends may hold its shared memory for a moment, and a start then fails.
    ///
    /// # Panics
    /// The server takes no connection within two minutes.
    pub async fn ready(&self) {
        let deadline = Instant::now() + UP_WITHIN;
        while PgConnection::connect(&self.url("postgres")).await.is_err() {
            self.revive(deadline);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A connection to one of the server's databases.
    ///
    /// # Panics
    /// The server refuses the connection.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database))
            .await
            .unwrap_or_else(|e| panic!("cannot connect to {database}: {e}"))
    }

    /// Makes an empty database.
    ///
    /// # Panics
    /// There is a database of that name.
    pub async fn create_database(&self, name: &str) {
        let mut connection = self.connect("postgres").await;
        let statement = sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\""));
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap_or_else(|e| panic!("cannot create {name}: {e}"));
    }

    /// Kills the server (`kill -9`). Its backends notice and end by themselves.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Asks the server to end with its data in order, and waits until it has.
    ///
    /// # Panics
    /// The server does not end within a minute.
    pub fn stop(&self) {
        self.process().terminate(ENDS_WITHIN);
    }

    /// Starts the server again after a kill, on the same data and port.
    pub fn restart(&self) {
        self.process().restart();
    }

    fn revive(&self, deadline: Instant) {
        let mut process = self.process();
        assert!(Instant::now() < deadline, "Postgres does not answer:\n{}", process.log_tail());
        if process.exited().is_some() {
            process.restart();
        }
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn setting(name: &str, value: impl std::fmt::Display) -> OsString {
    format!("{name}={value}").into()
}

fn till_up_settings(port: u16) -> String {
    let template = places::repository().join("infra/postgres/postgresql.conf.template");
    let template = fs::read_to_string(&template).unwrap_or_else(|e| panic!("{}: {e}", template.display()));
    template.replace("${TILL_POSTGRES_PORT}", &port.to_string())
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://till@127.0.0.1:{port}/{database}")
}

/// Makes the server's user the owner of a folder.
fn give_away(folder: &Path) {
    let done = std::process::Command::new("chown").arg(SERVER_USER).arg(folder).status();
    assert!(
        done.is_ok_and(|s| s.success()),
        "there is no user {SERVER_USER}; install the package postgresql"
    );
}
