//! What every Till service needs and no business: settings, telemetry, Kafka clients with all their options
//! in one place, a schema registry's client, JWT, problem details, health, shutdown.

pub mod auth;
pub mod kafka;
pub mod problem;
pub mod registry;
pub mod server;
pub mod settings;
pub mod telemetry;

pub use problem::Problem;
pub use settings::{Common, Settings, SettingsError};
