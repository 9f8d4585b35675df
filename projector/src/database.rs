//! Connections to Postgres, and what all rooms need of it: locks, plain statements, the search path.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, raw_sql};

use crate::settings::{ProjectorSettings, Settings};

/// The first number of the advisory locks of leaders; the second is the projection's [`lock_number`].
///
/// [`lock_number`]: crate::projections::definition::Definition::lock_number
pub const LEADER_LOCK: i32 = 0x7111;
/// The first number of the advisory locks of rebuilds and rollbacks; the second is the projection's, too.
pub const REBUILD_LOCK: i32 = 0x7112;

/// Bounds how long a statement waits for a lock. Those who come after it wait behind it, so it lets them pass and is tried again.
pub const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '1s'";

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

fn options(settings: &ProjectorSettings, name: &str) -> PgConnectOptions {
    let options: PgConnectOptions = settings.database_url.parse().expect("the settings were checked");
    options.application_name(&format!("till-projector {name}")).options([
        // A crash of Postgres may lose the last commits, rows and positions together. They are folded again from the log.
        ("synchronous_commit", "off"),
        ("timezone", "UTC"),
        // The end of a machine without a word is noticed within half a minute, and its locks are freed.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Connects, beside the pools. `name` tells the connection in Postgres' views.
///
/// # Errors
/// When Postgres is not reached within seconds, or refuses.
pub async fn connect(settings: &ProjectorSettings, name: &str) -> sqlx::Result<PgConnection> {
    tokio::time::timeout(CONNECT_TIMEOUT, options(settings, name).connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// Connects to fold. A fold that counts by days finds their zone in the setting `till.business_timezone` of its session.
///
/// # Errors
/// As [`connect`].
pub async fn connect_to_fold(settings: &Settings, name: &str) -> sqlx::Result<PgConnection> {
    let mut connection = connect(&settings.own, name).await?;
    let zone = settings.common.business_timezone.as_str();
    sqlx::query_scalar!("SELECT set_config('till.business_timezone', $1, false)", zone)
        .fetch_one(&mut connection)
        .await?;
    Ok(connection)
}

/// Connects as a leader. Postgres ends the session if the process stands still, which frees its locks for another replica.
///
/// # Errors
/// As [`connect`].
pub async fn connect_leader(settings: &Settings, name: &str) -> sqlx::Result<PgConnection> {
    let mut connection = connect_to_fold(settings, name).await?;
    raw_sql("SET idle_session_timeout = '15s'; SET idle_in_transaction_session_timeout = '15s'")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// The connections of reads. None is made before it is needed.
#[must_use]
pub fn pool(settings: &ProjectorSettings) -> PgPool {
    pool_of(settings, "reads", settings.database_connections)
}

/// The connection of the process' own short questions, which must not wait until reads give theirs back.
#[must_use]
pub fn own_pool(settings: &ProjectorSettings) -> PgPool {
    pool_of(settings, "positions", 1)
}

fn pool_of(settings: &ProjectorSettings, name: &str, connections: u32) -> PgPool {
    let options = options(settings, name)
        .options([("statement_timeout", settings.read_timeout_ms.to_string())])
        // A read whose process is gone, or cannot be reached, leaves its transaction open. It ends, and frees what it holds.
        .options([("idle_in_transaction_session_timeout", "60s")]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

/// Takes an advisory lock for as long as the connection lives. `false`: another session holds it.
///
/// # Errors
/// When Postgres fails.
pub async fn try_lock(connection: &mut PgConnection, class: i32, number: i32) -> sqlx::Result<bool> {
    sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock($1, $2) AS "held!""#, class, number)
        .fetch_one(connection)
        .await
}

/// Runs statements that have no parameters: what varies in them is names of Till's own tables and schemas, never a client's word.
///
/// # Errors
/// When Postgres refuses.
pub async fn execute(connection: &mut PgConnection, sql: impl Into<String>) -> sqlx::Result<()> {
    raw_sql(AssertSqlSafe(sql.into())).execute(connection).await.map(drop)
}

/// Lets names without a schema mean the tables of this one, or of several separated by commas, until the transaction ends.
///
/// # Errors
/// When Postgres fails.
pub async fn enter(connection: &mut PgConnection, schemas: &str) -> sqlx::Result<()> {
    sqlx::query_scalar!("SELECT set_config('search_path', $1, true)", schemas)
        .fetch_one(connection)
        .await
        .map(drop)
}

/// Whether a lock was not free within [`LOCK_TIMEOUT`].
#[must_use]
pub fn is_lock_timeout(error: &sqlx::Error) -> bool {
    has_code(error, "55P03")
}

/// Whether a table is not there.
#[must_use]
pub fn is_missing_table(error: &sqlx::Error) -> bool {
    has_code(error, "42P01")
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(code)
}
