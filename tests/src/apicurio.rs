//! A real schema registry: Apicurio, in memory, with Confluent's REST API.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::places;
use crate::ports::free_port;
use crate::process::{Process, Spec};

/// How long the registry may take to start before the test gives up.
const UP_WITHIN: Duration = Duration::from_secs(120);
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// A registry that runs, or that can be started.
pub struct Apicurio {
    spec: Spec,
    port: u16,
    https_port: u16,
    /// The certificate that the registry shows. No authority has signed it.
    pub certificate: PathBuf,
    process: Option<Process>,
}

impl Apicurio {
    /// A registry that is not started yet. `None` where Apicurio cannot be had: the test is then skipped, and says so
    /// past the capture of what tests print.
    #[must_use]
    pub fn prepare(test: &str, folder: &Path) -> Option<Self> {
        let Some((java, home)) = places::java_21().zip(places::apicurio()) else {
            let line = format!("SKIPPED: {test}: no Apicurio here; ./till test fetches it and Java 21\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        };
        let (port, https_port, management) = (free_port(), free_port(), free_port());
        let (certificate, key) = certify(folder);
        let jvm = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar"].map(OsString::from);
        let args = jvm.into_iter().chain([home.join("quarkus-run.jar").into_os_string()]);
        let mut spec = Spec::new("apicurio", &java, folder).args(args);
        for (key, value) in [
            ("QUARKUS_HTTP_HOST", "127.0.0.1".to_owned()),
            ("QUARKUS_HTTP_PORT", port.to_string()),
            ("QUARKUS_HTTP_SSL_PORT", https_port.to_string()),
            ("QUARKUS_HTTP_SSL_CERTIFICATE_FILES", certificate.display().to_string()),
            ("QUARKUS_HTTP_SSL_CERTIFICATE_KEY_FILES", key.display().to_string()),
            ("QUARKUS_MANAGEMENT_HOST", "127.0.0.1".to_owned()),
            ("QUARKUS_MANAGEMENT_PORT", management.to_string()),
        ] {
            spec.env.insert(key.to_owned(), value);
        }
        Some(Self { spec, port, https_port, certificate, process: None })
    }

    /// The base URL of the registry's API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// The base URL of the registry's API over HTTPS.
    #[must_use]
    pub fn https_url(&self) -> String {
        format!("https://127.0.0.1:{}/apis/ccompat/v7", self.https_port)
    }

    /// A client of the registry's API.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url(), &self.url())
    }

    /// Starts the registry, and waits until it answers.
    ///
    /// # Panics
    /// The registry does not answer within two minutes, or has ended.
    pub async fn start_ready(&mut self) {
        let client = self.client();
        let process = self.process.insert(Process::start(self.spec.clone()));
        let deadline = Instant::now() + UP_WITHIN;
        while !client.try_get("/subjects").await.is_ok_and(|answer| answer.status == 200) {
            assert!(process.exited().is_none(), "Apicurio ended by itself:\n{}", process.log_tail());
            assert!(Instant::now() < deadline, "Apicurio does not answer:\n{}", process.log_tail());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Registers a schema that is none of Till's.
    ///
    /// # Panics
    /// The registry refuses the schema.
    pub async fn register(&self, subject: &str, schema: &Value) {
        let body = json!({ "schema": schema.to_string() });
        let _ = self.client().post(&format!("/subjects/{subject}/versions"), &body).await.expect(200);
    }

    /// Ends the registry, and with it all that it held.
    ///
    /// # Panics
    /// The registry does not run, or does not end in time.
    pub fn terminate(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let _ = process.terminate(ENDS_WITHIN);
    }
}

/// A key and a certificate for the loopback address, signed with the key itself.
fn certify(folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("registry.crt"), folder.join("registry.key"));
    let args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=registry";
    let args = args.split(' ').chain(["-addext", "subjectAltName=IP:127.0.0.1"]).map(OsString::from);
    let files = ["-out".into(), certificate.clone().into(), "-keyout".into(), key.clone().into()];
    let openssl = Spec::new("openssl", Path::new("openssl"), folder).args(args.chain(files));
    let _ = openssl.run(ENDS_WITHIN).success("openssl req");
    (certificate, key)
}
