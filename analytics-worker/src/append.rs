//! Appending closed windows: one transaction under the one transactional id of all replicas.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use runtime::kafka::Cluster;
use schemas::codec::{self, Framing};
use schemas::{Event, headers, partition_of};
use uuid::Uuid;

use crate::fault::Fault;
use crate::reader::Log;

/// For a transactional request; after it the producer is dropped and the log asked what became of it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Records on their way to the broker at most: bounds memory, whatever a window holds.
const IN_FLIGHT_MAX: i32 = 10_000;

/// The holder of the transactional id. One that failed must be dropped: only fencing anew, and the log, tell
/// what became of its transaction.
pub(crate) struct Writer {
    producer: BaseProducer<Deliveries>,
    log: Log,
    framing: Framing,
}

impl Writer {
    /// Takes the transactional id: nothing that other replicas have unfinished ever becomes visible.
    pub(crate) fn fence(
        cluster: &Cluster,
        transactional_id: &str,
        log: &Log,
        framing: &Framing,
    ) -> Result<Self, Fault> {
        let doing = "taking the transactional id";
        let producer: BaseProducer<Deliveries> = cluster
            .bulk_transactional_producer(transactional_id, Deliveries::default())
            .map_err(Fault::kafka(doing))?;
        producer.init_transactions(REQUEST_TIMEOUT).map_err(Fault::kafka(doing))?;
        Ok(Self { producer, log: log.clone(), framing: framing.clone() })
    }

    /// Appends all events in one transaction, or an error: then all or none.
    pub(crate) fn append(&self, events: impl Iterator<Item = Event>) -> Result<(), Fault> {
        self.producer.begin_transaction().map_err(self.fault("beginning a transaction"))?;
        for event in events {
            self.send(&event).map_err(self.fault("appending figures"))?;
        }
        self.await_deliveries(0).map_err(self.fault("appending figures"))?;
        // Everything is delivered: a commit with reports outstanding would wait in steps of 100 ms.
        self.producer.commit_transaction(REQUEST_TIMEOUT).map_err(self.fault("committing figures"))
    }

    /// Where the producer was fenced, records fail because their queue is purged: the cause is what counts.
    fn fault(&self, doing: &'static str) -> impl Fn(KafkaError) -> Fault {
        move |error| match self.producer.client().fatal_error() {
            Some((cause, _)) => Fault::kafka(doing)(KafkaError::Global(cause)),
            None => Fault::kafka(doing)(error),
        }
    }

    fn send(&self, event: &Event) -> KafkaResult<()> {
        let encoded = codec::encode(event, &self.framing);
        let key = event.key();
        let event_id = Uuid::now_v7();
        let described = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: headers::EVENT_ID, value: Some(event_id.as_bytes()) })
            .insert(Header { key: headers::EVENT_TYPE, value: Some(event.type_name()) })
            .insert(Header { key: headers::SCHEMA, value: Some(&encoded.fingerprint) });
        let mut record = BaseRecord::to(&self.log.topic)
            .partition(partition_of(key.as_bytes(), self.log.partitions))
            .key(key.as_ref())
            .payload(&encoded.value)
            .headers(described);
        if self.producer.in_flight_count() >= IN_FLIGHT_MAX {
            self.await_deliveries(IN_FLIGHT_MAX / 2)?;
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, refused)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => {
                    tracing::debug!(%error, "waiting for room");
                    record = refused;
                    self.await_deliveries(0)?;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Waits until at most `rest` records are on their way.
    fn await_deliveries(&self, rest: i32) -> KafkaResult<()> {
        let started = Instant::now();
        loop {
            // With a time-out above zero, poll would not return before it is over.
            self.producer.poll(Duration::ZERO);
            if let Some(error) = self.producer.context().failure() {
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

/// Keeps the first record that could not be delivered.
#[derive(Default)]
struct Deliveries(Mutex<Option<KafkaError>>);

impl Deliveries {
    fn failure(&self) -> Option<KafkaError> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Each failure ends an append, and the worker says so; being fenced by another replica is none.
impl ClientContext for Deliveries {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(facility, line, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut first = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            first.get_or_insert_with(|| error.clone());
        }
    }
}
