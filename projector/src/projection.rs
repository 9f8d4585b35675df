//! The projections: each a named, versioned fold of topics into tables of its own.

use schemas::{Money, Topic};
use sqlx::PgConnection;

use crate::projections::{accounts, hours, places, receipts};
use crate::record::Folded;

/// A projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// The journal: a row a receipt.
    Receipts,
    /// Figures by business time.
    Places,
    /// Accounts.
    Accounts,
    /// Figures by arrival, from the analytics worker.
    Hours,
}

/// Why a fold did not take events.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// Postgres refused or failed.
    #[error("{0}")]
    Database(#[from] sqlx::Error),
    /// A sum left what the columns hold.
    #[error("an amount or quantity is too large to be summed")]
    Overflow,
}

impl FoldError {
    /// The same events would fail again: the data is at fault, not the circumstances.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        let error = match self {
            Self::Overflow | Self::Database(sqlx::Error::Encode(_)) => return true,
            Self::Database(error) => error,
        };
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // Data exceptions, integrity violations, and rows beyond what an index takes.
        code.is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
    }
}

impl Projection {
    /// Every projection.
    pub const ALL: [Self; 4] = [Self::Receipts, Self::Places, Self::Accounts, Self::Hours];

    /// Its name in commands, tables and views.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Receipts => "receipts",
            Self::Places => "places",
            Self::Accounts => "accounts",
            Self::Hours => "hours",
        }
    }

    /// The projection called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|projection| projection.name() == name)
    }

    /// Raised with every change of its tables or fold; the next one needs a rebuild.
    #[must_use]
    pub const fn version(self) -> i32 {
        match self {
            Self::Receipts | Self::Accounts | Self::Hours => 2,
            Self::Places => 3,
        }
    }

    /// Its number among Till's advisory locks.
    #[must_use]
    pub const fn lock_number(self) -> i32 {
        match self {
            Self::Receipts => 1,
            Self::Places => 2,
            Self::Accounts => 3,
            Self::Hours => 4,
        }
    }

    /// What it folds.
    #[must_use]
    pub const fn topics(self) -> &'static [Topic] {
        match self {
            Self::Receipts | Self::Places => &[Topic::Receipts],
            Self::Accounts => &[Topic::Accounts],
            Self::Hours => &[Topic::Analytics],
        }
    }

    /// Its tables; each has a public view of the same name.
    #[must_use]
    pub const fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Receipts => &["receipts"],
            Self::Places => &["places", "place_hours", "place_hour_categories"],
            Self::Accounts => &["accounts"],
            Self::Hours => &["hours", "hour_places", "hour_sums", "hour_categories"],
        }
    }

    /// SQL that makes its tables, and SQL that makes their keys and indexes.
    #[must_use]
    pub fn ddl(self) -> (&'static str, &'static str) {
        let file = match self {
            Self::Receipts => include_str!("projections/receipts.sql"),
            Self::Places => include_str!("projections/places.sql"),
            Self::Accounts => include_str!("projections/accounts.sql"),
            Self::Hours => include_str!("projections/hours.sql"),
        };
        file.split_once("-- Keys\n").expect("each file has its keys after its tables")
    }

    /// Folds events, in the order of the log, into the tables of the search path. Within a transaction: all or
    /// none.
    ///
    /// # Errors
    /// See [`FoldError`].
    pub async fn fold(self, connection: &mut PgConnection, events: &[Folded<'_>]) -> Result<(), FoldError> {
        match self {
            Self::Receipts => receipts::fold(connection, events).await,
            Self::Places => places::fold(connection, events).await,
            Self::Accounts => accounts::fold(connection, events).await,
            Self::Hours => hours::fold(connection, events).await,
        }
    }
}

/// Adds amounts; a sum past 28 digits is an error, not a panic.
pub(crate) fn add(sum: &mut rust_decimal::Decimal, amount: Money) -> Result<(), FoldError> {
    *sum = sum.checked_add(amount.decimal()).ok_or(FoldError::Overflow)?;
    Ok(())
}

/// Adds quantities.
pub(crate) fn count(sum: &mut i64, quantity: i64) -> Result<(), FoldError> {
    *sum = sum.checked_add(quantity).ok_or(FoldError::Overflow)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tables_and_locks_are_each_ones_own() {
        let tables: Vec<_> = Projection::ALL.iter().flat_map(|projection| projection.tables()).collect();
        let distinct: std::collections::BTreeSet<_> = tables.iter().collect();
        assert_eq!(tables.len(), distinct.len());
        let locks: std::collections::BTreeSet<_> =
            Projection::ALL.iter().map(|projection| projection.lock_number()).collect();
        assert_eq!(locks.len(), Projection::ALL.len());
        for projection in Projection::ALL {
            assert_eq!(Projection::from_name(projection.name()), Some(projection));
            let (tables, keys) = projection.ddl();
            for table in projection.tables() {
                assert!(tables.contains(&format!("CREATE TABLE {table} (")), "{table}");
                assert!(keys.contains(&format!("ALTER TABLE {table} ADD PRIMARY KEY")), "{table}");
            }
        }
    }
}
