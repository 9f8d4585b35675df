//! Reading the partitions of one topic side by side, each up to a place of its own.
//!
//! Only records of committed transactions are seen. Where a partition's reading ends is an offset; the next
//! reading begins there, so that every record is visited exactly once however often readings end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use runtime::kafka::{Cluster, Isolation};
use runtime::server::Readiness;
use schemas::codec::{self, DecodeError};
use schemas::{Event, headers};
use tokio_util::sync::CancellationToken;

use crate::fault::Fault;

/// Markers of transactions wake no one: positions are asked for this often.
const POLL: Duration = Duration::from_millis(5);
/// Records of partitions that are ahead of the others wait in memory up to here, for all partitions together.
const HELD_MAX_BYTES: usize = 16 << 20;
/// Without progress this long, readiness says so.
const SLOW: Duration = Duration::from_secs(5);
/// Without progress this long, the reading is given up and begun anew.
const STALLED: Duration = Duration::from_secs(60);

/// A topic and how many partitions it has.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) topic: String,
    pub(crate) partitions: i32,
}

impl Log {
    /// The high watermark of each partition: past every record acknowledged so far, whether or not its
    /// transaction has ended. `asker` must be a read_uncommitted client.
    pub(crate) fn high_watermarks(&self, asker: &BaseConsumer) -> Result<Vec<i64>, Fault> {
        let mut found = runtime::kafka::end_offsets(asker, &[(&self.topic, self.partitions)])
            .map_err(Fault::kafka("asking for the end of a topic"))?;
        let end = |partition| found.remove(&(self.topic.clone(), partition));
        (0..self.partitions).map(end).collect::<Option<Vec<_>>>().ok_or_else(|| {
            Fault::Inconsistent(format!("{} has fewer partitions than TILL_PARTITIONS", self.topic))
        })
    }
}

/// One record of an event topic.
pub(crate) struct Record<'r> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The broker's clock (`LogAppendTime`).
    pub(crate) appended_at: DateTime<Utc>,
    value: &'r [u8],
    schema: Option<&'r [u8]>,
}

impl Record<'_> {
    pub(crate) fn event(&self) -> Result<Event, DecodeError> {
        codec::decode(self.value, self.schema)
    }
}

/// What a reading asks now and then: whether to stop, and whom to tell that it waits.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) shutdown: CancellationToken,
    pub(crate) readiness: Readiness,
}

/// Reads a topic from given offsets on.
pub(crate) struct LogReader {
    log: Log,
    consumer: BaseConsumer,
    cursors: Vec<Cursor>,
}

/// Where a partition is read to.
struct Cursor {
    /// What stands before it is visited, held, or no record of a committed transaction.
    position: i64,
    /// Read, but past where the reading ended.
    held: VecDeque<Held>,
    held_bytes: usize,
    paused: bool,
    /// Where the current reading ended.
    end: Option<i64>,
}

struct Held {
    offset: i64,
    appended_at: DateTime<Utc>,
    value: Vec<u8>,
    schema: Option<Vec<u8>>,
}

/// Up to where a reading goes: in each partition to the first record that is past, at most to its horizon.
pub(crate) struct Until<'u> {
    pub(crate) horizon: &'u [i64],
    pub(crate) past: &'u dyn Fn(&Record) -> bool,
}

/// What is done with a record that is not past.
pub(crate) type Visit<'v> = &'v mut dyn FnMut(&Record) -> Result<(), Fault>;

impl LogReader {
    /// A reader that begins at `starts`, one of each partition.
    pub(crate) fn open(cluster: &Cluster, log: &Log, starts: &[i64]) -> Result<Self, Fault> {
        let doing = "opening a reader";
        let consumer = cluster.reader(Isolation::Committed).map_err(Fault::kafka(doing))?;
        let mut assignment = TopicPartitionList::new();
        for (partition, start) in (0..).zip(starts) {
            let offset = Offset::Offset(*start);
            assignment.add_partition_offset(&log.topic, partition, offset).map_err(Fault::kafka(doing))?;
        }
        consumer.assign(&assignment).map_err(Fault::kafka(doing))?;
        let cursors = starts.iter().map(|start| Cursor::at(*start)).collect();
        Ok(Self { log: log.clone(), consumer, cursors })
    }

