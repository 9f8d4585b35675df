//! Asking Kafka where topics end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::sync::watch;

use super::cluster::{Cluster, Isolation, REQUEST_TIMEOUT};
use super::renewed::Renewed;

/// Between two questions of a [`WatchedEnds`].
const ASK_EVERY: Duration = Duration::from_secs(2);

/// The next offset of a partition, by topic and partition.
type Offsets = HashMap<(String, i32), i64>;

/// Asks for high watermarks for as long as the process runs.
pub struct Ends(Renewed<BaseConsumer>);

impl Ends {
    /// Nothing is asked, and no client made, yet.
    #[must_use]
    pub fn new(cluster: &Cluster) -> Self {
        Self(Renewed::reader(cluster, Isolation::Uncommitted))
    }

    /// Asks for the last stable offsets instead: how far a reader of committed records can get at the moment.
    #[must_use]
    pub fn committed(cluster: &Cluster) -> Self {
        Self(Renewed::reader(cluster, Isolation::Committed))
    }

    /// The high watermark of each partition of topics, given with their partition counts: past every record
    /// acknowledged before the question. Blocks; one question at a time.
    ///
    /// # Errors
    /// When a broker does not answer in [`REQUEST_TIMEOUT`].
    pub fn ask(&self, topics: &[(&str, i32)]) -> KafkaResult<Offsets> {
        self.0.with(|reader, timeout| {
            // Nothing is assigned, so no record comes. But librdkafka queues what it has to say about its connections until
            // somebody polls.
            while reader.poll(Duration::ZERO).is_some() {}
            offsets(reader, topics, Offset::End, timeout)
        })
    }
}

/// The high watermarks of topics as they were within the last seconds, for threads that must not wait for a broker.
pub struct WatchedEnds(watch::Receiver<Offsets>);

impl WatchedEnds {
    /// Starts the thread that asks, every two seconds. It ends some time after this value. `topics` are given with their
    /// partition counts.
    ///
    /// # Panics
    /// When no thread can be started.
    #[must_use]
    pub fn start(ends: Arc<Ends>, topics: Vec<(String, i32)>) -> Self {
        let (known, watched) = watch::channel(Offsets::new());
        let watch = move || {
            let asked: Vec<_> =
                topics.iter().map(|(name, partitions)| (name.as_str(), *partitions)).collect();
            while !known.is_closed() {
                // Kafka did not answer: what is known stays as it is, and nobody is woken.
                if let Ok(found) = ends.ask(&asked) {
                    known.send_replace(found);
                }
                std::thread::sleep(ASK_EVERY);
            }
        };
        std::thread::Builder::new().name("ends".into()).spawn(watch).expect("a thread can be started");
        Self(watched)
    }

    /// The ends, if Kafka has told them since the last call.
    pub fn news(&mut self) -> Option<watch::Ref<'_, Offsets>> {
        self.0.has_changed().unwrap_or(false).then(|| self.0.borrow_and_update())
    }
}

/// The next offset of each partition, in one request a broker. With an [`Isolation::Uncommitted`] reader that is
/// the high watermark: past every record acknowledged so far.
///
/// Blocks.
///
/// # Errors
/// When a broker does not answer in [`REQUEST_TIMEOUT`].
pub fn end_offsets<C: ConsumerContext>(
    reader: &BaseConsumer<C>,
    topics: &[(&str, i32)],
) -> KafkaResult<Offsets> {
    offsets(reader, topics, Offset::End, REQUEST_TIMEOUT)
}

/// ListOffsets takes -1 and -2 for the end and the beginning where a timestamp would stand.
pub(super) fn offsets<C: ConsumerContext>(
    reader: &BaseConsumer<C>,
    topics: &[(&str, i32)],
    which: Offset,
    timeout: Duration,
) -> KafkaResult<Offsets> {
    let mut wanted = TopicPartitionList::new();
    for (topic, partitions) in topics {
        for partition in 0..*partitions {
            wanted.add_partition_offset(topic, partition, which)?;
        }
    }
    let mut found = HashMap::new();
    for element in reader.offsets_for_times(wanted, timeout)?.elements() {
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => found.insert((element.topic().to_owned(), element.partition()), offset),
            _ => return Err(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition)),
        };
    }
    Ok(found)
}
