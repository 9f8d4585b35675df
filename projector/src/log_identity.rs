//! Whether the log is the one the tables were folded from.

use rdkafka::consumer::{BaseConsumer, Consumer};
use runtime::Common;
use runtime::kafka::{Cluster, Isolation, REQUEST_TIMEOUT};
use sqlx::PgConnection;

/// Why the log does not fit the tables.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Postgres refused or failed.
    #[error("Postgres: {0}")]
    Database(#[from] sqlx::Error),
    /// Kafka did not say which cluster it is.
    #[error("Kafka does not say which cluster it is")]
    Kafka,
    /// The tables are another log's.
    #[error(
        "the tables were folded from another log ({folded}), not from this one ({found}): set TILL_KAFKA_BROKERS, TILL_TOPIC_PREFIX and TILL_PARTITIONS to that log's, or TILL_DATABASE_URL to an empty database"
    )]
    Another {
        /// The log in the tables.
        folded: String,
        /// The log of the settings.
        found: String,
    },
}

/// Compares the log with the one noted; notes it where none is.
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

async fn cluster_id(cluster: Cluster) -> Option<String> {
    let asked = tokio::task::spawn_blocking(move || {
        let reader: BaseConsumer = cluster.reader(Isolation::Uncommitted).ok()?;
        reader.client().fetch_cluster_id(REQUEST_TIMEOUT)
    });
    asked.await.ok().flatten()
}
