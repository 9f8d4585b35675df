//! How far a generation has folded. The functions work on the table `positions` of the generation that the transaction has entered.

use schemas::Topic;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::log::record::{LastRecords, Move, Positions};

/// Reads the next offset to fold of each partition.
///
/// # Errors
/// When Postgres fails.
pub async fn positions(connection: &mut PgConnection) -> sqlx::Result<Positions> {
    let rows = sqlx::query!("SELECT topic, partition, next FROM positions").fetch_all(connection).await?;
    let known = |topic: &str| Topic::named(topic);
    Ok(rows.into_iter().filter_map(|row| Some(((known(&row.topic)?, row.partition), row.next))).collect())
}

/// Reads the last record folded of each partition that has any.
///
/// # Errors
/// When Postgres fails.
pub async fn last_records(connection: &mut PgConnection) -> sqlx::Result<LastRecords> {
    let rows = sqlx::query!(
        r#"SELECT topic, partition, last_offset AS "last_offset!", last_event_id AS "last_event_id!" FROM positions
           WHERE last_offset IS NOT NULL AND last_event_id IS NOT NULL"#
    )
    .fetch_all(connection)
    .await?;
    let last = rows.into_iter().filter_map(|row| {
        Some(((Topic::named(&row.topic)?, row.partition), (row.last_offset, row.last_event_id)))
    });
    Ok(last.collect())
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
    sqlx::query!(
        "INSERT INTO positions (topic, partition, next, last_offset, last_event_id)
         SELECT * FROM UNNEST($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::uuid[])",
        &topics,
        &partitions,
        &next,
        &last_offsets as _,
        &last_ids as _
    )
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
