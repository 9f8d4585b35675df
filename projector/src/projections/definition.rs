//! What a projection is: a [`Definition`], which stands in its folder.

use std::cmp::Ordering;
use std::fmt;

use futures_util::future::BoxFuture;
use schemas::Topic;
use sqlx::PgConnection;

use crate::log::record::EventRecord;

/// A projection: a named, versioned fold of topics into tables of its own.
pub struct Definition {
    /// Names the projection in commands, log lines and Postgres schemas, so it has lower-case letters and `_` only.
    pub name: &'static str,
    /// Counts up with every change of the tables or the fold. Tables of another version are not folded on: the new binary
    /// needs `projector rebuild`.
    pub version: i32,
    /// The topics whose events it folds.
    pub topics: &'static [Topic],
    /// The names of its tables. Each has a view of the same name in the Postgres schema `till`.
    pub tables: &'static [&'static str],
    /// SQL that makes the tables and, after a line `-- Keys`, SQL that makes their keys and indexes.
    pub sql: &'static str,
    /// Whether its tables are UNLOGGED, with their positions: then no write-ahead log and no base backup of Postgres has a row of
    /// them. After a crash of Postgres they are empty, and the leader folds them anew.
    pub unlogged: bool,
    /// Whether the generation that a rebuild replaces is kept, so that a rollback can go back to it. It must not be where its tables
    /// hold what others forget.
    pub keeps_former: bool,
    /// Folds a batch of events, in the order of the log, into the tables of the search path. It runs within a transaction.
    pub fold: Fold,
    /// Begins to fill empty tables in a rebuild. Without it a rebuild folds, as a leader does, in one transaction.
    pub bulk: Option<fn() -> Box<dyn Bulk>>,
}

/// Refers to a projection; two are equal where their names are.
pub type Projection = &'static Definition;

/// Folds one batch. The future is the only one boxed for the batch: within it all calls are static.
pub type Fold =
    for<'f> fn(&'f mut PgConnection, &'f [EventRecord<'f>]) -> BoxFuture<'f, Result<(), FoldError>>;

/// Fills empty tables that have no keys yet, within one transaction: all events are taken, then the tables get their keys.
pub trait Bulk: Send {
    /// Takes a batch of events, in the order of the log.
    ///
    /// # Errors
    /// See [`FoldError`].
    fn take<'f>(
        &'f mut self,
        connection: &'f mut PgConnection,
        events: &'f [EventRecord<'f>],
    ) -> BoxFuture<'f, Result<(), FoldError>>;

    /// Writes what is left once all events are taken, while the tables have no keys.
    ///
    /// # Errors
    /// See [`FoldError`].
    fn finish_without_keys<'f>(
        &'f mut self,
        _connection: &'f mut PgConnection,
    ) -> BoxFuture<'f, Result<(), FoldError>> {
        Box::pin(async { Ok(()) })
    }

    /// Writes what must find rows by their keys, once the tables have them.
    ///
    /// # Errors
    /// See [`FoldError`].
    fn finish_with_keys<'f>(
        &'f mut self,
        _connection: &'f mut PgConnection,
    ) -> BoxFuture<'f, Result<(), FoldError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Why a fold did not take events.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// Postgres refused or failed.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// A sum is too large for its column.
    #[error("an amount or quantity is too large to be summed")]
    Overflow,
}

impl FoldError {
    /// Whether the same events would fail again: the data is at fault, not the circumstances.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        let error = match self {
            Self::Overflow | Self::Database(sqlx::Error::Encode(_)) => return true,
            Self::Database(error) => error,
        };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // SQLSTATE classes: data exceptions, integrity violations, and rows beyond what an index takes.
        code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
    }
}

/// The numbers of locks that former binaries take for the projections they know. A number may never change: while replicas
/// are upgraded one by one, a leader that takes another lock would fold beside one that runs already.
const FORMER_LOCKS: [(&str, i32); 4] = [("receipts", 1), ("places", 2), ("accounts", 3), ("hours", 4)];

impl Definition {
    /// The projection's number among Till's advisory locks: a hash (FNV-1a) of its name.
    #[must_use]
    pub fn lock_number(&self) -> i32 {
        let former = FORMER_LOCKS.iter().find(|(name, _)| *name == self.name);
        former.map_or_else(|| fnv_1a(self.name).cast_signed(), |(_, number)| *number)
    }

    /// The SQL that makes the tables, and the SQL that makes their keys and indexes.
    #[must_use]
    pub fn ddl(&self) -> (&'static str, &'static str) {
        self.sql.split_once("-- Keys\n").expect("each file has its keys after its tables")
    }
}

/// The hash FNV-1a of 32 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv_1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Definition {}

impl PartialOrd for Definition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Definition {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Some of the test vectors of draft-eastlake-fnv.
        for (text, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv_1a(text), hash, "{text}");
        }
    }
}
