//! Snapshots: what a read is answered from.

use std::ops::{Deref, DerefMut};

use sqlx::{PgConnection, PgPool, Postgres, Transaction};

use super::turns::Turn;

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
