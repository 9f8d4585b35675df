//! The settings of contracts: [`crate::DEFAULTS`] says what each means.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{ALL, Contract};

/// The settings of contracts. A service flattens them into its own.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    #[serde(rename = "contracts")]
    switched_on: String,
    /// Folder of the journals that contracts keep.
    pub journal_dir: PathBuf,
    /// Who tells the restaurant contract of payments.
    restaurant_payments: String,
}

impl Settings {
    /// Whether a contract is switched on.
    #[must_use]
    pub fn serve(&self, contract: &Contract) -> bool {
        self.names().any(|name| name == contract.name)
    }

    /// Adds what is wrong with them, in words that say what to change.
    pub fn check(&self, faults: &mut Vec<String>) {
        let is_known = |name| ALL.iter().any(|contract| contract.name == name);
        if !self.names().all(is_known) {
            let known: Vec<_> = ALL.iter().map(|contract| contract.name).collect();
            faults.push(format!("TILL_CONTRACTS may name, separated by commas: {}", known.join(", ")));
        }
        if self.restaurant_payments != "plain" {
            faults
                .push("TILL_RESTAURANT_PAYMENTS must be plain: no payment provider is asked yet".to_owned());
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.switched_on.split(',').map(str::trim).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switched_on(names: &str) -> Settings {
        let (switched_on, restaurant_payments) = (names.to_owned(), "plain".to_owned());
        Settings { switched_on, journal_dir: PathBuf::new(), restaurant_payments }
    }

    #[test]
    fn contracts_are_switched_on_by_name_and_unknown_names_are_told() {
        for contract in ALL {
            assert!(switched_on(&format!(" {}, ", contract.name)).serve(contract));
            assert!(!switched_on("").serve(contract) && !switched_on(&contract.name[1..]).serve(contract));
        }
        let mut faults = Vec::new();
        switched_on("receipts").check(&mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        switched_on("receipts, nonsense").check(&mut faults);
        assert!(faults[0].starts_with("TILL_CONTRACTS") && faults[0].contains("receipts"), "{faults:?}");
        faults.clear();
        Settings { restaurant_payments: "card".to_owned(), ..switched_on("") }.check(&mut faults);
        assert!(faults[0].starts_with("TILL_RESTAURANT_PAYMENTS"), "{faults:?}");
    }

    #[test]
    fn the_defaults_switch_no_contract_on_and_name_every_one() {
        let settings: Settings = toml::from_str(crate::DEFAULTS).unwrap();
        for contract in ALL {
            assert!(!settings.serve(contract), "{}", contract.name);
            assert!(crate::DEFAULTS.contains(&format!(" {}", contract.name)), "{}", contract.name);
        }
        assert_eq!(settings.journal_dir, PathBuf::from(".till/data/.journal"));
    }
}
