//! Appending closed windows: one transaction under the one transactional id of all replicas.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chrono::DateTime;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka::{ClientContext, Message, Timestamp};
use runtime::kafka::{Cluster, RecordWriter};
use schemas::{Event, EventHeaders, partition_of};
use uuid::Uuid;

use crate::clock::Sighting;
use crate::fault::Fault;
use crate::log::Log;

/// How long a transactional request may take. After it the producer is dropped, and the log is asked what became of the
/// transaction.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// librdkafka may have sent a commit that took longer twice.
const SUSPICIOUS_COMMIT: Duration = Duration::from_secs(1);
/// The facility of librdkafka's log lines about connections that were refused or closed.
const CONNECTION_FAILED: &str = "FAIL";
/// The most records that may be on their way to the broker. It bounds memory, whatever a window holds.
const IN_FLIGHT_MAX: i32 = 10_000;

/// The holder of the transactional id. One that failed must be dropped: only fencing anew, and the log, tell
/// what became of its transaction.
pub(crate) struct Writer {
    producer: BaseProducer<Deliveries>,
    log: Log,
    records: RecordWriter,
    /// What the present transaction holds.
    pub(crate) size: Size,
    slow: bool,
}

/// What a transaction holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Writer {
    /// Takes the transactional id: nothing that other replicas have unfinished ever becomes visible.
    pub(crate) fn fence(
        cluster: &Cluster,
        transactional_id: &str,
        log: &Log,
        records: &RecordWriter,
    ) -> Result<Self, Fault> {
        let doing = "taking the transactional id";
        let producer: BaseProducer<Deliveries> = cluster
            .bulk_transactional_producer(transactional_id, Deliveries::default())
            .map_err(Fault::kafka(doing))?;
        producer.init_transactions(REQUEST_TIMEOUT).map_err(Fault::kafka(doing))?;
        let (log, records) = (log.clone(), records.clone());
        let writer = Self { producer, log, records, size: Size::default(), slow: false };
        writer.hear();
        // A connection that broke before the fence can have repeated nothing that comes after it.
        writer.producer.context().seen().connection_broke = false;
        Ok(writer)
    }

    pub(crate) fn begin(&mut self) -> Result<(), Fault> {
        self.size = Size::default();
        self.producer.context().seen().sighting = None;
        self.producer.begin_transaction().map_err(self.fault("beginning a transaction"))
    }

    /// Adds an event to the transaction.
    pub(crate) fn send(&mut self, event: &Event) -> Result<(), Fault> {
        let bytes = self.enqueue(event).map_err(self.fault("appending figures"))?;
        self.size.events += 1;
        self.size.bytes += bytes as u64;
        Ok(())
    }

    /// Waits until the broker has every event of the transaction, and says what its clock shows by its stamps.
    pub(crate) fn deliver(&self) -> Result<Sighting, Fault> {
        self.await_deliveries(0).map_err(self.fault("appending figures"))?;
        let sighting = self.producer.context().seen().sighting;
        sighting.ok_or_else(|| {
            Fault::Inconsistent(format!(
                "{} is not stamped by the broker: its message.timestamp.type must be LogAppendTime",
                self.log.topic
            ))
        })
    }

    /// Commits what was delivered, or an error: then all or none of it becomes visible.
    pub(crate) fn commit(&mut self) -> Result<(), Fault> {
        let begun = Instant::now();
        // Everything is delivered: a commit with reports outstanding would wait in steps of 100 ms.
        self.producer.commit_transaction(REQUEST_TIMEOUT).map_err(self.fault("committing figures"))?;
        self.slow = begun.elapsed() > SUSPICIOUS_COMMIT;
        Ok(())
    }

    /// Whether librdkafka may have sent the commit twice: a late one would end a later transaction half way, so the id
    /// must be fenced before the next.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.hear();
        self.slow || self.producer.context().seen().connection_broke
    }

    /// What librdkafka has to say of connections waits in the producer's queue until somebody polls.
    fn hear(&self) {
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
        }
    }

    /// The fault of an error. Once the producer is fenced, librdkafka purges its queue and each record fails for that; the
    /// fault says that it was fenced.
    fn fault(&self, doing: &'static str) -> impl Fn(KafkaError) -> Fault {
        let fatal = self.producer.client().fatal_error();
        move |error| match &fatal {
            Some((cause, _)) => Fault::kafka(doing)(KafkaError::Global(*cause)),
            None => Fault::kafka(doing)(error),
        }
    }

    /// The length of its value.
    fn enqueue(&self, event: &Event) -> KafkaResult<usize> {
        let partition = partition_of(event.key().as_bytes(), self.log.partitions);
        let record = self.records.record(event, partition, &EventHeaders::new(Uuid::now_v7()));
        if self.producer.in_flight_count() >= IN_FLIGHT_MAX {
            self.await_deliveries(IN_FLIGHT_MAX / 2)?;
        }
        let bytes = record.value_bytes();
        record.send(&self.producer, (), || self.await_deliveries(0))?;
        Ok(bytes)
    }

    /// Waits until at most `rest` records are on their way.
    fn await_deliveries(&self, rest: i32) -> KafkaResult<()> {
        let started = Instant::now();
        loop {
            // Where no report comes, a poll with a time-out waits for all of it: rdkafka's poll does not return early.
            self.producer.poll(Duration::ZERO);
            if let Some(error) = self.producer.context().seen().failure.clone() {
                return Err(error);
            }
            if self.producer.in_flight_count() <= rest {
                return Ok(());
            }
            if started.elapsed() > REQUEST_TIMEOUT {
                return Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut));
            }
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// What the producer has reported.
#[derive(Default)]
struct Deliveries(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The first record that could not be delivered.
    failure: Option<KafkaError>,
    /// The broker's clock, by the stamps of the present transaction's records.
    sighting: Option<Sighting>,
    connection_broke: bool,
}

impl Deliveries {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// librdkafka's own lines are for debugging only: a failure ends an append, which the worker tells, and being fenced by another
/// replica is no failure.
impl ClientContext for Deliveries {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(facility, line, "librdkafka");
        // librdkafka tells of a closed connection in a log line only, and does so before it sends again what was under way.
        if facility == CONNECTION_FAILED {
            self.seen().connection_broke = true;
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
        self.seen().connection_broke = true;
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut seen = self.seen();
        match result {
            Ok(message) => {
                let Timestamp::LogAppendTime(millis) = message.timestamp() else { return };
                let Some(time) = DateTime::from_timestamp_millis(millis) else { return };
                let sighting = Sighting { at: Instant::now(), time };
                seen.sighting = Some(seen.sighting.map_or(sighting, |former| former.or_later(sighting)));
            }
            Err((error, _)) => {
                seen.failure.get_or_insert_with(|| error.clone());
            }
        }
    }
}
