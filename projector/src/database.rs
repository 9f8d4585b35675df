//! Connections to Postgres.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Postgres, Transaction, raw_sql};

use crate::settings::ProjectorSettings;
use crate::turns::Turn;

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

/// A transaction that sees one state of the database and changes nothing. Dropping it ends it.
pub struct Snapshot {
    // In this order: the turn is another read's once the connection is free.
    transaction: Transaction<'static, Postgres>,
    _turn: Turn,
}

impl Deref for Snapshot {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Snapshot {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

/// Begins a snapshot, whose turn it is until it ends.
///
/// A client may hang up at any moment, and the future that serves it is dropped then. sqlx forgets a `BEGIN` whose future is
/// dropped before Postgres has answered: the pool would lend the connection on with the transaction still open, and later
/// reads would be answered from its old snapshot. So the transaction begins in a task of its own, which nobody drops; one
/// that nobody waits for any more is rolled back at once.
///
/// # Errors
/// When no connection is free in time, or Postgres fails.
pub async fn begin_snapshot(pool: &PgPool, turn: Turn) -> sqlx::Result<Snapshot> {
    let pool = pool.clone();
    let begin = async move {
        let transaction = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        Ok(Snapshot { transaction, _turn: turn })
    };
    tokio::spawn(begin).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
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
