//! Whether this process has the secrets that the log was written with. The log's declaration of them is command-api's.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError;
use runtime::kafka::{Cluster, ReadError};
use runtime::vault::{Vault, declared};
use schemas::shards::SecretsDeclared;
use tokio::sync::watch;

/// The time between two looks at the log, until it has declared all of this process's secrets.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Compares the vault's secrets with the log's. Clones share what was found.
#[derive(Clone)]
pub struct Secrets {
    cluster: Cluster,
    prefix: String,
    vault: Vault,
    fault: Arc<watch::Sender<Option<String>>>,
}

impl Secrets {
    /// Nothing is compared yet.
    #[must_use]
    pub fn new(cluster: Cluster, prefix: &str, vault: Vault) -> Self {
        let fault = Some("the log was not asked yet which secrets it was written with".to_owned());
        Self { cluster, prefix: prefix.to_owned(), vault, fault: Arc::new(watch::Sender::new(fault)) }
    }

    /// Why the secrets were not compared yet; `None` where they were. A log that declares none agrees with any.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault.borrow().clone()
    }

    /// Looks at the log again and again, until it has declared all of these secrets: what it has once declared never changes. So
    /// a log without a declaration holds nobody up, and the first declaration is noticed. Returns only if the process must
    /// end, because the log declares other secrets or is of a newer Till, with the reason in words.
    pub async fn refused(self) -> String {
        loop {
            match self.declared().await {
                Ok(declared) => match self.vault.to_declare(declared.as_ref()) {
                    Ok(undeclared) => {
                        self.fault.send_replace(None);
                        if undeclared.is_none() {
                            return std::future::pending().await;
                        }
                    }
                    Err(other) => return other.to_string(),
                },
                Err(ReadError::Unreadable(unreadable)) => return unreadable.to_string(),
                Err(ReadError::Kafka(error)) => {
                    tracing::warn!(%error, "the log does not say which secrets it was written with");
                    self.still_waiting(&error);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Says for what reason nothing is compared yet. What was compared once stays so.
    fn still_waiting(&self, error: &KafkaError) {
        self.fault.send_modify(|fault| {
            if let Some(fault) = fault {
                *fault = format!("Kafka does not say which secrets the log was written with: {error}");
            }
        });
    }

    async fn declared(&self) -> Result<Option<SecretsDeclared>, ReadError> {
        let (cluster, prefix) = (self.cluster.clone(), self.prefix.clone());
        let look = tokio::task::spawn_blocking(move || declared(&cluster, &prefix));
        look.await.expect("reading a topic does not panic")
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};
    use runtime::kafka::RecordWriter;
    use runtime::vault::VaultSettings;
    use schemas::codec::Framing;
    use schemas::shards::DECLARATIONS_PARTITION;
    use schemas::{Event, EventHeaders};
    use uuid::Uuid;

    use super::*;
    use crate::settings::Settings;

    const SURELY: Duration = Duration::from_secs(60);

    /// The demo's settings, on these brokers.
    fn settings(brokers: &str) -> Settings {
        let path = std::env::temp_dir().join(format!("till-secrets-{}.toml", std::process::id()));
        std::fs::write(&path, format!("demo = true\nkafka_brokers = \"{brokers}\"\n")).unwrap();
        let settings = runtime::settings::load(Some(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        settings
    }

    fn append(cluster: &Cluster, event: &Event) {
        let producer: BaseProducer =
            cluster.transactional_producer("till-test", DefaultProducerContext).unwrap();
        producer.init_transactions(SURELY).unwrap();
        producer.begin_transaction().unwrap();
        let writer = RecordWriter::new("till", Framing::SingleObject);
        let record = writer.record(event, DECLARATIONS_PARTITION, &EventHeaders::new(Uuid::now_v7()));
        record.send(&producer, (), || unreachable!("its queue has room")).unwrap();
        producer.flush(SURELY).unwrap();
        producer.commit_transaction(SURELY).unwrap();
    }

    #[tokio::test]
    async fn a_log_without_a_declaration_holds_nobody_up_and_other_secrets_are_refused_once_it_has_one() {
        let brokers = MockCluster::new(1).unwrap();
        brokers.create_topic("till.shards", 1, 1).unwrap();
        let settings = settings(&brokers.bootstrap_servers());
        let cluster = Cluster::new(&settings.common);
        let secrets = Secrets::new(cluster.clone(), "till", Vault::new(&settings.own.vault));
        assert!(secrets.fault().is_some(), "nothing is compared yet");
        let refused = tokio::spawn(secrets.clone().refused());
        while secrets.fault().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!refused.is_finished());

        let others = VaultSettings { index_key: "0123456789abcdef".repeat(4), ..settings.own.vault };
        append(&cluster, &Vault::new(&others).checks().into());
        let reason = tokio::time::timeout(SURELY, refused).await.expect("it is noticed").unwrap();
        assert!(reason.contains("TILL_INDEX_KEY"), "{reason}");
    }
}
