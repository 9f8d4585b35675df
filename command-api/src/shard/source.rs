//! Reads one event again, by its position. States keep little of an event; the log has all of it.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult};
use runtime::kafka::{Cluster, Isolation, LogError, LogReader, Renewed};
use schemas::{Event, Position};

pub struct Source {
    reader: Renewed<LogReader>,
}

impl Source {
    pub fn new(cluster: &Cluster, prefix: &str) -> Self {
        let (cluster, prefix) = (cluster.clone(), prefix.to_owned());
        Self { reader: Renewed::new(move || LogReader::new(&cluster, &prefix, Isolation::Committed)) }
    }

    /// The event at a position of the log. It blocks, and all callers share one reader in turn.
    pub fn read(&self, position: Position) -> KafkaResult<Event> {
        let event = self.reader.with(|reader, timeout| read_with(reader, timeout, position))?;
        event.ok_or(KafkaError::Canceled)
    }
}

/// Reads the event at a position. `None` where the record there is no event that this binary reads: an answer names
/// positions of events only, so the client is not to blame.
fn read_with(reader: &LogReader, timeout: Duration, position: Position) -> KafkaResult<Option<Event>> {
    let Position { topic, partition, offset } = position;
    reader.add([((topic, partition), offset)])?;
    let deadline = Instant::now() + timeout;
    let event = loop {
        match reader.poll(Duration::from_millis(100)) {
            Ok(Some(message)) if message.position() == position => {
                break message.record().into_event().ok().flatten();
            }
            Err(error @ LogError::OutsideTheLog) => return Err(error.into()),
            _ if Instant::now() > deadline => return Err(KafkaError::Canceled),
            _ => {}
        }
    };
    reader.remove([(topic, partition)])?;
    Ok(event)
}
