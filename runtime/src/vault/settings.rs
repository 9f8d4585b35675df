//! The settings of the vault: `vault.toml` says what each means.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

use super::key::Key;
use crate::Common;
use crate::auth;

/// Commented defaults, TOML.
pub const DEFAULTS: &str = include_str!("../../vault.toml");

/// The secrets of personal data. A service that needs them flattens them into its own settings.
#[derive(Clone, Deserialize)]
pub struct VaultSettings {
    /// `2:<64 hexadecimal digits>,1:<64 hexadecimal digits>`.
    pub master_keys: String,
    /// 64 hexadecimal digits.
    pub index_key: String,
}

/// A master key, under the number by which records name it.
pub(super) struct Master {
    pub number: i32,
    pub key: Key,
}

impl VaultSettings {
    /// Adds what is wrong with them, in words that say what to change and no value.
    pub fn check(&self, common: &Common, faults: &mut Vec<String>) {
        if self.masters().is_none() {
            faults.push(
                "TILL_MASTER_KEYS must be NUMBER:KEY, separated by commas: numbers from 1 and keys of 64 hexadecimal digits (`openssl rand -hex 32`), none of either twice".to_owned(),
            );
        }
        if self.index().is_none() {
            faults.push(
                "TILL_INDEX_KEY must be a key of 64 hexadecimal digits (`openssl rand -hex 32`), and none of TILL_MASTER_KEYS".to_owned(),
            );
        }
        if !common.demo {
            faults.extend(self.weaknesses());
        }
    }

    /// The master keys in their order; `None` where they are not as they must be.
    pub(super) fn masters(&self) -> Option<Vec<Master>> {
        let master = |(number, digits): (&str, &str)| {
            let number = number.parse().ok().filter(|number| *number > 0)?;
            Some(Master { number, key: Key::from_hex(digits)? })
        };
        let masters: Vec<_> = self.pairs().map(|pair| master(pair?)).collect::<Option<_>>()?;
        let numbers: BTreeSet<_> = masters.iter().map(|master| master.number).collect();
        let keys: BTreeSet<_> = masters.iter().map(|master| master.key.bytes()).collect();
        let all_differ = numbers.len() == masters.len() && keys.len() == masters.len();
        (all_differ && !masters.is_empty()).then_some(masters)
    }

    /// The index key; `None` where it is not as it must be.
    pub(super) fn index(&self) -> Option<Key> {
        let index = Key::from_hex(&self.index_key)?;
        let is_master = |master: &Master| auth::are_equal_secrets(master.key.bytes(), index.bytes());
        let is_one = self.masters().is_some_and(|masters| masters.iter().any(is_master));
        (!is_one).then_some(index)
    }

    /// Numbers and keys as texts; `None` for what has no `:`.
    fn pairs(&self) -> impl Iterator<Item = Option<(&str, &str)>> {
        self.master_keys.split(',').map(|pair| pair.trim().split_once(':'))
    }

    /// What is easily guessed about keys that are otherwise as they must be.
    fn weaknesses(&self) -> Vec<String> {
        let demo = toml::from_str::<Self>(DEFAULTS).expect("the defaults are complete");
        let known: Vec<_> =
            demo.pairs().flatten().map(|(_, digits)| digits).chain([&*demo.index_key]).collect();
        let masters = self.pairs().flatten().map(|(_, digits)| ("a key of TILL_MASTER_KEYS", digits));
        let keys = masters.chain([("TILL_INDEX_KEY", self.index_key.as_str())]);
        let weak = |(setting, digits): (&str, &str)| {
            let weakness = auth::weakness(digits, 8, &known)?;
            Some(format!(
                "{setting} {weakness}: make one of your own (`openssl rand -hex 32`), the same for command-api and projector"
            ))
        };
        keys.filter_map(weak).collect()
    }
}

