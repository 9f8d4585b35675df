//! Reads one event again, by its position: the log is the store of what states do not keep.

use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Isolation, Renewed};
use schemas::{Event, Position};

use super::record;

pub struct Source {
    reader: Renewed<BaseConsumer>,
    prefix: String,
}

impl Source {
    pub fn new(cluster: &Cluster, prefix: &str) -> Self {
        Self { reader: Renewed::reader(cluster, Isolation::Committed), prefix: prefix.to_owned() }
    }

    /// The event at a position of the log. Blocks, one reader at a time.
    pub fn read(&self, position: Position) -> KafkaResult<Event> {
        let event = self.reader.with(|reader, timeout| self.read_with(reader, timeout, position))?;
        event.ok_or(KafkaError::Canceled)
    }

    /// `None` where the record is no event this binary reads: then no client is to blame.
    fn read_with(
        &self,
        reader: &BaseConsumer,
        timeout: Duration,
        position: Position,
    ) -> KafkaResult<Option<Event>> {
        let mut place = TopicPartitionList::new();
        let topic = position.topic.name(&self.prefix);
        place.add_partition_offset(&topic, position.partition, Offset::Offset(position.offset))?;
        reader.assign(&place)?;
        let deadline = Instant::now() + timeout;
        let event = loop {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(message)) if message.offset() == position.offset => {
                    let read = record::read(position.topic, &message);
                    break Ok(read.ok().flatten().map(|(event, _)| event));
                }
                Some(Err(error)) if runtime::kafka::is_outside_the_log(&error) => break Err(error),
                _ if Instant::now() > deadline => break Err(KafkaError::Canceled),
                _ => {}
            }
        };
        reader.unassign()?;
        event
    }
}
