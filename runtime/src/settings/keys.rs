//! The settings that every service has.

use serde::Deserialize;

pub(super) const COMMON_DEFAULTS: &str = include_str!("../../common.toml");

/// Settings of every service: `common.toml` says what each means.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs, reason = "common.toml documents each key")]
pub struct Common {
    pub kafka_brokers: String,
    pub kafka_options: String,
    pub topic_prefix: String,
    pub partitions: i32,
    pub replication_factor: i32,
    pub schema_registry_url: String,
    pub shards: i32,
    pub demo: bool,
    pub log_format: LogFormat,
    pub log_filter: String,
    pub business_timezone: String,
    pub server_names: String,
    pub allowed_origins: String,
    pub shutdown_grace_ms: u64,
}

impl Common {
    #[cfg(test)]
    pub(crate) fn defaults() -> Self {
        toml::from_str(COMMON_DEFAULTS).expect("the defaults are complete")
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people, coloured on a terminal.
    Text,
    /// A JSON object a line, for programs.
    Json,
}
