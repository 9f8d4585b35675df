//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::settings::{Common, LogFormat};

/// Begins to log as the settings say. Once a process.
///
/// # Errors
/// When the filter cannot be parsed.
pub fn start(common: &Common) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(&common.log_filter).map_err(|error| format!("TILL_LOG_FILTER: {error}"))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match common.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
