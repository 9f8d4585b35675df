//! nginx before a deployment, with the configuration of `./till up`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::places;
use crate::ports::free_port;
use crate::process::{Process, Spec};
use crate::till::Till;

/// How long nginx may take until it listens. Liveness only.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// A running nginx, and its ports.
pub struct FrontDoor {
    /// Base URL of `/v1`.
    pub url: String,
    /// Base URL of the receipts contract's producer.
    pub receipts_producer: String,
    /// Base URL of its consumer.
    pub receipts_consumer: String,
    _nginx: Process,
}

impl FrontDoor {
    /// Starts nginx before the deployment's services and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(till: &Till) -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let prefix = till.scratch.path().join("nginx");
        std::fs::create_dir_all(&prefix).expect("the test's folder is ours");
        let port = |url: String| url.rsplit(':').next().map(str::to_owned).expect("a URL with a port");
        let script = "set -euo pipefail; for part in say settings render nginx; do source \"$ROOT/infra/lib/$part.sh\"; done; render_nginx \"$1\"; mv \"$1/till.conf.new\" \"$1/till.conf\"";
        let rendered = Command::new("bash")
            .args(["-c", script, "render"])
            .arg(&prefix)
            .env("ROOT", places::repository())
            .env("TILL_PORT", ports[0].to_string())
            .env("TILL_RECEIPTS_PRODUCER_PORT", ports[1].to_string())
            .env("TILL_RECEIPTS_CONSUMER_PORT", ports[2].to_string())
            .env("TILL_COMMAND_API_PORT", port(till.command_api.url()))
            .env("TILL_PROJECTOR_PORT", port(till.projector.url()))
            .output()
            .expect("bash runs");
        assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
        let mut nginx = Process::start(Spec::new("nginx", &places::nginx(), till.scratch.path()).args([
            "-p".into(),
            prefix.into_os_string(),
            "-c".into(),
            "nginx.conf".into(),
            "-e".into(),
            "stderr".into(),
            // One process, so that nothing outlives it when it is killed.
            "-g".into(),
            "master_process off;".into(),
        ]));
        let [url, receipts_producer, receipts_consumer] =
            ports.map(|port| format!("http://127.0.0.1:{port}"));
        let deadline = Instant::now() + UP_WITHIN;
        while reqwest::get(format!("{url}/healthz")).await.is_err() {
            let tail = nginx.log_tail();
            assert!(nginx.exited().is_none(), "nginx ended:\n{tail}");
            assert!(Instant::now() < deadline, "nginx does not listen:\n{tail}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { url, receipts_producer, receipts_consumer, _nginx: nginx }
    }
}
