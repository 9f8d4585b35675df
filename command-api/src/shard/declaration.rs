//! What concerns all shards is declared in the log, once: the topology, and the deployment's secrets.

use rdkafka::error::{KafkaError, KafkaResult};
use runtime::kafka::{Cluster, RecordWriter};
use schemas::codec::Framing;
use schemas::shards::DECLARATIONS_PARTITION;
use schemas::{Event, EventHeaders};
use uuid::Uuid;

use super::transaction::Transactions;

/// Why a process cannot work under what the log declares.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The settings differ from the log; the text says which, and what to set.
    #[error("{0}")]
    Refused(String),
}

/// The right to declare something. A process that takes it fences every process that had it before. So whoever has it and
/// then reads the topic to its end knows all that was declared.
pub struct Declaration {
    transactions: Transactions,
    records: RecordWriter,
}

impl Declaration {
    pub fn begin(cluster: &Cluster, prefix: &str, framing: &Framing) -> KafkaResult<Self> {
        let transactions = Transactions::fence(cluster, &format!("{prefix}-topology"))?;
        Ok(Self { transactions, records: RecordWriter::new(prefix, framing.clone()) })
    }

    pub fn declare(&mut self, event: impl Into<Event>) -> KafkaResult<()> {
        let headers = EventHeaders::new(Uuid::now_v7());
        let record = self.records.record(&event.into(), DECLARATIONS_PARTITION, &headers);
        self.transactions.begin()?;
        self.transactions.append(vec![record])?;
        self.transactions.commit()
    }
}
