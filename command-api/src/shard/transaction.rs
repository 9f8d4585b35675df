//! A shard's transactional producer.
//!
//! There is no abort path. Any error here means that the producer is dropped and the shard is taken over anew.
#![allow(unsafe_code, reason = "librdkafka's wake-up of a waiting thread has no safe wrapper for producers")]

use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings as native;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use runtime::kafka::{Cluster, ProducerRecord};

/// A commit that took longer may have been sent twice, and the late one would end a later transaction. The producer is
/// not used again.
const SUSPICIOUS_COMMIT: Duration = Duration::from_secs(1);
/// The facility of librdkafka's log lines about connections that were refused or closed.
const CONNECTION_FAILED: &str = "FAIL";
/// The end of such a line for a connection that never came about, on which nothing was sent.
const NEVER_CONNECTED: &str = " in state CONNECT";
/// How long a transactional request may take. It is longer than `transaction.timeout.ms`, so the broker has ended the
/// transaction by then.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Transactions {
    /// The wake-up is dropped before the producer, because it refers to the producer's queue.
    _wakeup: Wakeup,
    producer: BaseProducer<Reports>,
    signal: Arc<Signal>,
    doubtful: bool,
}

impl Transactions {
    /// Fences every process that held the id before: a transaction that it has unfinished never becomes visible.
    pub fn fence(cluster: &Cluster, transactional_id: &str) -> KafkaResult<Self> {
        let signal = Arc::new(Signal::default());
        let producer: BaseProducer<Reports> =
            cluster.transactional_producer(transactional_id, Reports::default())?;
        let wakeup = Wakeup::install(&producer, &signal);
        producer.init_transactions(CALL_TIMEOUT)?;
        Ok(Self { _wakeup: wakeup, producer, signal, doubtful: false })
    }

    /// Begins a transaction.
    pub fn begin(&self) -> KafkaResult<()> {
        self.producer.begin_transaction()
    }

    /// Appends the records, and waits until each is acknowledged. The offsets are in the records' order. Nobody reads the
    /// records before [`Self::commit`].
    pub fn append(&self, records: Vec<ProducerRecord>) -> KafkaResult<Vec<i64>> {
        let expected = records.len();
        for (index, record) in records.into_iter().enumerate() {
            let make_room = || {
                self.producer.poll(Duration::from_millis(1));
                Ok(())
            };
            record.send(&self.producer, index, make_room)?;
        }
        self.wait_for_deliveries()?;
        let mut offsets = vec![None; expected];
        for (index, delivered) in self.producer.context().take() {
            offsets[index] = Some(delivered?);
        }
        offsets.into_iter().collect::<Option<_>>().ok_or(KafkaError::Canceled)
    }

    /// Begins a transaction that only commits an offset, which proves that nobody has fenced this producer.
    pub fn begin_with_offsets(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> KafkaResult<()> {
        self.begin()?;
        self.send_offsets(offsets, group)
    }

    /// Adds offsets of a group to the transaction.
    pub fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> KafkaResult<()> {
        self.producer.send_offsets_to_transaction(offsets, group, CALL_TIMEOUT)
    }

    /// Commits the transaction. After an error its outcome is unknown.
    pub fn commit(&mut self) -> KafkaResult<()> {
        let begun = Instant::now();
        self.producer.commit_transaction(CALL_TIMEOUT)?;
        self.doubtful |= begun.elapsed() > SUSPICIOUS_COMMIT;
        Ok(())
    }

    /// Whether librdkafka may have sent an EndTxn twice. A late one would end a later transaction, so the producer must
    /// be fenced before the next one begins.
    pub fn is_doubtful(&self) -> bool {
        self.connection_broke() || self.doubtful
    }

    /// Whether a connection broke, since the producer was made, that may have carried requests.
    pub fn connection_broke(&self) -> bool {
        // librdkafka's log lines about connections wait in the producer's queue until it is polled.
        while self.producer.in_flight_count() > 0 {
            self.producer.poll(Duration::ZERO);
        }
        self.producer.context().connection_broke.load(Ordering::Acquire)
    }

    /// Waits until every record is acknowledged. `flush` and `commit_transaction` would poll in steps of 100 ms while
    /// reports are outstanding.
    fn wait_for_deliveries(&self) -> KafkaResult<()> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        while self.producer.in_flight_count() > 0 {
            self.signal.reset();
            self.poll_all();
            if self.producer.in_flight_count() == 0 {
                break;
            }
            if Instant::now() > deadline {
                return Err(KafkaError::Canceled);
            }
            self.signal.wait(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Polls until nothing is served any more: `poll` serves one event a call.
    fn poll_all(&self) {
        loop {
            let before = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == before {
                return;
            }
        }
    }
}

/// Whether a librdkafka line tells of a connection that never came about. That happens at a broker that is down, and at
/// `localhost`, which often resolves to `::1` too, where nobody listens. Only the first step of a connection counts as
/// such: later steps can fail in the same words as a connection in use, and librdkafka does not repeat itself.
fn never_connected(reason: &str) -> bool {
    reason.contains(NEVER_CONNECTED)
}

type Delivered = (usize, KafkaResult<i64>);

/// Takes delivery reports, and notes whether a connection broke.
#[derive(Default)]
struct Reports {
    delivered: Mutex<Vec<Delivered>>,
    connection_broke: AtomicBool,
}

impl Reports {
    fn take(&self) -> Vec<Delivered> {
        std::mem::take(&mut self.delivered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        // The error that all brokers are down only sums up: each connection that broke has had a line of its own.
        let sums_up = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        if !sums_up && !never_connected(reason) {
            self.connection_broke.store(true, Ordering::Release);
        }
        tracing::warn!(%error, reason, "the shard's producer reports an error");
    }

    /// Notes a closed connection. librdkafka reports one in a log line only, which it queues before it sends again what
    /// was under way. A connection that was idle for a minute closes without a line.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == CONNECTION_FAILED && !never_connected(message) {
            self.connection_broke.store(true, Ordering::Release);
        }
        match level {
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(facility, message, "the shard's producer");
            }
            _ => tracing::warn!(facility, message, "the shard's producer"),
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let delivered = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.clone()),
        };
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner).push((index, delivered));
    }
}

