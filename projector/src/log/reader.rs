//! Reads the log on a thread of its own and hands batches to the fold.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{Message, TopicPartitionList as List};
use runtime::kafka::{Cluster, Isolation, is_outside_the_log};
use schemas::Topic;
use schemas::record::Newer;
use tokio::sync::mpsc;

use crate::log::record::{Batch, LastRecords, Move, Positions, decode};

/// How long a poll waits while no record is gathered. A control record that comes alone shows in no poll, so it is noticed after this
/// time.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// How long a poll waits while records are gathered: so late a batch may be handed over after the fold has become free.
const BUSY_POLL: Duration = Duration::from_millis(1);
/// How many records are taken between two looks at whether the fold is free.
const LOOK_EVERY: usize = 64;

/// How large a batch may become before it is handed over.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// The most records that it may have.
    pub events: usize,
    /// With so many bytes of values it takes no further record, so the last one may exceed it.
    pub bytes: usize,
}

/// Why the log cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The log ends before a position: it is not the one the positions were taken from.
    #[error(
        "the log ends before the position: is it another log, or was it recreated? Point TILL_KAFKA_BROKERS and TILL_TOPIC_PREFIX at the log the tables were folded from, or fold them anew: projector rebuild"
    )]
    AnotherLog,
    /// Kafka refused or failed.
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// Kafka did not say where the log ends.
    #[error("{0}")]
    NoEnds(String),
    /// This binary is too old for a record.
    #[error("{topic}/{partition} at {offset}: {newer}")]
    Newer { topic: &'static str, partition: i32, offset: i64, newer: Newer },
    /// A partition ends further on, and no record of it comes.
    #[error(
        "nothing came of {topic}/{partition} for half a minute although there is more: its Kafka client is made anew"
    )]
    Silent { topic: &'static str, partition: i32 },
    /// The thread has ended, and has said why before.
    #[error("the reader has ended")]
    Ended,
}

/// Batches of committed records from given positions on. Dropping it ends its thread.
pub struct Reader {
    batches: mpsc::Receiver<Result<Batch, ReadError>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    fold_is_free: AtomicBool,
    stopped: AtomicBool,
}

impl Reader {
    /// Starts the thread that reads, from the positions on.
    ///
    /// # Errors
    /// When librdkafka refuses, or no thread can be started.
    pub fn start(
        cluster: &Cluster,
        prefix: &str,
        positions: &Positions,
        limits: BatchLimits,
    ) -> Result<Self, ReadError> {
        let consumer = cluster.reader(Isolation::Committed)?;
        let mut assignment = TopicPartitionList::new();
        let mut topics = HashMap::new();
        for (&(topic, partition), &next) in positions {
            let name = topic.name(prefix);
            assignment.add_partition_offset(&name, partition, Offset::Offset(next))?;
            topics.insert(name, topic);
        }
        consumer.assign(&assignment)?;
        let (sender, batches) = mpsc::channel(1);
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            consumer,
            topics,
            limits,
            handed_over: positions.clone(),
            gathered: Vec::new(),
            bytes: 0,
            stop: None,
            batches: sender,
            shared: Arc::clone(&shared),
        };
        std::thread::Builder::new()
            .name("reader".into())
            .spawn(move || worker.run())
            .map_err(|error| ReadError::Kafka(KafkaError::ClientCreation(error.to_string())))?;
        Ok(Self { batches, shared })
    }

    /// The next batch, as soon as there is anything: records, moves or both. Dropping the future loses no batch.
    ///
    /// # Errors
    /// See [`ReadError`]; after one the reader has ended.
    pub async fn next(&mut self) -> Result<Batch, ReadError> {
        if let Ok(ready) = self.batches.try_recv() {
            return ready;
        }
        self.shared.fold_is_free.store(true, Ordering::Release);
        let batch = self.batches.recv().await;
        self.shared.fold_is_free.store(false, Ordering::Release);
        batch.unwrap_or(Err(ReadError::Ended))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
    }
}

struct Worker {
    consumer: BaseConsumer,
    topics: HashMap<String, Topic>,
    limits: BatchLimits,
    handed_over: Positions,
    gathered: Vec<crate::log::record::Record>,
    bytes: usize,
    /// A record that this binary is too old for. What comes before it is handed over first, then the reader ends.
    stop: Option<((Topic, i32), i64, Newer)>,
    batches: mpsc::Sender<Result<Batch, ReadError>>,
    shared: Arc<Shared>,
}

