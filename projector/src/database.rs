//! Connections to Postgres.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, raw_sql};

use crate::settings::ProjectorSettings;

/// First number of Till's advisory locks of projections' leaders; the second is the projection's.
pub const LEADER_LOCK: i32 = 0x7111;
/// First number of the locks of rebuilds.
pub const REBUILD_LOCK: i32 = 0x7112;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

fn options(settings: &ProjectorSettings, name: &str) -> PgConnectOptions {
    let options: PgConnectOptions = settings.database_url.parse().expect("the settings were checked");
    options.application_name(&format!("till-projector {name}")).options([
        // Positions are written with the rows: what a crash of Postgres loses is folded again from the log.
        ("synchronous_commit", "off"),
        ("timezone", "UTC"),
        // A machine that vanished is noticed within half a minute, and its locks are freed.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// A connection of one's own.
///
/// # Errors
/// When Postgres is not reached within seconds, or refuses.
pub async fn connect(settings: &ProjectorSettings, name: &str) -> sqlx::Result<PgConnection> {
    tokio::time::timeout(CONNECT_TIMEOUT, options(settings, name).connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// A connection that Postgres closes where the process stands still: its locks are free for another replica then.
///
/// # Errors
/// As [`connect`].
pub async fn connect_leader(settings: &ProjectorSettings, name: &str) -> sqlx::Result<PgConnection> {
    let mut connection = connect(settings, name).await?;
    raw_sql("SET idle_session_timeout = '15s'; SET idle_in_transaction_session_timeout = '15s'")
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// Connections for reads, made when first needed.
#[must_use]
pub fn pool(settings: &ProjectorSettings) -> PgPool {
    pool_of(settings, "reads", settings.database_connections)
}

/// A connection for short questions of the process itself, which must not wait for those that reads have taken.
#[must_use]
pub fn own_pool(settings: &ProjectorSettings) -> PgPool {
    pool_of(settings, "positions", 1)
}

fn pool_of(settings: &ProjectorSettings, name: &str, connections: u32) -> PgPool {
    let options = options(settings, name)
        .options([("statement_timeout", settings.read_timeout_ms.to_string())])
        // A read that Postgres or the network has left in a transaction frees what it holds.
        .options([("idle_in_transaction_session_timeout", "60s")]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options)
}

/// Takes a lock for as long as the connection lives; `false` where another session holds it.
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

/// Lets unqualified names mean the tables of a schema, or of several separated by commas, until the transaction
/// ends.
///
/// # Errors
/// When Postgres fails.
pub async fn enter(connection: &mut PgConnection, schemas: &str) -> sqlx::Result<()> {
    sqlx::query_scalar!("SELECT set_config('search_path', $1, true)", schemas)
        .fetch_one(connection)
        .await
        .map(drop)
}
