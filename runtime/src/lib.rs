//! What every Till service needs and no business: settings, telemetry, Kafka clients with all their options
//! in one place, a schema registry's client, JWT, problem details, health, shutdown, shares of callers
//! and descriptions of the HTTP APIs.

pub mod auth;
pub mod kafka;
pub mod openapi;
pub mod panics;
pub mod problem;
pub mod registry;
pub mod server;
pub mod settings;
pub mod shares;
pub mod telemetry;

/// Messages are allocated by librdkafka's threads and freed by ours, which glibc's arenas keep for a long time and take
/// locks for. Its C code allocates here too (feature `override`); pages of 2 MB would stay resident for the sake of a few
/// bytes (feature `no_thp`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use problem::Problem;
pub use settings::{Common, Settings, SettingsError};
