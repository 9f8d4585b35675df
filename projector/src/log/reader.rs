//! Reads the log on a thread of its own and hands batches to the fold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult};
use runtime::kafka::{Cluster, Isolation, LogError, LogReader, Unreadable};
use tokio::sync::mpsc;

use crate::log::record::{Batch, LastRecords, Move, Positions, decode};

/// How long a poll waits while no record is gathered. A control record that comes alone shows in no poll, so it is noticed after this
/// time.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// How long a poll waits once nothing has come in so many polls: a look at all positions costs more than the poll. A record ends
/// every poll, so only a control record that comes alone is noticed later.
const RESTING_POLL: Duration = Duration::from_millis(100);
const RESTS_AFTER: u32 = 10;
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
    #[error(transparent)]
    Newer(#[from] Unreadable),
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
        let log = LogReader::new(cluster, prefix, Isolation::Committed)?;
        log.add(positions.iter().map(|(partition, next)| (*partition, *next)))?;
        let (sender, batches) = mpsc::channel(1);
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            log,
            limits,
            handed_over: positions.clone(),
            gathered: Vec::new(),
            bytes: 0,
            idle_polls: 0,
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
    log: LogReader,
    limits: BatchLimits,
    handed_over: Positions,
    gathered: Vec<crate::log::record::Record>,
    bytes: usize,
    /// The polls since anything last came or moved.
    idle_polls: u32,
    /// A record that this binary is too old for. What comes before it is handed over first, then the reader ends.
    stop: Option<Unreadable>,
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
                self.idle_polls = 0;
                return self.batches.blocking_send(Ok(batch)).map_err(|_| ReadError::Ended);
            }
        }
        if !progressed {
            let came = self.poll(self.wait())?;
            self.idle_polls = if came { 0 } else { self.idle_polls.saturating_add(1) };
        }
        Ok(())
    }

    fn wait(&self) -> Duration {
        match self.idle_polls {
            _ if !self.gathered.is_empty() => BUSY_POLL,
            RESTS_AFTER.. => RESTING_POLL,
            _ => IDLE_POLL,
        }
    }

    fn hand_over_and_stop(&mut self) -> Result<(), ReadError> {
        let batch = self.take()?;
        if !batch.moves.is_empty() {
            self.batches.blocking_send(Ok(batch)).map_err(|_| ReadError::Ended)?;
        }
        self.stop.take().map_or(Ok(()), |unreadable| Err(unreadable.into()))
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
        let message = match self.log.poll(wait) {
            Ok(None) => return Ok(false),
            Ok(Some(message)) => message,
            Err(LogError::Passing(error)) => {
                tracing::debug!(%error, "Kafka is away; its client keeps trying");
                return Ok(false);
            }
            Err(LogError::OutsideTheLog) => return Err(ReadError::AnotherLog),
            Err(LogError::Kafka(error)) => return Err(ReadError::Kafka(error)),
        };
        match decode(&message) {
            Ok(record) => {
                self.bytes += record.bytes;
                self.gathered.push(record);
            }
            Err(unreadable) => self.stop = Some(unreadable),
        }
        Ok(true)
    }

    /// The records gathered, and how far the consumer is after them. Its position also passes control records, which no message
    /// shows.
    fn take(&mut self) -> KafkaResult<Batch> {
        let mut positions: Positions = self.log.positions()?.into_iter().collect();
        if let Some(Unreadable { position, .. }) = &self.stop {
            positions.insert((position.topic, position.partition), position.offset);
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
