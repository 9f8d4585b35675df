//! Folding a generation anew in its own tables, where its leader cannot go on from what they hold.

use chrono::{DateTime, Utc};
use runtime::kafka::{Away, is_too_long};
use sqlx::{Connection, PgConnection};

use super::generation::Generation;
use super::positions::{Checkpoint, beginning, insert_positions};
use crate::database::{LOCK_TIMEOUT, execute};
use crate::log::record::LastRecords;
use crate::projections::definition::Projection;

/// Why a generation is folded anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Postgres has emptied its unlogged tables.
    #[error("its unlogged tables are empty, as after a crash of Postgres")]
    Emptied,
    /// Rows may be there whose deletion was in the log meanwhile, and is not any more.
    #[error(transparent)]
    Away(#[from] Away),
}

/// Why a generation cannot be folded on from what its tables say; `None` where it can.
#[must_use]
pub fn reason(
    projection: Projection,
    partitions: i32,
    checkpoint: &Checkpoint,
    now: DateTime<Utc>,
) -> Option<Reason> {
    let has_all =
        || beginning(projection, partitions).keys().all(|key| checkpoint.positions.contains_key(key));
    if projection.unlogged && !has_all() {
        return Some(Reason::Emptied);
    }
    let may_miss = projection.topics.iter().any(|topic| !topic.is_event_log());
    let is_away = may_miss && checkpoint.seen_at.is_none_or(|seen_at| is_too_long(seen_at, now));
    is_away.then_some(Away.into())
}

/// Empties the generation's tables and forgets what was parked in it, so that it has folded nothing.
///
/// # Errors
/// When Postgres fails, or a table is read past the time that a lock is waited for.
pub async fn begin(
    connection: &mut PgConnection,
    generation: &Generation,
    partitions: i32,
) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    execute(&mut transaction, LOCK_TIMEOUT).await?;
    generation.enter(&mut transaction).await?;
    let tables: Vec<_> = generation.tables().collect();
    execute(&mut transaction, format!("TRUNCATE {}", tables.join(", "))).await?;
    generation.forget_parked(&mut transaction).await?;
    let positions = beginning(generation.projection, partitions);
    insert_positions(&mut transaction, &positions, &LastRecords::new()).await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use schemas::Topic;

    use super::*;
    use crate::log::record::Positions;
    use crate::projections::ACCOUNTS;
    use crate::projections::definition::Definition;

    const UNLOGGED: Projection = &Definition { unlogged: true, ..*ACCOUNTS };
    const COMPACTED: Projection = &Definition { topics: &[Topic::Keys], ..*ACCOUNTS };
    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn at(positions: Positions) -> Option<Reason> {
        reason(UNLOGGED, 2, &Checkpoint { positions, ..Checkpoint::default() }, NOW)
    }

    fn seen(projection: Projection, before: Option<TimeDelta>) -> Option<Reason> {
        let (positions, seen_at) = (beginning(projection, 2), before.map(|before| NOW - before));
        reason(projection, 2, &Checkpoint { positions, seen_at, ..Checkpoint::default() }, NOW)
    }

    #[test]
    fn unlogged_tables_without_all_positions_are_folded_anew() {
        assert_eq!(at(Positions::new()), Some(Reason::Emptied));
        assert_eq!(at(beginning(UNLOGGED, 1)), Some(Reason::Emptied));
        assert_eq!(at(beginning(UNLOGGED, 2)), None);
    }

    #[test]
    fn logged_tables_are_not_emptied_for_want_of_positions() {
        assert_eq!(reason(ACCOUNTS, 2, &Checkpoint::default(), NOW), None);
    }

    #[test]
    fn a_fold_of_a_compacted_topic_begins_anew_where_it_was_not_at_its_end_for_15_days() {
        let almost = TimeDelta::days(15) - TimeDelta::seconds(1);
        assert_eq!(seen(COMPACTED, Some(almost)), None);
        assert_eq!(seen(COMPACTED, Some(TimeDelta::days(16))), Some(Away.into()));
        assert_eq!(seen(COMPACTED, None), Some(Away.into()));
    }

    #[test]
    fn an_instant_of_a_clock_that_was_weeks_ahead_proves_nothing() {
        assert_eq!(seen(COMPACTED, Some(TimeDelta::hours(-3))), None);
        assert_eq!(seen(COMPACTED, Some(TimeDelta::days(-16))), Some(Away.into()));
    }

    #[test]
    fn a_fold_of_event_logs_goes_on_however_long_it_was_away() {
        assert_eq!(seen(ACCOUNTS, None), None);
    }
}
