//! Topics: made where they are missing, and checked.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;

use schemas::Topic;

use super::cluster::{Cluster, Isolation, REQUEST_TIMEOUT};
use super::ends::offsets;
use crate::settings::Common;

/// How long a new partition may be without a leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Between two tries to reach Kafka.
const RETRY: Duration = Duration::from_secs(1);

/// What a topic must be like.
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// Its name with the deployment's prefix, such as `till.receipts`.
    pub name: String,
    /// How many partitions it is created with. An event log must have exactly as many; another topic may have more.
    pub partitions: i32,
    /// Only used on creation: operators may raise it later.
    pub replication_factor: i32,
    /// Settings it is created with and must have.
    pub config: &'static [(&'static str, &'static str)],
    /// The first record of each partition must still be there.
    pub from_the_beginning: bool,
}

impl TopicSpec {
    /// What a topic must be like in the deployment of these settings.
    #[must_use]
    pub fn of(topic: Topic, common: &Common) -> Self {
        Self {
            name: topic.name(&common.topic_prefix),
            partitions: topic.partition_count(common.partitions, common.shards),
            replication_factor: common.replication_factor,
            config: topic.config(),
            from_the_beginning: topic.is_event_log(),
        }
    }
}

/// Why a log cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// Kafka did not answer, or refused.
    #[error("Kafka at {brokers}: {source}")]
    Kafka {
        /// The brokers of the settings, as `host:port`, separated by commas.
        brokers: String,
        /// librdkafka's own words.
        source: KafkaError,
    },
    /// A topic is not what Till needs; all faults, a line each.
    #[error("the topics are not usable:\n{}", .0.iter().map(|fault| format!("  - {fault}")).collect::<Vec<_>>().join("\n"))]
    Unusable(Vec<String>),
}

