//! The log knows the checks of a deployment's secrets, so that no process works with others.

use schemas::shards::{DECLARATIONS_PARTITION, Event as Declaration, SecretsDeclared};
use schemas::{Event, Topic};

use crate::kafka::{Cluster, ReadError, read_to_end};

/// The log was written with other secrets. The words name settings and numbers, and no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherSecrets {
    /// The index key is for the life of the log.
    #[error(
        "TILL_INDEX_KEY is not the key that this log was begun with: set that one, the same for command-api and projector"
    )]
    Index,
    /// The number has another master key.
    #[error(
        "TILL_MASTER_KEYS has another key under the number {0} than this log knows: set that one, the same for command-api and projector, and give a new key a new number"
    )]
    Master(i32),
}

/// What is to be declared, so that the log knows all of `own`; `None` where it does already. What it knows beside them stays.
pub(super) fn to_declare(
    own: SecretsDeclared,
    declared: Option<&SecretsDeclared>,
) -> Result<Option<SecretsDeclared>, OtherSecrets> {
    let Some(declared) = declared else { return Ok(Some(own)) };
    if own.index_check != declared.index_check {
        return Err(OtherSecrets::Index);
    }
    let mut next = declared.clone();
    for master in own.masters {
        match declared.masters.iter().find(|known| known.number == master.number) {
            Some(known) if *known == master => {}
            Some(_) => return Err(OtherSecrets::Master(master.number)),
            None => next.masters.push(master),
        }
    }
    Ok((next != *declared).then_some(next))
}

/// The log's declaration of secrets as it is now; `None` where command-api has declared none yet. Blocks.
///
/// # Errors
/// See [`ReadError`].
pub fn declared(cluster: &Cluster, prefix: &str) -> Result<Option<SecretsDeclared>, ReadError> {
    let mut newest = None;
    read_to_end(cluster, prefix, (Topic::Shards, DECLARATIONS_PARTITION), |event| {
        if let Event::Shards(Declaration::SecretsDeclared(declared)) = event {
            newest = Some(declared);
        }
    })?;
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, DefaultProducerContext, Producer};
    use schemas::EventHeaders;
    use schemas::codec::Framing;
    use schemas::shards::{MasterCheck, TopologyDeclared};
    use std::time::Duration;
    use uuid::Uuid;

    use super::*;
    use crate::Common;
    use crate::kafka::RecordWriter;

    const SURELY: Duration = Duration::from_secs(60);

    /// Secrets whose index key has this check, and whose master keys have these numbers and checks.
    fn secrets(index: u8, masters: &[(i32, u8)]) -> SecretsDeclared {
        let check = |(number, check): &(i32, u8)| MasterCheck { number: *number, check: vec![*check; 16] };
        SecretsDeclared { index_check: vec![index; 16], masters: masters.iter().map(check).collect() }
    }

    fn next(
        own: &SecretsDeclared,
        declared: &SecretsDeclared,
    ) -> Result<Option<SecretsDeclared>, OtherSecrets> {
        to_declare(own.clone(), Some(declared))
    }

    #[test]
    fn secrets_are_declared_once_and_new_master_keys_with_those_before() {
        let first = secrets(7, &[(1, 1)]);
        assert_eq!(to_declare(first.clone(), None), Ok(Some(first.clone())));
        assert_eq!(next(&first, &first), Ok(None));
        let both = secrets(7, &[(1, 1), (2, 2)]);
        assert_eq!(next(&secrets(7, &[(2, 2), (1, 1)]), &first), Ok(Some(both.clone())));
        assert_eq!(next(&secrets(7, &[(2, 2)]), &first), Ok(Some(both.clone())), "the log forgets none");
        for known in [&[(1, 1)][..], &[(2, 2)], &[(2, 2), (1, 1)]] {
            assert_eq!(next(&secrets(7, known), &both), Ok(None), "{known:?}");
        }
    }

    #[test]
    fn other_secrets_than_the_logs_are_refused_with_the_setting() {
        let declared = secrets(7, &[(1, 1), (2, 2)]);
        assert_eq!(next(&secrets(8, &[(1, 1)]), &declared), Err(OtherSecrets::Index));
        assert_eq!(next(&secrets(7, &[(3, 3), (2, 1)]), &declared), Err(OtherSecrets::Master(2)));
        assert!(OtherSecrets::Index.to_string().contains("TILL_INDEX_KEY"));
        let master = OtherSecrets::Master(2).to_string();
        assert!(master.contains("TILL_MASTER_KEYS") && master.contains("number 2"), "{master}");
    }

    /// Appends events to the partition, in a transaction of their own.
    fn append(cluster: &Cluster, events: impl IntoIterator<Item = Event>) {
        let producer: BaseProducer =
            cluster.transactional_producer("till-test", DefaultProducerContext).unwrap();
        producer.init_transactions(SURELY).unwrap();
        producer.begin_transaction().unwrap();
        let writer = RecordWriter::new("till", Framing::SingleObject);
        for event in events {
            let record = writer.record(&event, DECLARATIONS_PARTITION, &EventHeaders::new(Uuid::now_v7()));
            record.send(&producer, (), || unreachable!("its queue has room")).unwrap();
        }
        producer.flush(SURELY).unwrap();
        producer.commit_transaction(SURELY).unwrap();
    }

    #[test]
    fn the_newest_declaration_in_the_log_counts_and_a_log_may_have_none() {
        let brokers = MockCluster::new(1).unwrap();
        let cluster =
            Cluster::new(&Common { kafka_brokers: brokers.bootstrap_servers(), ..Common::defaults() });
        brokers.create_topic("till.shards", 2, 1).unwrap();
        assert_eq!(declared(&cluster, "till").unwrap(), None, "the topic is empty");
        let topology = Event::from(TopologyDeclared { epoch: 1, shards: 2, partitions: 16 });
        append(&cluster, [topology.clone()]);
        assert_eq!(declared(&cluster, "till").unwrap(), None);
        let newest = secrets(7, &[(1, 1), (2, 2)]);
        append(&cluster, [secrets(7, &[(1, 1)]).into(), newest.clone().into(), topology]);
        assert_eq!(declared(&cluster, "till").unwrap(), Some(newest));
    }

    #[test]
    fn a_topic_that_is_not_there_declares_nothing() {
        let brokers = MockCluster::new(1).unwrap();
        let cluster =
            Cluster::new(&Common { kafka_brokers: brokers.bootstrap_servers(), ..Common::defaults() });
        assert_eq!(declared(&cluster, "elsewhere").unwrap(), None);
    }
}
