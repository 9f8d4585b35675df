//! Where Kafka is, and its clients. Every option Till sets is in this file, with its reason: defaults change, reasons don't.

use std::time::Duration;

use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaConfRes;

use crate::Common;

/// How long a metadata or offset request may take before it counts as failed.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The broker ends a transaction of [`Cluster::bulk_transactional_producer`] that takes longer.
pub const BULK_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Where Kafka is and how to log in to it.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) brokers: String,
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

/// The options that librdkafka does not take: by their key where it is one of librdkafka's, else by their number. A value with
/// a comma is cut there, so that what stands before the next `=` may be a part of a password; and librdkafka's own words would
/// repeat the values.
pub(crate) fn refused_options(options: &[(String, String)]) -> Vec<String> {
    let refused = |(index, (key, value)): (usize, &(String, String))| {
        let error = ClientConfig::new().set(key, value).create_native_config().err()?;
        match error {
            KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_INVALID, ..) => {
                Some(format!("this value of {key}"))
            }
            _ => Some(format!("the key of pair number {}", index + 1)),
        }
    };
    options.iter().enumerate().filter_map(refused).collect()
}

impl Cluster {
    /// The cluster of the settings.
    #[must_use]
    pub fn new(common: &Common) -> Self {
        let options = parse_options(&common.kafka_options).unwrap_or_default();
        Self { brokers: common.kafka_brokers.clone(), options }
    }

    /// The options of every client, for those that have no others.
    pub(super) fn base(&self) -> ClientConfig {
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
            // Requests are small and each is waited for, so Nagle's algorithm would only hold them back.
            .set("socket.nagle.disable", "true")
            // Brokers close idle connections, which is no event worth a line.
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
            // How much may be fetched ahead of the reader: it bounds memory in a replay.
            .set("queued.max.messages.kbytes", "2048")
            .set("queued.min.messages", "10000")
            .set("fetch.message.max.bytes", "1048576")
            // An answer is compressed on its way; unpacked and taken apart it takes ten times as much memory.
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
            // The ownership thread never blocks for long. One that has hung for so long should lose its shards.
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
            // A hundred thousand records must get through a busy broker in this time. A replica that takes over need not wait for
            // it: it fences.
            .set("transaction.timeout.ms", BULK_TRANSACTION_TIMEOUT.as_millis().to_string())
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
            // More than the topics' max.message.bytes, so that the broker refuses a record that is too large, in its own words.
            .set("message.max.bytes", "4194304")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536")
            // Its owner must know of each connection that breaks: a request sent again may be carried out twice.
            .set("log.connection.close", "true")
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }
}
