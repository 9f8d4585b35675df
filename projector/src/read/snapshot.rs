//! Snapshots: a read is answered from one state of the tables.

use std::ops::{Deref, DerefMut};

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::turns::Turn;

/// A transaction that sees one state of the database and changes nothing. It ends when it is dropped.
pub struct Snapshot {
    // Fields are dropped in this order: the connection is free before the next read gets the turn.
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

/// Begins a snapshot, which keeps the turn until it ends.
///
/// A client may hang up at any moment, and the future that serves it is dropped then. sqlx forgets a `BEGIN` whose future is
/// dropped before Postgres has answered: the pool would lend the connection on with the transaction still open, and later
/// reads would be answered from its old snapshot. So the transaction begins in a task of its own, which nobody drops. If
/// nobody waits for it any more, it is rolled back at once.
///
/// # Errors
/// When no connection is free in time, or Postgres fails.
pub async fn begin_snapshot(pool: &PgPool, turn: Turn) -> sqlx::Result<Snapshot> {
    let pool = pool.clone();
    let begin = async move { Ok(Snapshot { transaction: begin(&pool).await?, _turn: turn }) };
    tokio::spawn(begin).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// Begins a transaction. A connection that broke while it was idle shows that at its `BEGIN` alone, and after a restart of Postgres
/// every connection of the pool is such a one: the pool drops it, and the next is tried.
async fn begin(pool: &PgPool) -> sqlx::Result<Transaction<'static, Postgres>> {
    let mut broken = 0;
    loop {
        match pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await {
            Err(error) if is_broken(&error) && broken < pool.options().get_max_connections() => broken += 1,
            begun => return begun,
        }
    }
}

/// Whether the connection is of no use any more. A server that ends says so on each connection: SQLSTATE 57P01 and 57P02.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(told) => told.code().is_some_and(|code| code == "57P01" || code == "57P02"),
        _ => false,
    }
}
