//! The worker's own settings: `defaults.toml` says what each means.

use std::time::Duration;

use runtime::Common;
use serde::Deserialize;

use crate::clock::AHEAD_MIN;
use crate::window::Ticks;

/// Common settings and the worker's own.
pub(crate) type Settings = runtime::Settings<Own>;

/// The worker does not notice a smaller difference between the broker's clock and this machine's, so the grace may not be
/// shorter.
const GRACE_MIN_MS: u64 = AHEAD_MIN.num_milliseconds().unsigned_abs();
const GRACE_MAX_MS: u64 = 600_000;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Own {
    pub(crate) analytics_listen: String,
    pub(crate) analytics_schedule: String,
    pub(crate) analytics_grace_ms: u64,
    #[serde(flatten)]
    pub(crate) contracts: contracts::settings::Settings,
}

impl Own {
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(self.analytics_grace_ms)
    }

    /// The schedule, parsed.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub(crate) fn ticks(&self) -> Result<Ticks, String> {
        Ticks::parse(&self.analytics_schedule)
    }
}

impl runtime::settings::Own for Own {
    const DEFAULTS: &'static [&'static str] = &[include_str!("../defaults.toml"), contracts::DEFAULTS];

    fn check(&self, _common: &Common, faults: &mut Vec<String>) {
        if let Err(fault) = self.ticks() {
            faults.push(format!("TILL_ANALYTICS_SCHEDULE {fault}"));
        }
        if !(GRACE_MIN_MS..=GRACE_MAX_MS).contains(&self.analytics_grace_ms) {
            faults.push(format!("TILL_ANALYTICS_GRACE_MS must be between {GRACE_MIN_MS} and {GRACE_MAX_MS}"));
        }
        if !self.analytics_listen.contains(':') {
            faults.push("TILL_ANALYTICS_LISTEN must be host:port".to_owned());
        }
        self.contracts.check(faults);
    }
}