/// A flag that librdkafka's thread raises when the producer's queue has events.
#[derive(Default)]
struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn reset(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn raise(&self) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    fn wait(&self, at_most: Duration) {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(raised, at_most, |raised| !*raised));
    }
}

/// Connects a producer's queue to a [`Signal`], for as long as this lives.
struct Wakeup {
    queue: NonNull<native::rd_kafka_queue_t>,
    _signal: Arc<Signal>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Wakeup {}

impl Wakeup {
    fn install(producer: &BaseProducer<Reports>, signal: &Arc<Signal>) -> Self {
        // SAFETY: the producer lives, so its handle is valid; the reference taken is given back in `drop`.
        let queue = unsafe { native::rd_kafka_queue_get_main(producer.client().native_ptr()) };
        let queue = NonNull::new(queue).expect("a producer has a main queue");
        let opaque = Arc::as_ptr(signal).cast_mut().cast::<c_void>();
        // SAFETY: the signal is kept alive by `_signal` until `drop` has disabled the call.
        unsafe { native::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(raise), opaque) };
        Self { queue, _signal: Arc::clone(signal) }
    }
}

impl Drop for Wakeup {
    fn drop(&mut self) {
        // SAFETY: the queue is valid until it is given back here; no call comes after the first line.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

unsafe extern "C" fn raise(_: *mut native::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `opaque` is the signal `install` passed, alive while calls are enabled.
    unsafe { &*opaque.cast::<Signal>() }.raise();
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rdkafka::config::ClientConfig;
    use rdkafka::mocking::MockCluster;

    use super::*;

    const SURELY: Duration = Duration::from_secs(60);

    fn producer(brokers: &str) -> BaseProducer<Reports> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("log.connection.close", "true");
        config.set_log_level(RDKafkaLogLevel::Info).create_with_context(Reports::default()).unwrap()
    }

    fn broke(producer: &BaseProducer<Reports>) -> bool {
        producer.context().connection_broke.load(Ordering::Acquire)
    }

    #[test]
    fn a_connection_that_never_came_about_breaks_nothing() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let producer = producer(&nobody.to_string());
        let deadline = Instant::now() + SURELY;
        // librdkafka gives a log line, an error, and the error that all brokers are down.
        for _ in 0..3 {
            while producer.in_flight_count() == 0 {
                assert!(Instant::now() < deadline, "librdkafka said nothing");
                std::thread::sleep(Duration::from_millis(5));
            }
            producer.poll(Duration::ZERO);
        }
        assert!(!broke(&producer));
    }

    #[test]
    fn a_connection_in_use_that_breaks_is_noticed() {
        let brokers = MockCluster::new(1).unwrap();
        let producer = producer(&brokers.bootstrap_servers());
        let deadline = Instant::now() + SURELY;
        while !broke(&producer) {
            assert!(Instant::now() < deadline, "nobody has noticed");
            // The client may have been about to connect anew, under the name that the broker gave itself, so it is
            // awaited each time.
            brokers.broker_up(1).unwrap();
            let _ = producer.client().fetch_metadata(None, SURELY).unwrap();
            brokers.broker_down(1).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            while producer.in_flight_count() > 0 {
                producer.poll(Duration::ZERO);
            }
        }
    }
}
