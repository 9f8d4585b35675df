//! The drop-in contracts, as `infra/contracts.txt` lists them.

use crate::places;

/// A service of a contract, which is a port of nginx.
pub struct Service {
    /// The contract's name in `TILL_CONTRACTS`.
    pub contract: String,
    /// The service's own name.
    pub name: String,
    /// The setting of its port in nginx.
    pub port_setting: String,
    /// The beginning of its paths on command-api and projector.
    pub prefix: String,
}

/// Every service of every contract.
///
/// # Panics
/// The list cannot be read.
#[must_use]
pub fn services() -> Vec<Service> {
    let list = std::fs::read_to_string(places::repository().join("infra/contracts.txt"));
    let list = list.expect("the list is in the repository");
    let service = |line: &str| match line.split(' ').collect::<Vec<_>>()[..] {
        [contract, name, port_setting, _port, prefix] => Service {
            contract: contract.to_owned(),
            name: name.to_owned(),
            port_setting: port_setting.to_owned(),
            prefix: prefix.to_owned(),
        },
        _ => panic!("infra/contracts.txt has the line {line}"),
    };
    list.lines().filter(|line| !line.starts_with('#')).map(service).collect()
}

/// The names of all contracts, as a value of `TILL_CONTRACTS`.
#[must_use]
pub fn names() -> String {
    let mut names: Vec<_> = services().into_iter().map(|service| service.contract).collect();
    names.dedup();
    names.join(",")
}
