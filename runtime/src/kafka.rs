//! Kafka clients. Every option Till sets is in this file, with its reason: defaults change, reasons don't.

use std::collections::HashMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::Common;

/// How long a metadata or offset request may take before it counts as failed.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a new partition may be without a leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Where Kafka is and how to log in to it.
#[derive(Clone, Debug)]
pub struct Cluster {
    brokers: String,
    options: Vec<(String, String)>,
}

/// What a reader sees of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Committed records only: what happened.
    Committed,
    /// Everything, and the high watermark as the end: for asking how far a reader must go.
    Uncommitted,
}

/// `key=value,key=value`; `None` where a pair has no `=`.
pub(crate) fn parse_options(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .filter(|pair| !pair.trim().is_empty())
        .map(|pair| pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())))
        .collect()
}

impl Cluster {
    /// The cluster of the settings.
    #[must_use]
    pub fn new(common: &Common) -> Self {
        let options = parse_options(&common.kafka_options).unwrap_or_default();
        Self { brokers: common.kafka_brokers.clone(), options }
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            // A broker that restarts is found again within a second, not ten.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            // A topic that was unknown a moment ago is asked for again within seconds, not five minutes.
            .set("topic.metadata.refresh.interval.ms", "5000")
            // Half-open connections to a dead machine are noticed.
            .set("socket.keepalive.enable", "true")
            // Small requests, each waited for.
            .set("socket.nagle.disable", "true")
            // Lines come through tracing; the idle-disconnect ones are noise.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (key, value) in &self.options {
            config.set(key, value);
        }
        config
    }

    /// A reader whose partitions are assigned by hand and whose offsets live with the data they produced.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn reader(&self, isolation: Isolation) -> KafkaResult<BaseConsumer> {
        self.reader_config(isolation).create()
    }

    /// [`Cluster::reader`]'s options, for a context of one's own.
    #[must_use]
    pub fn reader_config(&self, isolation: Isolation) -> ClientConfig {
        let mut config = self.base();
        config
            // librdkafka wants a group even where none is joined.
            .set("group.id", "till-reader")
            // Positions are kept with the data they produced.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // A position outside the log means another log: never skip silently.
            .set("auto.offset.reset", "error")
            .set(
                "isolation.level",
                match isolation {
                    Isolation::Committed => "read_committed",
                    Isolation::Uncommitted => "read_uncommitted",
                },
            )
            // The default of 1 s starves a fast reader whenever its queue was full.
            .set("fetch.queue.backoff.ms", "10")
            // Fetched ahead, at most: what bounds memory in a replay.
            .set("queued.max.messages.kbytes", "2048")
            .set("queued.min.messages", "10000")
            .set("fetch.message.max.bytes", "1048576")
            // One answer on its way, compressed: unpacked and taken apart it is ten times as much.
            .set("fetch.max.bytes", "1048576")
            // An idle reader asks twice a second; a record ends the wait at once.
            .set("fetch.wait.max.ms", "500")
            // Corruption on the way is an error, not a receipt.
            .set("check.crcs", "true");
        config
    }

    /// A member of a consumer group whose assignment means ownership: dynamic, cooperative, quick to notice.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn member<C>(&self, group: &str, context: C) -> KafkaResult<BaseConsumer<C>>
    where
        C: rdkafka::consumer::ConsumerContext,
        BaseConsumer<C>: FromClientConfigAndContext<C>,
    {
        self.base()
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            // A join must not stop the shards that stay where they are.
            .set("partition.assignment.strategy", "cooperative-sticky")
            // A dead owner is replaced after this long: the shortest brokers allow by default.
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500")
            // The ownership thread never blocks for long; one that does should lose its shards.
            .set("max.poll.interval.ms", "30000")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "500")
            .create_with_context(context)
    }

    /// A producer of one transactional id: the newest holder fences all former ones.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn transactional_producer<P, C>(&self, transactional_id: &str, context: C) -> KafkaResult<P>
    where
        C: rdkafka::client::ClientContext,
        P: FromClientConfigAndContext<C>,
    {
        self.transactional(transactional_id)
            // A dead writer's open transaction stalls committed readers this long at most.
            .set("transaction.timeout.ms", "5000")
            // The batch is gathered before it is sent: waiting for more would only delay it.
            .set("linger.ms", "0")
            .create_with_context(context)
    }

    /// [`Cluster::transactional_producer`] for transactions of any size, that nobody waits for.
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn bulk_transactional_producer<P, C>(&self, transactional_id: &str, context: C) -> KafkaResult<P>
    where
        C: rdkafka::client::ClientContext,
        P: FromClientConfigAndContext<C>,
    {
        self.transactional(transactional_id)
            // A hundred thousand records must get through a busy broker; an heir need not wait, it fences.
            .set("transaction.timeout.ms", "60000")
            // Full batches, not a request for each few records.
            .set("linger.ms", "20")
            .create_with_context(context)
    }

    fn transactional(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.base();
        config
            .set("transactional.id", transactional_id)
            .set("acks", "all")
            .set("compression.type", "lz4")
            // Above the topics' max.message.bytes: the broker is the one to refuse.
            .set("message.max.bytes", "4194304")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536");
        config
    }
}

