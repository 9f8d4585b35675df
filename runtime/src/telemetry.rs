//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{Common, LogFormat};

/// Begins to log as the settings say. Once a process.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(common: &Common) -> Result<(), String> {
    let filter = filter(common).ok_or("TILL_LOG_FILTER cannot be read")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match common.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}

/// What is logged; `None` where the setting cannot be read.
pub(crate) fn filter(common: &Common) -> Option<EnvFilter> {
    EnvFilter::try_new(&common.log_filter).ok()
}
