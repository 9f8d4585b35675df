//! A transactional producer of receipts. It has the options that the services use, and no service around it.

use std::time::Duration;

use chrono::Utc;
use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer as _};
use rdkafka::util::Timeout;
use runtime::kafka::{ProducerRecord, RecordWriter};
use rust_decimal::Decimal;
use schemas::codec::Framing;
use schemas::receipts::{Item, ReceiptRecorded};
use schemas::{Event, EventHeaders, Money, Topic, partition_of};
use uuid::Uuid;

use super::stack::Stack;
use crate::failure::{Explain, Result};
use crate::rng::Rng;
use crate::shop::{Receipt, Shop};

/// The length of a fingerprint as the write side records it: a version byte and half a SHA-256.
const FINGERPRINT_BYTES: usize = 17;

/// Writes receipts to one topic, in transactions.
pub struct Producer {
    producer: BaseProducer,
    records: RecordWriter,
    partitions: i32,
}

impl Producer {
    /// A producer for the receipts topic under `prefix`, which exists.
    ///
    /// # Errors
    /// When the broker refuses.
    pub fn new(stack: &Stack, prefix: &str) -> Result<Self> {
        let topic = Topic::Receipts.name(prefix);
        let producer: BaseProducer = stack
            .cluster()
            .transactional_producer(&format!("{prefix}-bench"), DefaultProducerContext)
            .explain("making a producer")?;
        let metadata = producer
            .client()
            .fetch_metadata(Some(&topic), Duration::from_secs(10))
            .explain(format!("asking for {topic}"))?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let partitions = i32::try_from(partitions).explain("counting partitions")?;
        producer.init_transactions(Timeout::Never).explain("fencing former producers")?;
        Ok(Self { producer, records: RecordWriter::new(prefix, Framing::SingleObject), partitions })
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// When librdkafka refuses.
    pub fn begin(&self) -> Result<()> {
        self.producer.begin_transaction().explain("beginning a transaction")
    }

    /// Puts an event into the open transaction. It waits while the producer's queue is full.
    ///
    /// # Errors
    /// When librdkafka refuses the record.
    pub fn send(&self, event: &Event) -> Result<()> {
        self.append(self.record(event))
    }

    /// The event as a record of the topic.
    pub fn record(&self, event: &Event) -> ProducerRecord {
        let partition = partition_of(event.key().as_bytes(), self.partitions);
        self.records.record(event, partition, &EventHeaders::new(Uuid::now_v7()))
    }

    /// Puts a record into the open transaction. It waits while the producer's queue is full.
    ///
    /// # Errors
    /// When librdkafka refuses it.
    pub fn append(&self, record: ProducerRecord) -> Result<()> {
        let wait = || {
            self.producer.poll(Duration::ZERO);
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        };
        record.send(&self.producer, (), wait).explain("sending a record")
    }

    /// Takes the delivery reports that are there, without waiting.
    pub fn poll(&self) {
        self.producer.poll(Duration::ZERO);
    }

    /// Waits for the deliveries and then commits, because librdkafka would take 100 ms for a commit with outstanding
    /// reports.
    ///
    /// # Errors
    /// When the transaction did not commit.
    pub fn commit(&self) -> Result<()> {
        loop {
            let before = self.producer.in_flight_count();
            if before == 0 {
                break;
            }
            // A poll serves one report only.
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == before {
                // Without a sleep this thread would spin, and take a core from the broker it waits for.
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        self.producer.commit_transaction(Timeout::Never).explain("committing a transaction")
    }
}

/// Receipts as events, such as the write side would record.
pub struct Recorded {
    shop: Shop,
    rng: Rng,
}

impl Recorded {
    /// A source of receipts that all follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { shop: Shop::new(), rng: Rng::new(seed) }
    }

    /// The next receipt, under the given id.
    pub fn next(&mut self, transaction_id: String) -> Event {
        let receipt = self.shop.receipt(transaction_id, Utc::now(), &mut self.rng);
        let mut fingerprint = vec![1; FINGERPRINT_BYTES];
        fingerprint[1..9].copy_from_slice(&self.rng.next().to_le_bytes());
        fingerprint[9..17].copy_from_slice(&self.rng.next().to_le_bytes());
        Event::from(ReceiptRecorded {
            receipt: as_recorded(receipt),
            totals_match: true,
            recorded_by: "till/3".to_owned(),
            fingerprint,
        })
    }
}

fn as_recorded(receipt: Receipt) -> schemas::receipts::Receipt {
    let item = |item: crate::shop::Item| Item {
        product_id: item.product_id,
        quantity: i64::from(item.quantity),
        price: amount(item.price_cents),
        category: item.category.to_owned(),
    };
    schemas::receipts::Receipt {
        transaction_id: receipt.transaction_id,
        occurred_at: receipt.timestamp,
        items: receipt.items.into_iter().map(item).collect(),
        total_amount: amount(receipt.total_cents),
        tax_amount: amount(receipt.tax_cents),
        tips_amount: amount(receipt.tips_cents),
        payment_method: receipt.payment_method.to_owned(),
        place_id: receipt.place.id,
        place_name: receipt.place.name,
    }
}

fn amount(cents: u64) -> Money {
    Money::rounded(Decimal::from_i128_with_scale(i128::from(cents), 2))
}
