//! nginx before a deployment, with the configuration of `./till up`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::places;
use crate::ports::free_port;
use crate::process::{Process, Spec};
use crate::till::Till;

/// How long nginx may take until it listens. Liveness only.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// Renders nginx's configuration into the folder `$1` by the functions of `./till`. Only the ports of replicas are the test's: the
/// n-th replica's is the n-th word of `COMMAND_API_PORTS` or `PROJECTOR_PORTS`.
const RENDER: &str = r#"
set -euo pipefail
for part in say settings render nginx; do
    source "$ROOT/infra/lib/$part.sh"
done
REPLICAS=$COUNT
port_of() {
    local ports=${COMMAND_API_PORTS}
    [[ $(service_of "$1") == command-api ]] || ports=${PROJECTOR_PORTS}
    cut -d ' ' -f "$(number_of "$1")" <<<"$ports"
}
render_nginx "$1"
mv "$1/till.conf.new" "$1/till.conf"
"#;

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
    /// Starts nginx before all of the deployment's replicas and waits until it listens.
    ///
    /// # Panics
    /// If it does not.
    pub async fn start(till: &Till) -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let prefix = till.scratch.path().join("nginx");
        std::fs::create_dir_all(&prefix).expect("the test's folder is ours");
        render(till, &prefix, ports);
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

/// Writes the configuration of nginx into `prefix`; it listens on `ports`: the front door's, the producer's and the consumer's.
fn render(till: &Till, prefix: &Path, ports: [u16; 3]) {
    let ports_of = |binary| {
        till.replicas(binary).map(|replica| replica.port().to_string()).collect::<Vec<_>>().join(" ")
    };
    let rendered = Command::new("bash")
        .args(["-c", RENDER, "render"])
        .arg(prefix)
        .env("ROOT", places::repository())
        .env("COUNT", till.replicas("command-api").count().to_string())
        .env("COMMAND_API_PORTS", ports_of("command-api"))
        .env("PROJECTOR_PORTS", ports_of("projector"))
        .env("TILL_PORT", ports[0].to_string())
        .env("TILL_RECEIPTS_PRODUCER_PORT", ports[1].to_string())
        .env("TILL_RECEIPTS_CONSUMER_PORT", ports[2].to_string())
        .output()
        .expect("bash runs");
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
}
