//! What every Till service needs and no business: settings, telemetry, Kafka clients with all their options
//! in one place, a schema registry's client, JWT, problem details, health, shutdown, shares of callers,
//! descriptions of the HTTP APIs, and the vault of personal data.

pub mod auth;
pub mod kafka;
pub mod openapi;
pub mod panics;
pub mod problem;
pub mod registry;
mod revision;
pub mod server;
pub mod settings;
pub mod shares;
pub mod telemetry;
pub mod vault;

/// librdkafka's threads allocate messages and Till's threads free them. glibc keeps such memory in its arenas for a long time and
/// takes locks for it. mimalloc serves C code too (feature `override`). Huge pages are off (feature `no_thp`), because a page of
/// 2 MB would stay resident for the sake of a few bytes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use problem::Problem;
pub use revision::etag;
pub use settings::{Common, Settings, SettingsError};
