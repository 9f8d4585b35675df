//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{Common, LogFormat};

/// Begins to log as the settings say. Once a process.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(common: &Common) -> Result<(), String> {
    let filter = filter(common).ok_or("TILL_LOG_FILTER cannot be read")?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match common.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}

/// What is logged; `None` where the setting cannot be read.
pub(crate) fn filter(common: &Common) -> Option<Targets> {
    common.log_filter.parse().ok()
}