    /// Visits the records of each partition in order, up to and without the first that is past, and returns
    /// where each partition's reading ended: at that record, or at the horizon.
    ///
    /// Waits for transactions that are open below the horizon.
    pub(crate) fn read(&mut self, until: &Until, visit: Visit, watch: &Watch) -> Result<Vec<i64>, Fault> {
        self.check_horizon(until.horizon)?;
        self.visit_held(until, visit)?;
        let mut progress = Progress { positions: 0, since: Instant::now() };
        loop {
            self.settle(until.horizon)?;
            if self.cursors.iter().all(|cursor| cursor.end.is_some()) {
                return Ok(self.cursors.iter_mut().filter_map(|cursor| cursor.end.take()).collect());
            }
            self.poll(until, visit)?;
            self.check(&mut progress, until.horizon, watch)?;
        }
    }

    /// When the earliest of the partitions' next records was appended; `None` without records below the horizon.
    pub(crate) fn earliest(
        &mut self,
        horizon: &[i64],
        watch: &Watch,
    ) -> Result<Option<DateTime<Utc>>, Fault> {
        self.read(&Until { horizon, past: &|_| true }, &mut |_| Ok(()), watch)?;
        let below = |(cursor, horizon): (&Cursor, &i64)| {
            cursor.held.front().filter(|held| held.offset < *horizon).map(|held| held.appended_at)
        };
        Ok(self.cursors.iter().zip(horizon).filter_map(below).min())
    }

    fn check_horizon(&self, horizon: &[i64]) -> Result<(), Fault> {
        let starts = self.cursors.iter().map(|c| c.held.front().map_or(c.position, |held| held.offset));
        // A held record may stand beyond the horizon: it was appended after the horizon was taken.
        let shorter = (0..)
            .zip(starts.zip(horizon.iter().copied()))
            .find(|(partition, (start, end))| end < start && self.cursors[index(*partition)].held.is_empty());
        let Some((partition, (position, end))) = shorter else { return Ok(()) };
        Err(Fault::Truncated { topic: self.log.topic.clone(), partition, end, position })
    }

    fn visit_held(&mut self, until: &Until, visit: Visit) -> Result<(), Fault> {
        for (partition, cursor) in (0..).zip(&mut self.cursors) {
            let horizon = until.horizon[index(partition)];
            while let Some(held) = cursor.held.front() {
                let record = held.record(partition);
                if record.offset >= horizon || (until.past)(&record) {
                    cursor.end = Some(record.offset.min(horizon));
                    break;
                }
                visit(&record)?;
                cursor.held_bytes -= held.value.len();
                cursor.held.pop_front();
            }
            if cursor.held.is_empty() && cursor.paused {
                let partitions = one(&self.log.topic, partition);
                self.consumer.resume(&partitions).map_err(Fault::kafka("resuming a partition"))?;
                cursor.paused = false;
            }
        }
        Ok(())
    }

    /// Ends the partitions that are read up to their horizon. Positions are the client's: the markers of
    /// transactions take offsets too, but are no records.
    fn settle(&mut self, horizon: &[i64]) -> Result<(), Fault> {
        let positions = self.consumer.position().map_err(Fault::kafka("asking for positions"))?;
        for element in positions.elements() {
            let Offset::Offset(position) = element.offset() else { continue };
            let cursor = &mut self.cursors[index(element.partition())];
            cursor.position = cursor.position.max(position);
        }
        for (cursor, horizon) in self.cursors.iter_mut().zip(horizon) {
            if cursor.end.is_none() && cursor.held.is_empty() && cursor.position >= *horizon {
                cursor.end = Some(*horizon);
            }
        }
        Ok(())
    }