/// [`ensure_topics`], for a service that starts: Kafka may come up later, but topics that are wrong stay wrong.
/// `waiting` is told what is waited for, each second.
///
/// # Errors
/// The faults of the topics, in words: the service must not start on them.
pub async fn await_topics(
    cluster: &Cluster,
    topics: &[TopicSpec],
    waiting: impl Fn(String),
) -> Result<(), String> {
    loop {
        match ensure_topics(cluster, topics).await {
            Ok(()) => return Ok(()),
            Err(error @ TopicError::Unusable(_)) => return Err(error.to_string()),
            Err(error @ TopicError::Kafka { .. }) => {
                tracing::warn!(%error, "waiting for Kafka");
                waiting(error.to_string());
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Creates the topics that are missing and checks all of them.
///
/// # Errors
/// [`TopicError::Unusable`] names each partition count, setting or log start that is wrong.
pub async fn ensure_topics(cluster: &Cluster, topics: &[TopicSpec]) -> Result<(), TopicError> {
    let failed = |source| TopicError::Kafka { brokers: cluster.brokers.clone(), source };
    let admin: AdminClient<DefaultClientContext> = cluster.base().create().map_err(failed)?;
    let mut faults = create_topics(&admin, topics).await.map_err(failed)?;
    if faults.is_empty() {
        faults = check_settings(&admin, topics).await.map_err(failed)?;
        let (cluster, topics) = (cluster.clone(), topics.to_vec());
        let checked = tokio::task::spawn_blocking(move || check_logs(&cluster, &topics)).await;
        faults.extend(checked.expect("checking topics does not panic").map_err(failed)?);
    }
    if faults.is_empty() { Ok(()) } else { Err(TopicError::Unusable(faults)) }
}

/// Gives a topic more partitions.
///
/// # Errors
/// When Kafka does not answer, or refuses.
pub async fn add_partitions(cluster: &Cluster, topic: &str, partitions: i32) -> KafkaResult<()> {
    let admin: AdminClient<DefaultClientContext> = cluster.base().create()?;
    let new = NewPartitions::new(topic, usize::try_from(partitions).unwrap_or_default());
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT));
    let results = admin.create_partitions(&[new], &options).await?;
    results.into_iter().try_for_each(|result| match result {
        Ok(_) => Ok(()),
        Err((_, code)) => Err(KafkaError::AdminOp(code)),
    })
}

async fn create_topics(
    admin: &AdminClient<DefaultClientContext>,
    topics: &[TopicSpec],
) -> KafkaResult<Vec<String>> {
    let new: Vec<_> = topics
        .iter()
        .map(|topic| {
            let replication = TopicReplication::Fixed(topic.replication_factor);
            let new = NewTopic::new(&topic.name, topic.partitions, replication);
            topic.config.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(REQUEST_TIMEOUT));
    let results = admin.create_topics(&new, &options).await?;
    let refused = |(name, code)| match code {
        RDKafkaErrorCode::TopicAlreadyExists => None,
        passing if is_starting(passing) => Some(Err(KafkaError::AdminOp(passing))),
        other => Some(Ok(format!("{name} could not be created: {other}"))),
    };
    results.into_iter().filter_map(Result::err).filter_map(refused).collect()
}

/// Whether the answer only means that the broker starts or elects a leader. It says nothing of the topic, so the question is asked
/// again.
fn is_starting(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::NotController
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::BrokerNotAvailable
            | RDKafkaErrorCode::LeaderNotAvailable
            // While no broker is registered yet, even one replica is more than there are brokers.
            | RDKafkaErrorCode::InvalidReplicationFactor
    )
}

/// [`faults_of_settings`]. A topic that has just been created may take a moment to be known everywhere.
async fn check_settings(
    admin: &AdminClient<DefaultClientContext>,
    topics: &[TopicSpec],
) -> KafkaResult<Vec<String>> {
    let deadline = Instant::now() + LEADER_TIMEOUT;
    loop {
        match faults_of_settings(admin, topics).await {
            Err(KafkaError::AdminOp(code)) if is_starting(code) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            found => return found,
        }
    }
}

async fn faults_of_settings(
    admin: &AdminClient<DefaultClientContext>,
    topics: &[TopicSpec],
) -> KafkaResult<Vec<String>> {
    let mut faults = Vec::new();
    for topic in topics {
        let wanted = [ResourceSpecifier::Topic(&topic.name)];
        for resource in admin.describe_configs(&wanted, &AdminOptions::new()).await? {
            let resource = resource.map_err(KafkaError::AdminOp)?;
            for (key, value) in topic.config {
                // The client hides an error of a single topic. A broker that starts answers without any setting, so a setting
                // that is missing means that it is to be asked again.
                let entry =
                    resource.get(key).ok_or(KafkaError::AdminOp(RDKafkaErrorCode::LeaderNotAvailable))?;
                let found = entry.value.as_deref().unwrap_or_default();
                if found != *value {
                    faults.push(format!(
                        "{}: {key} is {found}, must be {value} (kafka-configs --alter)",
                        topic.name
                    ));
                }
            }
        }
    }
    Ok(faults)
}

fn check_logs(cluster: &Cluster, topics: &[TopicSpec]) -> KafkaResult<Vec<String>> {
    let reader = cluster.reader(Isolation::Uncommitted)?;
    let mut faults = Vec::new();
    for topic in topics {
        if !topic.from_the_beginning {
            continue;
        }
        let partitions = partition_count(&reader, &topic.name)?;
        if partitions != topic.partitions {
            faults.push(format!(
                "{} has {partitions} partitions, must have {}: is another deployment's prefix meant?",
                topic.name, topic.partitions
            ));
            continue;
        }
        for ((_, partition), start) in log_starts(&reader, &topic.name, partitions)? {
            if start > 0 {
                faults.push(format!("{}/{partition} begins at offset {start}: records were deleted, the log is no longer the whole truth", topic.name));
            }
        }
    }
    Ok(faults)
}

/// A partition that has just been created may take a moment to have a leader.
fn log_starts(
    reader: &BaseConsumer,
    topic: &str,
    partitions: i32,
) -> KafkaResult<HashMap<(String, i32), i64>> {
    let deadline = Instant::now() + LEADER_TIMEOUT;
    loop {
        match offsets(reader, &[(topic, partitions)], Offset::Beginning, REQUEST_TIMEOUT) {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
            found => return found,
        }
    }
}

/// How many partitions a topic has. One that has just been created may take a moment to be known everywhere.
///
/// Blocks.
///
/// # Errors
/// When no broker knows the topic, or none answers.
pub fn partition_count(reader: &BaseConsumer, topic: &str) -> KafkaResult<i32> {
    let mut count = 0;
    for _ in 0..50 {
        let metadata = reader.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
        let known = metadata.topics().iter().find(|known| known.name() == topic);
        count = known.map_or(0, |known| known.partitions().len());
        if count > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    if count == 0 {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable));
    }
    Ok(i32::try_from(count).unwrap_or(i32::MAX))
}
