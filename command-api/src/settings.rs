//! The settings that command-api alone has. `defaults.toml` says what each means.

use std::net::IpAddr;

use ipnet::IpNet;
use runtime::Common;
use runtime::vault::{self, VaultSettings};
use serde::Deserialize;

#[derive(Clone, Deserialize)]
pub struct Own {
    pub command_api_listen: String,
    pub command_api_advertise: String,
    pub store_dir: std::path::PathBuf,
    pub store_cache_mib: u64,
    pub shard_queue: usize,
    pub shard_batch: usize,
    pub shard_pause_us: u64,
    pub answer_timeout_ms: u64,
    pub move_timeout_ms: u64,
    pub serving_timeout_ms: u64,
    pub jwt_secret: String,
    pub token_ttl_s: u64,
    pub refresh_ttl_s: u64,
    pub admin_username: String,
    pub admin_password: String,
    pub login_attempts: u32,
    pub login_lock_s: i64,
    pub trusted_proxies: String,
    pub require_zone: bool,
    pub currency: String,
    pub order_deadline_s: i64,
    pub forget_after_s: i64,
    #[serde(flatten)]
    pub vault: VaultSettings,
    #[serde(flatten)]
    pub contracts: contracts::settings::Settings,
}

pub type Settings = runtime::Settings<Own>;

impl runtime::settings::Own for Own {
    const DEFAULTS: &'static [&'static str] =
        &[include_str!("../defaults.toml"), vault::DEFAULTS, contracts::DEFAULTS];

    fn check(&self, common: &Common, faults: &mut Vec<String>) {
        let mut require = |holds: bool, fault: &str| {
            if !holds {
                faults.push(fault.to_owned());
            }
        };
        let zone = common.business_timezone.parse::<chrono_tz::Tz>();
        require(zone.is_ok(), "TILL_BUSINESS_TIMEZONE must be an IANA name such as Europe/Berlin");
        require(
            (1..=1_000_000).contains(&self.shard_queue),
            "TILL_SHARD_QUEUE must be between 1 and 1000000",
        );
        require((1..=10_000).contains(&self.shard_batch), "TILL_SHARD_BATCH must be between 1 and 10000");
        require(self.shard_pause_us <= 100_000, "TILL_SHARD_PAUSE_US must be at most 100000");
        require(
            (1..=60_000).contains(&self.answer_timeout_ms),
            "TILL_ANSWER_TIMEOUT_MS must be between 1 and 60000",
        );
        require(self.move_timeout_ms <= 60_000, "TILL_MOVE_TIMEOUT_MS must be at most 60000");
        require(
            (8..=16_384).contains(&self.store_cache_mib),
            "TILL_STORE_CACHE_MIB must be between 8 and 16384",
        );
        require(
            domain::names::username(&self.admin_username).is_ok(),
            "TILL_ADMIN_USERNAME must have 1 to 150 characters, none of them a space, an invisible one or '/'",
        );
        require(self.login_attempts > 0, "TILL_LOGIN_ATTEMPTS must be at least 1");
        require((1..=86_400).contains(&self.login_lock_s), "TILL_LOGIN_LOCK_S must be between 1 and 86400");
        require(
            networks(&self.trusted_proxies).is_some(),
            "TILL_TRUSTED_PROXIES must be addresses or networks such as 10.0.0.0/8, separated by commas",
        );
        let is_currency =
            self.currency.len() == 3 && self.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        require(is_currency, "TILL_CURRENCY must be three letters such as EUR");
        require(
            (1..=86_400).contains(&self.order_deadline_s),
            "TILL_ORDER_DEADLINE_S must be between 1 and 86400, a day",
        );
        require(
            (1..=604_800).contains(&self.forget_after_s),
            "TILL_FORGET_AFTER_S must be between 1 and 604800, a week",
        );
        require(
            (60..=2_592_000).contains(&self.token_ttl_s),
            "TILL_TOKEN_TTL_S must be between 60 and 2592000",
        );
        require(
            (self.token_ttl_s..=31_536_000).contains(&self.refresh_ttl_s),
            "TILL_REFRESH_TTL_S must be between TILL_TOKEN_TTL_S and 31536000, a year",
        );
        // Without an admin password no first admin is made, so there is nothing to check.
        if !common.demo && !self.admin_password.is_empty() {
            faults.extend(runtime::auth::password_fault(&self.admin_password, &self.admin_username));
        }
        faults.extend(runtime::auth::secret_fault(&self.jwt_secret, common.demo));
        self.vault.check(common, faults);
        self.contracts.check(faults);
    }
}

impl Own {
    /// The base URL that other replicas forward to.
    pub fn advertised_url(&self) -> String {
        if self.command_api_advertise.is_empty() {
            format!("http://{}", self.command_api_listen)
        } else {
            self.command_api_advertise.trim_end_matches('/').to_owned()
        }
    }
}

/// Reads addresses and networks, separated by commas; `None` where one of them cannot be read.
pub fn networks(text: &str) -> Option<Vec<IpNet>> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| name.parse().ok().or_else(|| name.parse::<IpAddr>().ok().map(IpNet::from))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_cannot_be_read_are_refused() {
        assert_eq!(networks(""), Some(Vec::new()));
        assert_eq!(networks("10.0.0.0/8,somewhere"), None);
        assert_eq!(networks("10.0.0.0/33"), None);
    }
}
