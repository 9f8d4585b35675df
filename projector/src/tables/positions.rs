//! How far a generation has folded. The functions work on the table `positions` of the generation that the transaction has entered.

use chrono::{DateTime, Utc};
use schemas::Topic;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::log::record::{LastRecords, Move, Positions};
use crate::projections::definition::Projection;

/// How far a generation has folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The next offset to fold of each partition. Unlogged tables have none after a crash of Postgres.
    pub positions: Positions,
    /// The last record folded of each partition that has any.
    pub last: LastRecords,
    /// The last instant at which the fold is known to have missed nothing of compacted topics, by its leader's clock: it was at
    /// their end then, or had just begun.
    pub seen_at: Option<DateTime<Utc>>,
}

/// Reads how far the generation has folded.
///
/// # Errors
/// When Postgres fails.
pub async fn checkpoint(connection: &mut PgConnection) -> sqlx::Result<Checkpoint> {
    let rows =
        sqlx::query!("SELECT topic, partition, next, last_offset, last_event_id, seen_at FROM positions")
            .fetch_all(connection)
            .await?;
    let mut read = Checkpoint::default();
    for row in rows {
        let Some(topic) = Topic::named(&row.topic) else { continue };
        read.positions.insert((topic, row.partition), row.next);
        if let (Some(offset), Some(event_id)) = (row.last_offset, row.last_event_id) {
            read.last.insert((topic, row.partition), (offset, event_id));
        }
        read.seen_at = [read.seen_at, row.seen_at].into_iter().flatten().min();
    }
    Ok(read)
}

/// Reads the next offset to fold of each partition.
///
/// # Errors
/// When Postgres fails.
pub async fn positions(connection: &mut PgConnection) -> sqlx::Result<Positions> {
    let rows = sqlx::query!("SELECT topic, partition, next FROM positions").fetch_all(connection).await?;
    let known = |topic: &str| Topic::named(topic);
    Ok(rows.into_iter().filter_map(|row| Some(((known(&row.topic)?, row.partition), row.next))).collect())
}

/// The positions of a projection that has folded nothing: offset 0 of every partition of its topics.
#[must_use]
pub fn beginning(projection: Projection, partitions: i32) -> Positions {
    let topics = projection.topics.iter();
    topics.flat_map(|topic| (0..partitions).map(move |partition| ((*topic, partition), 0))).collect()
}

/// Writes the positions of a generation that has none yet.
///
/// # Errors
/// When Postgres fails.
pub async fn insert_positions(
    connection: &mut PgConnection,
    positions: &Positions,
    last: &LastRecords,
) -> sqlx::Result<()> {
    let topics: Vec<_> = positions.keys().map(|(topic, _)| topic.short_name().to_owned()).collect();
    let partitions: Vec<_> = positions.keys().map(|(_, partition)| *partition).collect();
    let next: Vec<_> = positions.values().copied().collect();
    let last: Vec<_> = positions.keys().map(|key| last.get(key).copied()).collect();
    let (last_offsets, last_ids) = last_columns(&last);
    let now = Utc::now();
    let seen_at: Vec<_> = positions.keys().map(|(topic, _)| (!topic.is_event_log()).then_some(now)).collect();
    sqlx::query!(
        "INSERT INTO positions (topic, partition, next, last_offset, last_event_id, seen_at)
         SELECT * FROM UNNEST($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::uuid[], $6::timestamptz[])",
        &topics,
        &partitions,
        &next,
        &last_offsets as _,
        &last_ids as _,
        &seen_at as _
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Notes that the fold was seen at its end: see [`Checkpoint::seen_at`].
///
/// # Errors
/// When Postgres fails.
pub async fn note_seen(connection: &mut PgConnection, at: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!("UPDATE positions SET seen_at = $1 WHERE seen_at IS NOT NULL", at)
        .execute(connection)
        .await
        .map(drop)
}

type LastColumns = (Vec<Option<i64>>, Vec<Option<Uuid>>);

fn last_columns(last: &[Option<(i64, Uuid)>]) -> LastColumns {
    last.iter().map(|last| (last.map(|(offset, _)| offset), last.map(|(_, id)| id))).unzip()
}

/// Moves the positions. `false`: not all of them stood where the moves begin, so another writer has moved them, and the transaction
/// must be rolled back.
///
/// # Errors
/// When Postgres fails.
pub async fn move_positions(connection: &mut PgConnection, moves: &[Move]) -> sqlx::Result<bool> {
    let topics: Vec<_> = moves.iter().map(|step| step.topic.short_name().to_owned()).collect();
    let partitions: Vec<_> = moves.iter().map(|step| step.partition).collect();
    let from: Vec<_> = moves.iter().map(|step| step.from).collect();
    let to: Vec<_> = moves.iter().map(|step| step.to).collect();
    let last: Vec<_> = moves.iter().map(|step| step.last).collect();
    let (last_offsets, last_ids) = last_columns(&last);
    let moved = sqlx::query!(
        "UPDATE positions AS p SET next = m.\"to\", last_offset = coalesce(m.last_offset, p.last_offset),
             last_event_id = coalesce(m.last_event_id, p.last_event_id)
         FROM UNNEST($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[])
             AS m(topic, partition, \"from\", \"to\", last_offset, last_event_id)
         WHERE p.topic = m.topic AND p.partition = m.partition AND p.next = m.\"from\"",
        &topics,
        &partitions,
        &from,
        &to,
        &last_offsets as _,
        &last_ids as _
    )
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == moves.len() as u64)
}
