//! Whether the log is the one the tables were folded from: tables of one log are never folded on from another.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use runtime::Common;
use runtime::kafka::{self, Cluster, Isolation, LastRead, REQUEST_TIMEOUT};
use sqlx::PgConnection;

use super::positions::Checkpoint;
use crate::log::record::{LastRecords, Positions};
use crate::projections::definition::Projection;

/// Why tables cannot be folded on from the log.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Postgres refused or failed.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// Kafka did not say which cluster it is.
    #[error("Kafka does not say which cluster it is")]
    Kafka,
    /// The tables were folded from the log of another cluster, prefix or partition count.
    #[error(
        "the tables were folded from another log ({folded}), not from this one ({found}): set TILL_KAFKA_BROKERS, TILL_TOPIC_PREFIX and TILL_PARTITIONS to that log's, or TILL_DATABASE_URL to an empty database"
    )]
    Another {
        /// The log that the tables name, in words.
        folded: String,
        /// The log of the settings, in words.
        found: String,
    },
    /// The log has lost records that the tables were folded from.
    #[error(
        "the log is not the one the tables were folded from any more ({difference}): it lost its tail, or was made anew. Bring that log back, or fold the tables from this one: projector rebuild {projection}"
    )]
    Changed {
        projection: &'static str,
        /// The first difference, in words.
        difference: String,
    },
    /// The records to compare could not be read.
    #[error("Kafka: {0}")]
    Unread(#[from] KafkaError),
}

impl IdentityError {
    /// Whether the log was read, and is another one.
    #[must_use]
    pub const fn is_another_log(&self) -> bool {
        matches!(self, Self::Another { .. } | Self::Changed { .. })
    }
}

/// Compares the log of the settings with the one noted in `till.log`. The first log ever compared is noted.
///
/// # Errors
/// See [`IdentityError`].
pub async fn check(
    connection: &mut PgConnection,
    cluster: &Cluster,
    common: &Common,
) -> Result<(), IdentityError> {
    let id = cluster_id(cluster.clone()).await.ok_or(IdentityError::Kafka)?;
    sqlx::query!(
        "INSERT INTO till.log (cluster_id, topic_prefix, partitions) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        id,
        common.topic_prefix,
        common.partitions
    )
    .execute(&mut *connection)
    .await?;
    let noted = sqlx::query!("SELECT cluster_id, topic_prefix, partitions FROM till.log")
        .fetch_one(connection)
        .await?;
    let shown = |cluster: &str, prefix: &str, partitions: i32| {
        format!("cluster {cluster}, prefix {prefix}, {partitions} partitions")
    };
    let folded = shown(&noted.cluster_id, &noted.topic_prefix, noted.partitions);
    let found = shown(&id, &common.topic_prefix, common.partitions);
    if folded == found { Ok(()) } else { Err(IdentityError::Another { folded, found }) }
}

/// Reads the last record that a projection has folded of each partition again, and compares it. `ends` are the high watermarks.
///
/// Of a topic that is no event log only the partition's end is compared.
///
/// # Errors
/// [`IdentityError::Changed`] if another event stands there, or none, or a partition ends before its position.
pub async fn check_records(
    projection: Projection,
    cluster: &Cluster,
    topic_prefix: &str,
    checkpoint: &Checkpoint,
    ends: &Positions,
) -> Result<(), IdentityError> {
    let changed = |difference| IdentityError::Changed { projection: projection.name, difference };
    if let Some(difference) = shorter(&checkpoint.positions, ends) {
        return Err(changed(difference));
    }
    let (cluster, prefix, last_read) =
        (cluster.clone(), topic_prefix.to_owned(), comparable(&checkpoint.last));
    let compared = tokio::task::spawn_blocking(move || kafka::difference(&cluster, &prefix, &last_read));
    compared.await.expect("reading does not panic")?.map_or(Ok(()), |difference| Err(changed(difference)))
}

/// Describes a partition that ends before its position.
fn shorter(positions: &Positions, ends: &Positions) -> Option<String> {
    positions.iter().find_map(|((topic, partition), next)| {
        let end = ends.get(&(*topic, *partition)).copied().unwrap_or_default();
        let noun = topic.short_name();
        (*next > end).then(|| format!("{noun}/{partition} ends at {end}, the position is {next}"))
    })
}

/// The records that must still be there. Of a topic that is no event log compaction may have deleted them.
fn comparable(last: &LastRecords) -> Vec<LastRead> {
    let kept = last.iter().filter(|((topic, _), _)| topic.is_event_log());
    kept.map(|(&(topic, partition), &(offset, event_id))| LastRead { topic, partition, offset, event_id })
        .collect()
}

async fn cluster_id(cluster: Cluster) -> Option<String> {
    let asked = tokio::task::spawn_blocking(move || {
        let reader: BaseConsumer = cluster.reader(Isolation::Uncommitted).ok()?;
        reader.client().fetch_cluster_id(REQUEST_TIMEOUT)
    });
    asked.await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use schemas::Topic;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn records_that_compaction_may_have_deleted_are_not_compared() {
        let last = LastRecords::from([
            ((Topic::People, 0), (7, Uuid::nil())),
            ((Topic::Keys, 0), (7, Uuid::nil())),
            ((Topic::Keys, 1), (9, Uuid::nil())),
        ]);
        let compared: Vec<_> = comparable(&last).iter().map(|last| (last.topic, last.partition)).collect();
        assert_eq!(compared, [(Topic::People, 0)]);
    }

    #[test]
    fn every_partition_reaches_to_its_position_also_one_that_is_compacted() {
        let positions = Positions::from([((Topic::People, 0), 5), ((Topic::Keys, 1), 5)]);
        let ends = |keys| Positions::from([((Topic::People, 0), 6), ((Topic::Keys, 1), keys)]);
        assert_eq!(shorter(&positions, &ends(5)), None);
        let found = shorter(&positions, &ends(4)).unwrap();
        assert_eq!(found, "keys/1 ends at 4, the position is 5");
    }
}
