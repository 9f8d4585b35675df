//! Reading the log: the one place that polls its partitions.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use schemas::Topic;

use super::cluster::{Cluster, Isolation};
use super::record::Message;

/// Reads the partitions it is given, each from an offset on.
pub struct LogReader {
    pub(super) consumer: BaseConsumer,
    /// The topics' full names. A linear search among so few is faster than a hash of the name.
    names: Vec<(Topic, String)>,
}

/// Why a poll gave no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A broker is away or moves. librdkafka connects and asks again by itself, so the reader can be polled on.
    #[error("{0}")]
    Passing(KafkaError),
    /// A position is before the log's beginning or past its end, so that it was taken from another log, or this one lost records.
    #[error("a position is outside the log: the log was made anew, or lost records")]
    OutsideTheLog,
    /// Kafka refuses, or failed in a way that librdkafka does not mend.
    #[error("{0}")]
    Kafka(KafkaError),
}

impl LogReader {
    /// A reader without partitions. Those who fold events need [`Isolation::Committed`].
    ///
    /// # Errors
    /// When librdkafka refuses an option.
    pub fn new(cluster: &Cluster, prefix: &str, isolation: Isolation) -> KafkaResult<Self> {
        Ok(Self::of(cluster.reader(isolation)?, prefix))
    }

    /// A reader without partitions, of a client with further options.
    pub(super) fn of(consumer: BaseConsumer, prefix: &str) -> Self {
        Self { consumer, names: Topic::ALL.map(|topic| (topic, topic.name(prefix))).into() }
    }

    /// Reads these partitions too, each from its next offset on.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn add(&self, positions: impl IntoIterator<Item = ((Topic, i32), i64)>) -> KafkaResult<()> {
        let mut added = TopicPartitionList::new();
        for ((topic, partition), next) in positions {
            // Compaction may have taken the first records; of an event log they must be there.
            let is_beginning = next == 0 && !topic.is_event_log();
            let from = if is_beginning { Offset::Beginning } else { Offset::Offset(next) };
            added.add_partition_offset(self.name(topic), partition, from)?;
        }
        if added.count() == 0 { Ok(()) } else { self.consumer.incremental_assign(&added) }
    }

    /// Reads these partitions no more. Records of them that were fetched already may still come.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn remove(&self, partitions: impl IntoIterator<Item = (Topic, i32)>) -> KafkaResult<()> {
        let removed = self.list(partitions);
        if removed.count() == 0 { Ok(()) } else { self.consumer.incremental_unassign(&removed) }
    }

    /// Lets a partition wait: it gets no record until [`Self::resume`].
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn pause(&self, topic: Topic, partition: i32) -> KafkaResult<()> {
        self.consumer.pause(&self.list([(topic, partition)]))
    }

    /// Lets a partition go on. Records that were under way when it was paused may come twice.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn resume(&self, topic: Topic, partition: i32) -> KafkaResult<()> {
        self.consumer.resume(&self.list([(topic, partition)]))
    }

    /// The next record of any partition; `None` where none comes in time. A wait of less than a millisecond spins.
    ///
    /// Markers of transactions and aborted records take offsets and show in no poll: [`Self::positions`] passes them.
    ///
    /// # Errors
    /// See [`LogError`].
    pub fn poll(&self, wait: Duration) -> Result<Option<Message<'_>>, LogError> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(received)) => {
                let topic = self.topic(received.topic());
                Ok(Some(Message::new(topic, received)))
            }
            Some(Err(error)) => Err(error_of(error)),
        }
    }

    /// The next offset of each partition. One of which nothing was read since it was added has none yet and is left out.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn positions(&self) -> KafkaResult<Vec<((Topic, i32), i64)>> {
        let list = self.consumer.position()?;
        let known = list.elements().into_iter().filter_map(|element| {
            let Offset::Offset(next) = element.offset() else { return None };
            Some(((self.topic(element.topic()), element.partition()), next))
        });
        Ok(known.collect())
    }

    fn list(&self, partitions: impl IntoIterator<Item = (Topic, i32)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(self.name(topic), partition);
        }
        list
    }

    fn name(&self, topic: Topic) -> &str {
        let known = self.names.iter().find(|(known, _)| *known == topic);
        known.map(|(_, name)| name).expect("every topic has a name")
    }

    fn topic(&self, name: &str) -> Topic {
        let known = self.names.iter().find(|(_, known)| known == name);
        known.map(|(topic, _)| *topic).expect("only Till's topics are read")
    }
}

