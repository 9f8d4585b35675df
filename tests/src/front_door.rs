//! nginx before a deployment, with the configuration of `./till up`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::contracts;
use crate::places;
use crate::ports::free_port;
use crate::process::{Process, Spec};
use crate::till::{Service, Till};

/// How long nginx may take to listen before the test gives up.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// Renders nginx's configuration into the folder `$1`, by the functions of `./till`. Only the ports of replicas are the
/// test's: the n-th word of `COMMAND_API_PORTS` or `PROJECTOR_PORTS` is the n-th replica's port.
const RENDER: &str = r#"
set -euo pipefail
for part in say contracts settings render nginx; do
    source "$ROOT/infra/lib/$part.sh"
done
REPLICAS=$(wc -w <<<"$COMMAND_API_PORTS")
port_of() {
    local ports=${COMMAND_API_PORTS}
    [[ $(service_of "$1") == command-api ]] || ports=${PROJECTOR_PORTS}
    cut -d ' ' -f "$(number_of "$1")" <<<"$ports"
}
render_nginx "$1/conf"
"#;

/// A running nginx, and the URLs of its ports.
pub struct FrontDoor {
    /// The base URL of `/v1`.
    pub url: String,
    /// The base URLs of contracts' services, by contract and service.
    contracts: BTreeMap<(String, String), String>,
    nginx: Process,
}

impl FrontDoor {
    /// Starts nginx before all replicas of the deployment, and waits until it listens.
    ///
    /// # Panics
    /// nginx does not listen in time.
    pub async fn start(till: &Till) -> Self {
        let ports_of = |binary| till.replicas(binary).map(Service::port).collect::<Vec<_>>();
        Self::before(till.scratch.path(), &ports_of("command-api"), &ports_of("projector")).await
    }

    /// Starts nginx before whatever listens on these ports. There must be as many of command-api as of the projector.
    ///
    /// # Panics
    /// nginx does not listen in time.
    pub async fn before(folder: &Path, command_api: &[u16], projector: &[u16]) -> Self {
        let url_of = |port: u16| format!("http://127.0.0.1:{port}");
        let port = free_port();
        let contracts: Vec<_> =
            contracts::services().into_iter().map(|service| (service, free_port())).collect();
        let prefix = folder.join("nginx");
        std::fs::create_dir_all(&prefix).expect("the test's folder is ours");
        let settings = contracts.iter().map(|(service, port)| (service.port_setting.as_str(), *port));
        render(&prefix, settings.chain([("TILL_PORT", port)]), command_api, projector);
        let mut nginx = Process::start(Spec::new("nginx", &places::nginx(), folder).args([
            "-p".into(),
            prefix.into_os_string(),
            "-c".into(),
            "conf/nginx.conf".into(),
            "-e".into(),
            "stderr".into(),
            // nginx runs as one process, so that nothing outlives it when it is killed. It logs warnings, because that
            // a replica is taken out is only one.
            "-g".into(),
            "master_process off; error_log stderr warn;".into(),
        ]));
        let url = url_of(port);
        let by_name =
            |(service, port): (contracts::Service, u16)| ((service.contract, service.name), url_of(port));
        let contracts = contracts.into_iter().map(by_name).collect();
        let deadline = Instant::now() + UP_WITHIN;
        while reqwest::get(format!("{url}/healthz")).await.is_err() {
            let tail = nginx.log_tail();
            assert!(nginx.exited().is_none(), "nginx ended:\n{tail}");
            assert!(Instant::now() < deadline, "nginx does not listen:\n{tail}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { url, contracts, nginx }
    }

    /// The base URL of a service of a contract.
    ///
    /// # Panics
    /// There is no such service.
    #[must_use]
    pub fn contract(&self, contract: &str, service: &str) -> &String {
        let url = self.contracts.get(&(contract.to_owned(), service.to_owned()));
        url.unwrap_or_else(|| panic!("the contract {contract} has no service {service}"))
    }

    /// What nginx has logged: its warnings and errors, and every answer that was not a 2xx.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.nginx.spec().log).unwrap_or_default()
    }
}

/// Writes the configuration of nginx into `prefix`. nginx then listens on the ports of these settings.
fn render<'s>(
    prefix: &Path,
    ports: impl Iterator<Item = (&'s str, u16)>,
    command_api: &[u16],
    projector: &[u16],
) {
    let words = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" ");
    let rendered = Command::new("bash")
        .args(["-c", RENDER, "render"])
        .arg(prefix)
        .env("ROOT", places::repository())
        .env("COMMAND_API_PORTS", words(command_api))
        .env("PROJECTOR_PORTS", words(projector))
        .envs(ports.map(|(setting, port)| (setting, port.to_string())))
        .output()
        .expect("bash runs");
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
}
