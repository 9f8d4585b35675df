//! The table as a whole: what its lines must agree on.

use std::collections::BTreeSet;

use crate::{ALL, Contract, RECEIPTS, Service};

fn services() -> impl Iterator<Item = (&'static Contract, &'static Service)> {
    ALL.iter().flat_map(|contract| contract.services.iter().map(|service| (*contract, service)))
}

fn is_a_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

#[test]
fn each_name_number_port_setting_and_prefix_is_there_once() {
    fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> bool {
        let mut seen = BTreeSet::new();
        values.into_iter().all(|value| seen.insert(value))
    }
    assert!(distinct(ALL.iter().map(|contract| contract.name)));
    assert!(distinct(ALL.iter().map(|contract| contract.number)));
    assert!(distinct(services().map(|(_, service)| service.port)));
    assert!(distinct(services().map(|(_, service)| service.prefix)));
    assert!(distinct(services().map(|(contract, service)| contract.port_setting(service))));
    for contract in ALL {
        assert!(is_a_name(contract.name), "{}", contract.name);
        assert!(contract.number.len() == 3 && contract.number.parse::<u16>().is_ok(), "{}", contract.number);
    }
    for (_, service) in services() {
        assert!(is_a_name(service.name), "{}", service.name);
        // Below 8100 are the services' own ports, and 8080 is the front door's.
        assert!((8100..9000).contains(&service.port), "{} {}", service.name, service.port);
    }
}

#[test]
fn a_realm_is_v1s_or_named_by_scope_and_number_and_belongs_to_one_contract() {
    for (contract, service) in services() {
        let own = format!("{}.{}", service.scope, contract.number);
        let expected = if service.scope == "v1" { "till" } else { own.as_str() };
        assert_eq!(service.realm, expected, "{} {}", contract.name, service.name);
        assert!(is_a_name(service.scope) || service.scope == "v1", "{}", service.scope);
    }
}

/// Realms are homes, and a home is a partition: with 16 partitions, as a log has by default, a busy contract slows down
/// no other one.
#[test]
fn realms_lie_in_partitions_of_their_own() {
    let realms: BTreeSet<_> = services().map(|(_, service)| service.realm).chain(["till"]).collect();
    let partitions: BTreeSet<_> =
        realms.iter().map(|realm| schemas::partition_of(realm.as_bytes(), 16)).collect();
    assert_eq!(partitions.len(), realms.len(), "{realms:?}");
}

#[test]
fn paths_and_settings_follow_from_names() {
    let [producer, consumer] = RECEIPTS.services else { panic!("it has two services") };
    assert_eq!((producer.prefix, consumer.prefix), ("/contracts/receipts", "/contracts/receipts/consumer"));
    assert_eq!(RECEIPTS.port_setting(producer), "TILL_RECEIPTS_PRODUCER_PORT");
    let alone = Service { name: "receipts", port: 8139, prefix: "", scope: "v1", realm: "till" };
    assert_eq!(RECEIPTS.port_setting(&alone), "TILL_RECEIPTS_PORT");
    assert_eq!(RECEIPTS.title(), "Receipts");
    assert!(RECEIPTS.has("/contracts/receipts/api/ch/"));
    assert!(!RECEIPTS.has("/contracts/receipts-archive/") && !RECEIPTS.has("/contracts/receipts"));
}
