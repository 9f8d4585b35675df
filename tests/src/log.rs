//! Topics as raw records, and a producer that is none of Till's.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::kafka::client;

/// How long reading a test's topic may take before the test gives up.
const READ_WITHIN: Duration = Duration::from_secs(120);

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// The reader sees records of committed transactions only.
    Committed,
    /// The reader sees all records, those of open and aborted transactions too.
    Uncommitted,
}

/// A record as it stands in the log, undecoded.
#[derive(Clone, Debug)]
pub struct RawRecord {
    /// The partition it is in.
    pub partition: i32,
    /// Its offset in that partition.
    pub offset: i64,
    /// Its key; empty where it has none.
    pub key: Vec<u8>,
    /// Its value, with its framing; empty where it has none.
    pub value: Vec<u8>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl RawRecord {
    /// The value of the first header of a name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_slice())
    }
}

/// A topic of a broker.
#[derive(Clone, Debug)]
pub struct Log {
    brokers: String,
    topic: String,
}

impl Log {
    /// A topic with this full name. It need not exist yet.
    #[must_use]
    pub fn new(brokers: &str, topic: &str) -> Self {
        Self { brokers: brokers.to_owned(), topic: topic.to_owned() }
    }

    /// All records that there are, by partition and offset. A read of committed records waits for open transactions to
    /// end.
    pub async fn records(&self, isolation: Isolation) -> Vec<RawRecord> {
        let log = self.clone();
        tokio::task::spawn_blocking(move || log.read(isolation)).await.expect("reading a topic works")
    }

    /// The records with this key.
    pub async fn of_key(&self, key: &str, isolation: Isolation) -> Vec<RawRecord> {
        let mut records = self.records(isolation).await;
        records.retain(|record| record.key == key.as_bytes());
        records
    }

    fn read(&self, isolation: Isolation) -> Vec<RawRecord> {
        let level = if isolation == Isolation::Committed { "read_committed" } else { "read_uncommitted" };
        let mut config = client(&self.brokers);
        config.set("group.id", "till-tests").set("enable.auto.commit", "false").set("isolation.level", level);
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "50");
        let consumer: BaseConsumer = config.create().expect("plain options");
        let mut ends = self.ends(&consumer);
        let mut assignment = TopicPartitionList::new();
        for (partition, _) in &ends {
            assignment.add_partition_offset(&self.topic, *partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&assignment).expect("the partitions exist");
        let mut records = Vec::new();
        let deadline = Instant::now() + READ_WITHIN;
        while !ends.is_empty() {
            assert!(Instant::now() < deadline, "{} could not be read to {ends:?}", self.topic);
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                records.push(raw(&message));
            }
            // The position passes control records too, such as the one that ends a transaction.
            let positions = consumer.position().expect("assigned partitions have a position");
            ends.retain(|(partition, end)| {
                let position = positions.find_partition(&self.topic, *partition).map(|at| at.offset());
                !matches!(position, Some(Offset::Offset(at)) if at >= *end) && *end > 0
            });
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// The high watermark of each partition.
    fn ends(&self, consumer: &BaseConsumer) -> Vec<(i32, i64)> {
        let metadata = consumer.fetch_metadata(Some(&self.topic), READ_WITHIN).expect("the broker answers");
        let partitions =
            metadata.topics()[0].partitions().iter().map(rdkafka::metadata::MetadataPartition::id);
        partitions
            .map(|partition| {
                let (_, end) = consumer
                    .fetch_watermarks(&self.topic, partition, READ_WITHIN)
                    .expect("the broker answers");
                (partition, end)
            })
            .collect()
    }

    /// Deletes the topic and waits until it is gone.
    ///
    /// # Panics
    /// The topic stays.
    pub async fn delete(&self) {
        let admin: AdminClient<DefaultClientContext> = client(&self.brokers).create().expect("plain options");
        let deleted =
            admin.delete_topics(&[&self.topic], &AdminOptions::new()).await.expect("the broker answers");
        deleted.into_iter().for_each(|topic| assert!(topic.is_ok(), "{topic:?}"));
        let deadline = Instant::now() + READ_WITHIN;
        while crate::kafka::partitions(&self.brokers, &self.topic).await > 0 {
            assert!(Instant::now() < deadline, "{} is not deleted", self.topic);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Gives the topic these settings, and no others.
    ///
    /// # Panics
    /// The broker refuses them.
    pub async fn configure(&self, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = client(&self.brokers).create().expect("plain options");
        let topic = AlterConfig::new(ResourceSpecifier::Topic(&self.topic));
        let altered = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let done = admin.alter_configs(&[altered], &AdminOptions::new()).await.expect("the broker answers");
        done.into_iter().for_each(|topic| assert!(topic.is_ok(), "{topic:?}"));
    }

    /// Begins a transaction of a producer that is none of Till's. It blocks.
    ///
    /// # Errors
    /// Kafka's own error.
    pub fn begin(&self, transactional_id: &str, timeout: Duration) -> rdkafka::error::KafkaResult<Foreign> {
        let mut config = client(&self.brokers);
        config.set("transactional.id", transactional_id).set("linger.ms", "0");
        config.set("transaction.timeout.ms", timeout.as_millis().to_string());
        let producer: BaseProducer = config.create()?;
        producer.init_transactions(Timeout::After(Duration::from_secs(30)))?;
        producer.begin_transaction()?;
        Ok(Foreign { producer, topic: self.topic.clone() })
    }
}

fn raw(message: &rdkafka::message::BorrowedMessage<'_>) -> RawRecord {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec())).collect()
    });
    RawRecord {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.unwrap_or_default(),
    }
}

/// An open transaction of a producer that is none of Till's.
pub struct Foreign {
    producer: BaseProducer,
    topic: String,
}

impl Foreign {
    /// Appends a record and waits until the broker has it.
    ///
    /// # Errors
    /// Kafka's own error.
    pub fn append(&self, record: &RawRecord) -> rdkafka::error::KafkaResult<()> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Appends records and waits until the broker has all of them.
    ///
    /// # Errors
    /// Kafka's own error.
    pub fn append_all(&self, records: &[RawRecord]) -> rdkafka::error::KafkaResult<()> {
        records.iter().try_for_each(|record| self.send(record))?;
        self.producer.flush(Duration::from_secs(30))
    }

    fn send(&self, record: &RawRecord) -> rdkafka::error::KafkaResult<()> {
        let headers = record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let out = BaseRecord::to(&self.topic)
            .partition(record.partition)
            .key(&record.key)
            .payload(&record.value)
            .headers(headers);
        self.producer.send(out).map_err(|(error, _)| error)
    }

    /// Commits the transaction.
    ///
    /// # Errors
    /// Kafka's own error.
    pub fn commit(self) -> rdkafka::error::KafkaResult<()> {
        self.producer.commit_transaction(Timeout::After(Duration::from_secs(30)))
    }

    /// Aborts the transaction.
    ///
    /// # Errors
    /// Kafka's own error.
    pub fn abort(self) -> rdkafka::error::KafkaResult<()> {
        self.producer.abort_transaction(Timeout::After(Duration::from_secs(30)))
    }
}
