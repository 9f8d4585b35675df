//! The projections. Each is a folder: `mod.rs` with its [`Definition`] and its fold, `tables.sql` with its tables.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants,
    reason = "a new event asks each fold"
)]

pub mod business_time;
pub mod copy;
pub mod definition;

use std::collections::BTreeSet;

use definition::Projection;
use schemas::Topic;

/// Declares the folder of each projection, and lists the projections in [`ALL`]. A line `receipts::RECEIPTS` stands for
///
/// ```ignore
/// mod receipts;
/// pub use receipts::RECEIPTS;
/// ```
macro_rules! projections {
    ($($folder:ident::$projection:ident,)+) => {
        $(mod $folder;)+
        $(pub use $folder::$projection;)+

        /// Every projection, in the order in which people are told of them.
        pub const ALL: &[Projection] = &[$($projection),+];
    };
}

projections! {
    receipts::RECEIPTS,
    places::PLACES,
    accounts::ACCOUNTS,
    hours::HOURS,
    keys::KEYS,
    customers::CUSTOMERS,
    catalogue::CATALOGUE,
    orders::ORDERS,
    revenue::REVENUE,
    audit::AUDIT,
}

pub use orders::KitchenLine;

/// Finds a projection by its name.
#[must_use]
pub fn named(name: &str) -> Option<Projection> {
    ALL.iter().copied().find(|projection| projection.name == name)
}

/// The names of all projections, separated by commas.
#[must_use]
pub fn names() -> String {
    let names: Vec<_> = ALL.iter().map(|projection| projection.name).collect();
    names.join(", ")
}

/// The topics that any projection folds.
#[must_use]
pub fn topics() -> BTreeSet<Topic> {
    ALL.iter().flat_map(|projection| projection.topics).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tables_and_locks_are_each_ones_own() {
        let tables: Vec<_> = ALL.iter().flat_map(|projection| projection.tables).collect();
        let distinct: BTreeSet<_> = tables.iter().collect();
        assert_eq!(tables.len(), distinct.len());
        let locks: BTreeSet<_> = ALL.iter().map(|projection| projection.lock_number()).collect();
        assert_eq!(locks.len(), ALL.len());
        for projection in ALL {
            assert_eq!(named(projection.name), Some(*projection));
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(projection.name.bytes().all(is_plain), "{projection:?} is a part of SQL");
            // What the write-ahead log must not have, no former generation may have either.
            assert!(!(projection.unlogged && projection.keeps_former), "{projection:?}");
            let (tables, keys) = projection.ddl();
            for table in projection.tables {
                assert!(tables.contains(&format!("CREATE TABLE {table} (")), "{table}");
                assert!(keys.contains(&format!("ALTER TABLE {table} ADD PRIMARY KEY")), "{table}");
            }
        }
    }

    /// Statistics are rows of `pg_statistic`, which is logged.
    #[test]
    fn postgres_keeps_no_samples_of_bytes_in_unlogged_tables() {
        let mut columns = 0;
        for projection in ALL.iter().filter(|projection| projection.unlogged) {
            let mut table = "";
            for line in projection.ddl().0.lines() {
                table = line.strip_prefix("CREATE TABLE ").map_or(table, |line| line.trim_end_matches(" ("));
                let Some((column, _)) = line.trim().split_once(" bytea") else { continue };
                let none = format!("ALTER TABLE {table} ALTER COLUMN {column} SET STATISTICS 0;");
                assert!(projection.sql.contains(&none), "{none}");
                columns += 1;
            }
        }
        assert!(columns > 0, "unlogged tables are for keys");
    }

    #[test]
    fn every_folder_is_a_projection_of_its_name() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/projections");
        let entries = std::fs::read_dir(here).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        let folders: BTreeSet<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        let names: BTreeSet<_> = ALL.iter().map(|projection| projection.name.to_owned()).collect();
        assert_eq!(
            folders, names,
            "a folder lacks its line in `projections!`, or is not called as its projection"
        );
    }

    #[test]
    fn projections_that_former_binaries_know_keep_their_locks() {
        let former = [(RECEIPTS, 1), (PLACES, 2), (ACCOUNTS, 3), (HOURS, 4)];
        for (projection, number) in former {
            assert_eq!(projection.lock_number(), number, "{projection:?}");
        }
    }
}