/// What a topic must be like.
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// Its full name.
    pub name: String,
    /// Exactly as many.
    pub partitions: i32,
    /// Only used on creation: operators may raise it later.
    pub replication_factor: i32,
    /// Settings it is created with and must have.
    pub config: &'static [(&'static str, &'static str)],
    /// The first record of each partition must still be there.
    pub from_the_beginning: bool,
}

/// Why a log cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// Kafka did not answer, or refused.
    #[error("Kafka at {brokers}: {source}")]
    Kafka {
        /// The bootstrap servers.
        brokers: String,
        /// What the client says.
        source: KafkaError,
    },
    /// A topic is not what Till needs; all faults, a line each.
    #[error("the topics are not usable:\n{}", .0.iter().map(|fault| format!("  - {fault}")).collect::<Vec<_>>().join("\n"))]
    Unusable(Vec<String>),
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

/// What brokers answer while they start or elect: the topics may well be as they must.
fn is_starting(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::NotController
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::BrokerNotAvailable
            | RDKafkaErrorCode::LeaderNotAvailable
            // Of brokers that are not registered yet, even one replica is too many.
            | RDKafkaErrorCode::InvalidReplicationFactor
    )
}

async fn check_settings(
    admin: &AdminClient<DefaultClientContext>,
    topics: &[TopicSpec],
) -> KafkaResult<Vec<String>> {
    let mut faults = Vec::new();
    for topic in topics {
        let wanted = [ResourceSpecifier::Topic(&topic.name)];
        for resource in admin.describe_configs(&wanted, &AdminOptions::new()).await? {
            let resource = resource.map_err(KafkaError::AdminOp)?;
            for (key, value) in topic.config {
                // The client hides a topic's own error: a broker that starts gives no settings at all.
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
        let partitions = partition_count(&reader, &topic.name)?;
        if partitions != topic.partitions {
            faults.push(format!(
                "{} has {partitions} partitions, must have {}: is another deployment's prefix meant?",
                topic.name, topic.partitions
            ));
            continue;
        }
        if !topic.from_the_beginning {
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
    let deadline = std::time::Instant::now() + LEADER_TIMEOUT;
    loop {
        match offsets(reader, &[(topic, partitions)], Offset::Beginning) {
            Err(_) if std::time::Instant::now() < deadline => std::thread::sleep(Duration::from_millis(100)),
            found => return found,
        }
    }
}

/// A topic that has just been created may take a moment to be known everywhere.
fn partition_count(reader: &BaseConsumer, topic: &str) -> KafkaResult<i32> {
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

/// The next offset of each partition, by topic and partition, in one request a broker. With an
/// [`Isolation::Uncommitted`] reader that is the high watermark: past every record acknowledged so far.
///
/// Blocks.
///
/// # Errors
/// When a broker does not answer in [`REQUEST_TIMEOUT`].
pub fn end_offsets<C: rdkafka::consumer::ConsumerContext>(
    reader: &BaseConsumer<C>,
    topics: &[(&str, i32)],
) -> KafkaResult<HashMap<(String, i32), i64>> {
    offsets(reader, topics, Offset::End)
}

/// ListOffsets takes -1 and -2 for the end and the beginning where a timestamp would stand.
fn offsets<C: rdkafka::consumer::ConsumerContext>(
    reader: &BaseConsumer<C>,
    topics: &[(&str, i32)],
    which: Offset,
) -> KafkaResult<HashMap<(String, i32), i64>> {
    let mut wanted = TopicPartitionList::new();
    for (topic, partitions) in topics {
        for partition in 0..*partitions {
            wanted.add_partition_offset(topic, partition, which)?;
        }
    }
    let mut found = HashMap::new();
    for element in reader.offsets_for_times(wanted, REQUEST_TIMEOUT)?.elements() {
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => found.insert((element.topic().to_owned(), element.partition()), offset),
            _ => return Err(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition)),
        };
    }
    Ok(found)
}
