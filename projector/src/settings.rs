//! The projector's own settings; `defaults.toml` says what each means.

use chrono_tz::Tz;
use runtime::Common;
use runtime::settings::Own;
use runtime::vault::{self, VaultSettings};
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;

/// Settings that only the projector has.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "defaults.toml documents each key")]
pub struct ProjectorSettings {
    pub projector_listen: String,
    pub database_url: String,
    pub database_connections: u32,
    pub jwt_secret: String,
    pub batch_events: usize,
    pub batch_bytes: usize,
    pub read_timeout_ms: u64,
    pub waiting_reads: usize,
    pub waiting_reads_of_a_caller: usize,
    #[serde(flatten)]
    pub vault: VaultSettings,
    #[serde(flatten)]
    pub contracts: contracts::settings::Settings,
}

/// The settings of the process: its own and those of all services.
pub type Settings = runtime::Settings<ProjectorSettings>;

impl Own for ProjectorSettings {
    const DEFAULTS: &'static [&'static str] =
        &[include_str!("../defaults.toml"), vault::DEFAULTS, contracts::DEFAULTS];

    fn check(&self, common: &Common, faults: &mut Vec<String>) {
        self.check_without_secrets(common, faults);
        faults.extend(runtime::auth::secret_fault(&self.jwt_secret, common.demo));
        self.vault.check(common, faults);
    }
}

/// The settings of an operator's command. It answers no request, so it needs no secrets.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct OperatorSettings(ProjectorSettings);

impl Own for OperatorSettings {
    const DEFAULTS: &'static [&'static str] = ProjectorSettings::DEFAULTS;

    fn check(&self, common: &Common, faults: &mut Vec<String>) {
        self.0.check_without_secrets(common, faults);
    }
}

impl From<OperatorSettings> for ProjectorSettings {
    fn from(settings: OperatorSettings) -> Self {
        settings.0
    }
}

impl ProjectorSettings {
    fn check_without_secrets(&self, common: &Common, faults: &mut Vec<String>) {
        let mut require = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        require(self.projector_listen.contains(':'), "TILL_PROJECTOR_LISTEN must be host:port");
        // The fault does not quote the URL, which may hold a password.
        require(
            self.database_url.parse::<PgConnectOptions>().is_ok(),
            "TILL_DATABASE_URL must be postgres://user:password@host:port/database",
        );
        require(
            (2..=1000).contains(&self.database_connections),
            "TILL_DATABASE_CONNECTIONS must be between 2 and 1000",
        );
        require((1..=50_000).contains(&self.batch_events), "TILL_BATCH_EVENTS must be between 1 and 50000");
        require(
            (1..=16 << 20).contains(&self.batch_bytes),
            "TILL_BATCH_BYTES must be between 1 and 16777216",
        );
        require(
            (100..=600_000).contains(&self.read_timeout_ms),
            "TILL_READ_TIMEOUT_MS must be between 100 and 600000",
        );
        require(
            (1..=100_000).contains(&self.waiting_reads),
            "TILL_WAITING_READS must be between 1 and 100000",
        );
        require(
            (1..=self.waiting_reads).contains(&self.waiting_reads_of_a_caller),
            "TILL_WAITING_READS_OF_A_CALLER must be between 1 and TILL_WAITING_READS",
        );
        require(
            common.business_timezone.parse::<Tz>().is_ok(),
            "TILL_BUSINESS_TIMEZONE must be an IANA name such as Europe/Berlin",
        );
        self.contracts.check(faults);
    }
}
