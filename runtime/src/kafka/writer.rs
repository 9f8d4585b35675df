//! Records of the log as they are written. It is the one place that makes a record of an event.

use std::sync::Arc;

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use schemas::codec::{self, Encoded, Framing};
use schemas::{Event, EventHeaders, Topic, headers, keys};

/// Makes records of events, as a deployment writes them.
#[derive(Clone)]
pub struct RecordWriter {
    /// The topics' full names.
    names: Vec<(Topic, Arc<str>)>,
    framing: Framing,
}

/// A record for a producer to send.
#[derive(Clone)]
pub struct ProducerRecord {
    topic: Arc<str>,
    partition: i32,
    key: String,
    /// `None` makes a tombstone, for which compaction deletes the earlier records of the key.
    value: Option<Vec<u8>>,
    headers: OwnedHeaders,
}

impl RecordWriter {
    /// A writer of the topics that begin with `prefix`.
    #[must_use]
    pub fn new(prefix: &str, framing: Framing) -> Self {
        Self { names: Topic::ALL.map(|topic| (topic, topic.name(prefix).into())).into(), framing }
    }

    /// The record of an event: in its topic, under its key, with its type's latest schema.
    ///
    /// # Panics
    /// When an event's Rust type and its latest schema differ, which the golden tests rule out.
    #[must_use]
    pub fn record(&self, event: &Event, partition: i32, headers: &EventHeaders) -> ProducerRecord {
        let Encoded { value, fingerprint } = codec::encode(event, &self.framing);
        ProducerRecord {
            topic: Arc::clone(self.name(event.topic())),
            partition,
            key: event.key().into_owned(),
            value: (!is_tombstone(event)).then_some(value),
            headers: written(event, &fingerprint, headers),
        }
    }

    fn name(&self, topic: Topic) -> &Arc<str> {
        let known = self.names.iter().find(|(known, _)| *known == topic);
        known.map(|(_, name)| name).expect("every topic has a name")
    }
}

impl ProducerRecord {
    /// The length of its value; of a tombstone 0.
    #[must_use]
    pub fn value_bytes(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len)
    }

    /// Puts it into the producer's queue, whose delivery report comes with `opaque`. While the queue is full, `make_room` is
    /// called, which must poll the producer: librdkafka counts a record until its report was taken.
    ///
    /// # Errors
    /// When librdkafka refuses the record, or `make_room` fails.
    pub fn send<C: ProducerContext>(
        self,
        producer: &BaseProducer<C>,
        opaque: C::DeliveryOpaque,
        mut make_room: impl FnMut() -> KafkaResult<()>,
    ) -> KafkaResult<()> {
        let mut record = BaseRecord::with_opaque_to(&self.topic, opaque)
            .partition(self.partition)
            .key(&self.key)
            .headers(self.headers);
        if let Some(value) = &self.value {
            record = record.payload(value);
        }
        loop {
            match producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    make_room()?;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

fn is_tombstone(event: &Event) -> bool {
    matches!(event, Event::Keys(keys::Event::KeyForgotten(_)))
}

fn written(event: &Event, fingerprint: &[u8; 8], given: &EventHeaders) -> OwnedHeaders {
    let mut written = OwnedHeaders::new_with_capacity(6)
        .insert(Header { key: headers::EVENT_ID, value: Some(given.event_id.as_bytes()) })
        .insert(Header { key: headers::EVENT_TYPE, value: Some(event.type_name()) })
        .insert(Header { key: headers::SCHEMA, value: Some(fingerprint) });
    if let Some(causation_id) = &given.causation_id {
        written = written.insert(Header { key: headers::CAUSATION_ID, value: Some(causation_id.as_bytes()) });
    }
    if let Some(correlation_id) = &given.correlation_id {
        written = written.insert(Header { key: headers::CORRELATION_ID, value: Some(correlation_id) });
    }
    if let Some(traceparent) = &given.traceparent {
        written = written.insert(Header { key: headers::TRACEPARENT, value: Some(traceparent) });
    }
    written
}
