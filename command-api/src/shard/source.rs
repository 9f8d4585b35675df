//! Reads one event again, by its position: the log is the store of what states do not keep.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Isolation, REQUEST_TIMEOUT};
use schemas::{Event, Position};

use super::record;

pub struct Source {
    reader: Mutex<BaseConsumer>,
    prefix: String,
}

impl Source {
    pub fn new(cluster: &Cluster, prefix: &str) -> KafkaResult<Self> {
        Ok(Self { reader: Mutex::new(cluster.reader(Isolation::Committed)?), prefix: prefix.to_owned() })
    }

    /// The event at a position of the log. Blocks, one reader at a time.
    pub fn read(&self, position: Position) -> KafkaResult<Event> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut place = TopicPartitionList::new();
        let topic = position.topic.name(&self.prefix);
        place.add_partition_offset(&topic, position.partition, Offset::Offset(position.offset))?;
        reader.assign(&place)?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let event = loop {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if message.offset() == position.offset => {
                    break record::read(position.topic, &message)
                        .map(|(event, _)| event)
                        .map_err(|_| KafkaError::Canceled);
                }
                Some(Err(error)) if super::verify::is_outside_the_log(&error) => break Err(error),
                _ if Instant::now() > deadline => break Err(KafkaError::Canceled),
                _ => {}
            }
        };
        reader.unassign()?;
        event
    }
}