impl From<LogError> for KafkaError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Passing(error) | LogError::Kafka(error) => error,
            LogError::OutsideTheLog => Self::MessageConsumption(RDKafkaErrorCode::OffsetOutOfRange),
        }
    }
}

fn error_of(error: KafkaError) -> LogError {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        // Till's readers are configured to say so instead of jumping.
        Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => LogError::OutsideTheLog,
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::Resolve
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NetworkException,
        ) => LogError::Passing(error),
        _ => LogError::Kafka(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};
    use schemas::codec::Framing;
    use schemas::record::Reading;
    use schemas::shards::TopologyDeclared;
    use schemas::{Event, EventHeaders, Position};
    use uuid::Uuid;

    use super::*;
    use crate::Common;
    use crate::kafka::writer::RecordWriter;

    const SURELY: Duration = Duration::from_secs(60);

    fn cluster(brokers: &MockCluster<'_, DefaultProducerContext>) -> Cluster {
        brokers.create_topic("till.shards", 1, 1).unwrap();
        Cluster::new(&Common { kafka_brokers: brokers.bootstrap_servers(), ..Common::defaults() })
    }

    fn next(reader: &LogReader) -> Result<Message<'_>, LogError> {
        let deadline = Instant::now() + SURELY;
        loop {
            match reader.poll(Duration::from_millis(20)) {
                Ok(Some(message)) => return Ok(message),
                Ok(None) | Err(LogError::Passing(_)) => assert!(Instant::now() < deadline, "nothing came"),
                Err(error) => return Err(error),
            }
        }
    }

    #[test]
    fn an_event_that_is_written_is_read() {
        let brokers = MockCluster::new(1).unwrap();
        let cluster = cluster(&brokers);
        let event = Event::from(TopologyDeclared { epoch: 1, shards: 2, partitions: 16 });
        let headers = EventHeaders {
            correlation_id: Some("0123456789abcdef".to_owned()),
            ..EventHeaders::new(Uuid::now_v7())
        };
        let producer: BaseProducer =
            cluster.transactional_producer("till-test", DefaultProducerContext).unwrap();
        producer.init_transactions(SURELY).unwrap();
        producer.begin_transaction().unwrap();
        let record = RecordWriter::new("till", Framing::SingleObject).record(&event, 0, &headers);
        let value_bytes = record.value_bytes();
        record.send(&producer, (), || unreachable!("its queue has room")).unwrap();
        producer.flush(SURELY).unwrap();
        producer.commit_transaction(SURELY).unwrap();

        let reader = LogReader::new(&cluster, "till", Isolation::Committed).unwrap();
        reader.add([((Topic::Shards, 0), 0)]).unwrap();
        let message = next(&reader).unwrap();
        assert_eq!(message.key(), event.key().as_bytes());
        assert_eq!(message.header("correlation-id"), Some(b"0123456789abcdef".as_slice()));
        let record = message.record();
        assert_eq!(record.position, Position { topic: Topic::Shards, partition: 0, offset: 0 });
        assert_eq!((record.event_id, record.value_bytes), (headers.event_id, value_bytes));
        assert_eq!(record.reading, Ok(Reading::Event(event.clone())));
        assert_eq!(record.into_event(), Ok(Some(event)));
        drop(message);
        assert!(
            reader
                .positions()
                .unwrap()
                .iter()
                .all(|(place, next)| (*place, *next) == ((Topic::Shards, 0), 1))
        );
    }

    #[test]
    fn a_position_past_the_end_is_outside_the_log() {
        let brokers = MockCluster::new(1).unwrap();
        let reader = LogReader::new(&cluster(&brokers), "till", Isolation::Committed).unwrap();
        reader.add([((Topic::Shards, 0), 5)]).unwrap();
        assert_eq!(next(&reader).map(|message| message.position()).unwrap_err(), LogError::OutsideTheLog);
    }
}