    /// Takes what comes, until nothing comes for a moment or it is time to settle.
    fn poll(&mut self, until: &Until, visit: Visit) -> Result<(), Fault> {
        let started = Instant::now();
        let Self { log, consumer, cursors } = self;
        while started.elapsed() < POLL {
            let message = match consumer.poll(POLL) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(error)) if is_passing(&error) => {
                    tracing::debug!(kafka.topic = log.topic, %error, "reading goes on when the broker is back");
                    continue;
                }
                Some(Err(error)) => return Err(Fault::kafka("reading")(error)),
            };
            let record = record(&message);
            let cursor = &mut cursors[index(record.partition)];
            if cursor.take(&record, until, visit)? {
                continue;
            }
            if cursor.held_bytes >= HELD_MAX_BYTES / until.horizon.len() && !cursor.paused {
                consumer
                    .pause(&one(&log.topic, record.partition))
                    .map_err(Fault::kafka("pausing a partition"))?;
                cursor.paused = true;
            }
        }
        Ok(())
    }

    fn check(&self, progress: &mut Progress, horizon: &[i64], watch: &Watch) -> Result<(), Fault> {
        if watch.shutdown.is_cancelled() {
            return Err(Fault::Stopped);
        }
        let positions = self.cursors.iter().map(|cursor| cursor.position).sum();
        if positions != progress.positions {
            *progress = Progress { positions, since: Instant::now() };
        }
        if progress.since.elapsed() < SLOW {
            return Ok(());
        }
        let waiting = (0..).zip(&self.cursors).find(|(_, cursor)| cursor.end.is_none());
        let Some((partition, cursor)) = waiting else { return Ok(()) };
        let fault = Fault::Stalled {
            topic: self.log.topic.clone(),
            partition,
            position: cursor.position,
            horizon: horizon[index(partition)],
        };
        watch.readiness.set_waiting(fault.to_string());
        if progress.since.elapsed() < STALLED { Ok(()) } else { Err(fault) }
    }
}

struct Progress {
    positions: i64,
    since: Instant,
}

impl Cursor {
    const fn at(position: i64) -> Self {
        Self { position, held: VecDeque::new(), held_bytes: 0, paused: false, end: None }
    }

    /// Visits or holds a record; `true` where it was not held.
    fn take(&mut self, record: &Record, until: &Until, visit: Visit) -> Result<bool, Fault> {
        if record.offset < self.position {
            return Ok(true);
        }
        let horizon = until.horizon[index(record.partition)];
        if self.end.is_none() && record.offset < horizon && !(until.past)(record) {
            visit(record)?;
            self.position = record.offset + 1;
            return Ok(true);
        }
        self.end.get_or_insert(record.offset.min(horizon));
        self.position = record.offset + 1;
        self.held_bytes += record.value.len();
        self.held.push_back(Held {
            offset: record.offset,
            appended_at: record.appended_at,
            value: record.value.to_vec(),
            schema: record.schema.map(<[u8]>::to_vec),
        });
        Ok(false)
    }
}

impl Held {
    fn record(&self, partition: i32) -> Record<'_> {
        let Self { offset, appended_at, value, schema } = self;
        Record { partition, offset: *offset, appended_at: *appended_at, value, schema: schema.as_deref() }
    }
}

fn record<'m>(message: &'m BorrowedMessage) -> Record<'m> {
    let appended_at = message.timestamp().to_millis().and_then(DateTime::from_timestamp_millis);
    let schema = message.headers().and_then(|all| all.iter().find(|header| header.key == headers::SCHEMA));
    Record {
        partition: message.partition(),
        offset: message.offset(),
        appended_at: appended_at.unwrap_or(DateTime::UNIX_EPOCH),
        value: message.payload().unwrap_or_default(),
        schema: schema.and_then(|header| header.value),
    }
}

fn one(topic: &str, partition: i32) -> TopicPartitionList {
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition(topic, partition);
    partitions
}

fn index(partition: i32) -> usize {
    usize::try_from(partition).expect("partitions count from 0")
}

/// The client reconnects by itself.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NetworkException
        )
    )
}