impl Worker {
    fn run(mut self) {
        let failed = loop {
            if self.shared.stopped.load(Ordering::Acquire) || self.batches.is_closed() {
                return;
            }
            if let Err(error) = self.step() {
                break error;
            }
        };
        // If the reader was dropped meanwhile, nobody needs the error.
        let _ = self.batches.blocking_send(Err(failed));
    }

    fn step(&mut self) -> Result<(), ReadError> {
        let progressed = self.gather_ready()?;
        if self.stop.is_some() {
            return self.hand_over_and_stop();
        }
        if self.is_full() {
            let batch = self.take()?;
            return self.batches.blocking_send(Ok(batch)).map_err(|_| ReadError::Ended);
        }
        if self.shared.fold_is_free.load(Ordering::Acquire) && self.batches.capacity() > 0 {
            let batch = self.take()?;
            if !batch.moves.is_empty() || !batch.records.is_empty() {
                return self.batches.blocking_send(Ok(batch)).map_err(|_| ReadError::Ended);
            }
        }
        if !progressed {
            let wait = if self.gathered.is_empty() { IDLE_POLL } else { BUSY_POLL };
            self.poll(wait)?;
        }
        Ok(())
    }

    fn hand_over_and_stop(&mut self) -> Result<(), ReadError> {
        let batch = self.take()?;
        if !batch.moves.is_empty() {
            self.batches.blocking_send(Ok(batch)).map_err(|_| ReadError::Ended)?;
        }
        let Some(((topic, partition), offset, newer)) = self.stop.take() else { return Ok(()) };
        Err(ReadError::Newer { topic: topic.short_name(), partition, offset, newer })
    }

    /// Gathers records that the client has already, without waiting. `false`: there was none.
    fn gather_ready(&mut self) -> Result<bool, ReadError> {
        for taken in 0..LOOK_EVERY {
            if self.is_full() || !self.poll(Duration::ZERO)? {
                return Ok(taken > 0);
            }
        }
        Ok(true)
    }

    fn is_full(&self) -> bool {
        self.stop.is_some() || self.gathered.len() >= self.limits.events || self.bytes >= self.limits.bytes
    }

    fn poll(&mut self, wait: Duration) -> Result<bool, ReadError> {
        let message = match self.consumer.poll(wait) {
            None => return Ok(false),
            Some(Ok(message)) => message,
            Some(Err(error)) => return check(error).map(|()| false),
        };
        let Some(topic) = self.topics.get(message.topic()).copied() else { return Ok(true) };
        match decode(topic, &message) {
            Ok(record) => {
                self.bytes += record.bytes;
                self.gathered.push(record);
            }
            Err(newer) => self.stop = Some(((topic, message.partition()), message.offset(), newer)),
        }
        Ok(true)
    }

    /// The records gathered, and how far the consumer is after them. Its position also passes control records, which no message
    /// shows.
    fn take(&mut self) -> KafkaResult<Batch> {
        let mut positions = positions_of(&self.consumer.position()?, &self.topics);
        if let Some((place, offset, _)) = &self.stop {
            positions.insert(*place, *offset);
        }
        let last: LastRecords =
            self.gathered.iter().map(|r| ((r.topic, r.partition), (r.offset, r.event_id))).collect();
        let mut moves = Vec::new();
        for (&(topic, partition), &to) in &positions {
            let Some(from) = self.handed_over.get_mut(&(topic, partition)) else { continue };
            if to > *from {
                let last = last.get(&(topic, partition)).copied();
                moves.push(Move { topic, partition, from: *from, to, last });
                *from = to;
            }
        }
        self.bytes = 0;
        Ok(Batch { records: std::mem::take(&mut self.gathered), moves })
    }
}

fn positions_of(list: &List, topics: &HashMap<String, Topic>) -> Positions {
    let known = list.elements().into_iter().filter_map(|element| {
        let Offset::Offset(next) = element.offset() else { return None };
        Some(((*topics.get(element.topic())?, element.partition()), next))
    });
    known.collect()
}

/// Lets errors pass that librdkafka mends by itself: it reconnects and asks again.
fn check(error: KafkaError) -> Result<(), ReadError> {
    use RDKafkaErrorCode as Code;
    if is_outside_the_log(&error) {
        return Err(ReadError::AnotherLog);
    }
    match error.rdkafka_error_code() {
        Some(
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::Resolve
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::NetworkException
            | Code::RequestTimedOut,
        ) => {
            tracing::debug!(%error, "Kafka is away; its client keeps trying");
            Ok(())
        }
        _ => Err(ReadError::Kafka(error)),
    }
}
