//! Reading a partition once, from its beginning to where it ends at the moment.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use schemas::{Event, Topic};

use super::cluster::{Cluster, Isolation, REQUEST_TIMEOUT};
use super::log::{LogError, LogReader};
use super::record::Unreadable;

/// How long the whole partition may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// Why a partition could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Kafka refuses, or does not answer in time.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// A newer Till wrote a record of it.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Gives every event of a partition to `note`. A topic that does not exist has none. Blocks, for 30 seconds at most.
///
/// # Errors
/// See [`ReadError`]. Events were given until then.
pub fn read_to_end(
    cluster: &Cluster,
    prefix: &str,
    (topic, partition): (Topic, i32),
    mut note: impl FnMut(Event),
) -> Result<(), ReadError> {
    let deadline = Instant::now() + READ_TIMEOUT;
    let mut config = cluster.reader_config(Isolation::Committed);
    // The reader is told of the end itself: what compaction took away there shows in no offset of a record.
    let reader = LogReader::of(config.set("enable.partition.eof", "true").create()?, prefix);
    if !exists(&reader, &topic.name(prefix))? {
        return Ok(());
    }
    reader.add([((topic, partition), 0)])?;
    while Instant::now() < deadline {
        match reader.poll(POLL) {
            Ok(Some(message)) => {
                if let Some(event) = message.record().into_event()? {
                    note(event);
                }
            }
            Err(LogError::Kafka(KafkaError::PartitionEOF(_))) => return Ok(()),
            Ok(None) | Err(LogError::Passing(_)) => {}
            Err(error) => return Err(KafkaError::from(error).into()),
        }
    }
    Err(KafkaError::Canceled.into())
}

/// Whether the topic is there. One that has just been made may not be known everywhere, and counts as none.
fn exists(reader: &LogReader, topic: &str) -> KafkaResult<bool> {
    let metadata = reader.consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    Ok(metadata.topics().iter().any(|known| known.name() == topic && !known.partitions().is_empty()))
}