impl fmt::Debug for VaultSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultSettings").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "2f1e0d9c8b7a69584736251403f2e1d0c9b8a7968574635241302f1e0d9c8b7a";
    const OTHER: &str = "91b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90";

    /// The faults of settings, none of which may repeat a value.
    fn faults(master_keys: &str, index_key: &str, demo: bool) -> Vec<String> {
        let settings = VaultSettings { master_keys: master_keys.to_owned(), index_key: index_key.to_owned() };
        let mut faults = Vec::new();
        settings.check(&Common { demo, ..Common::defaults() }, &mut faults);
        let values = master_keys.split([',', ':']).chain([index_key]).filter(|value| value.len() > 3);
        for value in values {
            assert!(faults.iter().all(|fault| !fault.contains(value.trim())), "{faults:?}");
        }
        faults
    }

    fn demo() -> VaultSettings {
        toml::from_str(DEFAULTS).unwrap()
    }

    #[test]
    fn keys_of_ones_own_are_taken() {
        for demo in [true, false] {
            let one = format!("1:{OTHER}");
            assert_eq!(faults(&one, GOOD, demo), Vec::<String>::new());
        }
        let settings = VaultSettings {
            master_keys: format!("12:{OTHER} , 3:{}", GOOD.to_uppercase()),
            index_key: demo().index_key,
        };
        let numbers: Vec<_> = settings.masters().unwrap().iter().map(|master| master.number).collect();
        assert_eq!(numbers, [12, 3]);
    }

    #[test]
    fn master_keys_that_are_none_are_refused_with_the_reason() {
        let (short, long) = (&OTHER[1..], format!("{OTHER}0"));
        for wrong in [
            String::new(),
            "geheim".to_owned(),
            OTHER.to_owned(),
            format!("0:{OTHER}"),
            format!("-1:{OTHER}"),
            format!("4000000000:{OTHER}"),
            format!("one:{OTHER}"),
            format!("1:{short}"),
            format!("1:{long}"),
            format!("1:g{short}"),
            format!("1:{OTHER},"),
            format!("1:{OTHER},1:{OTHER}"),
            format!("2:{OTHER},1:{OTHER}"),
        ] {
            for demo in [true, false] {
                let faults = faults(&wrong, GOOD, demo);
                assert!(faults[0].starts_with("TILL_MASTER_KEYS must be"), "{wrong}: {faults:?}");
            }
        }
        let twice = format!("1:{OTHER},1:{GOOD}");
        assert!(faults(&twice, &demo().index_key, true)[0].starts_with("TILL_MASTER_KEYS must be"));
    }

    #[test]
    fn an_index_key_that_is_none_is_refused_with_the_reason() {
        let master = format!("1:{OTHER}");
        for wrong in ["", "geheim", &GOOD[1..], &format!("{GOOD}00"), OTHER, &OTHER.to_uppercase()] {
            let faults = faults(&master, wrong, true);
            assert!(
                faults.len() == 1 && faults[0].starts_with("TILL_INDEX_KEY must be"),
                "{wrong}: {faults:?}"
            );
        }
    }

    #[test]
    fn the_defaults_and_keys_that_are_easily_guessed_are_for_the_demo_alone() {
        let VaultSettings { master_keys, index_key } = demo();
        assert_eq!(faults(&master_keys, &index_key, true), Vec::<String>::new());
        let refused = faults(&master_keys, &index_key, false);
        assert!(refused[0].starts_with("a key of TILL_MASTER_KEYS is made of a default"), "{refused:?}");
        assert!(refused[1].starts_with("TILL_INDEX_KEY is made of a default"), "{refused:?}");
        assert!(refused.iter().all(|fault| fault.contains("openssl rand -hex 32")));
        let former = format!("2:{OTHER},{}", master_keys.to_uppercase());
        assert_eq!(faults(&former, GOOD, false).len(), 1, "the demo's key opens nothing that is worth it");
        let zeros = "0".repeat(64);
        assert!(faults(&format!("1:{OTHER}"), &zeros, false)[0].contains("repeats a few characters"));
        assert!(faults(&format!("1:{zeros}"), GOOD, false)[0].contains("repeats a few characters"));
    }
}
