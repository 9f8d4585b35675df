//! The deployment's secrets: master keys, under which persons' keys stand in the log, and the key of blind indexes.

use std::fmt;
use std::sync::Arc;

use schemas::Bytes;
use schemas::keys::{BlindIndex, DOCUMENT, EMAIL, PersonKeyed};
use schemas::shards::{MasterCheck, SecretsDeclared};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::key::Key;
use super::person::{PersonKey, VaultError};
use super::secrets::{self, OtherSecrets};
use super::settings::{Master, VaultSettings};

const WRAPPED_BOUND: &[u8] = b"till/key/1";
const INDEX_CHECK: &[u8] = b"till/index-check/1";
const MASTER_CHECK: &[u8] = b"till/master-check/1";

/// Makes and opens the keys of persons. Clones share the secrets.
#[derive(Clone)]
pub struct Vault(Arc<Secrets>);

struct Secrets {
    /// The first one wraps.
    masters: Vec<Master>,
    index: Key,
}

impl Vault {
    /// A vault with the keys of settings that were checked.
    ///
    /// # Panics
    /// When the settings have a fault: see [`VaultSettings::check`].
    #[must_use]
    pub fn new(settings: &VaultSettings) -> Self {
        let masters = settings.masters().expect("the settings were checked");
        let index = settings.index().expect("the settings were checked");
        Self(Arc::new(Secrets { masters, index }))
    }

    /// The number of the master key that wraps.
    ///
    /// # Panics
    /// Never: the settings were checked, and there is one at least.
    #[must_use]
    pub fn first_master(&self) -> i32 {
        self.0.masters.first().expect("the settings were checked").number
    }

    /// Draws a key and a subject for a new person, whose indexes are to be unique in `home`.
    ///
    /// # Panics
    /// When the operating system has no randomness.
    #[must_use]
    pub fn new_key(&self, home: &str) -> PersonKey {
        let (subject, key) = (Uuid::now_v7(), Key::random());
        let (wrapped, master) = self.wrap(home, subject, key.bytes());
        PersonKey { home: home.to_owned(), subject, key, wrapped, master }
    }

    /// Opens the key of a record.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn open_key(&self, record: &PersonKeyed) -> Result<PersonKey, VaultError> {
        let PersonKeyed { home, subject, wrapped, master, .. } = record.clone();
        let key = self.unwrap(record)?;
        Ok(PersonKey { home, subject, key, wrapped, master })
    }

    /// The record's key wrapped under the first master key, and that one's number; `None` where it is so already.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn rewrapped(&self, record: &PersonKeyed) -> Result<Option<(Bytes, i32)>, VaultError> {
        if record.master == self.first().number {
            return Ok(None);
        }
        let key = self.unwrap(record)?;
        Ok(Some(self.wrap(&record.home, record.subject, key.bytes())))
    }

    /// The blind index of a name in a home. What differs only in the way it is written has the same: e-mail addresses are
    /// taken in lower case, documents without `.`, `-`, `/` and blanks. `None` where nothing is left.
    #[must_use]
    pub fn index(&self, home: &str, kind: &str, value: &str) -> Option<BlindIndex> {
        let value = normalised(kind, value);
        if value.is_empty() {
            return None;
        }
        // Each part follows its length, so that no two lists of parts are the same bytes.
        let parts = [home, kind, &value];
        let lengths = parts.map(|part| (part.len() as u64).to_be_bytes());
        let parts = lengths.iter().zip(parts).flat_map(|(length, part)| [&length[..], part.as_bytes()]);
        Some(BlindIndex { kind: kind.to_owned(), value: self.0.index.hash(parts) })
    }

    /// Values that only these secrets give, and that tell nothing of them.
    #[must_use]
    pub fn checks(&self) -> SecretsDeclared {
        let Secrets { masters, index } = &*self.0;
        let check = |Master { number, key }: &Master| MasterCheck {
            number: *number,
            check: key.hash([MASTER_CHECK]),
        };
        SecretsDeclared {
            index_check: index.hash([INDEX_CHECK]),
            masters: masters.iter().map(check).collect(),
        }
    }

    /// What command-api must declare, so that the log knows these secrets too; `None` where it knows all of them.
    ///
    /// # Errors
    /// When the log knows another key in the place of one of them, so that the process must not start.
    pub fn to_declare(
        &self,
        declared: Option<&SecretsDeclared>,
    ) -> Result<Option<SecretsDeclared>, OtherSecrets> {
        secrets::to_declare(self.checks(), declared)
    }

    fn wrap(&self, home: &str, subject: Uuid, key: &[u8]) -> (Bytes, i32) {
        let Master { number, key: master } = self.first();
        (Bytes(master.seal(&bound(home, subject), key)), *number)
    }

    fn unwrap(&self, record: &PersonKeyed) -> Result<Key, VaultError> {
        let number = record.master;
        let master = self.0.masters.iter().find(|master| master.number == number);
        let master = master.ok_or(VaultError::UnknownMaster(number))?;
        let clear = master.key.open(&bound(&record.home, record.subject), &record.wrapped.0);
        clear.and_then(|clear| Key::from_bytes(&clear)).ok_or(VaultError::Wrapped(number))
    }

    fn first(&self) -> &Master {
        self.0.masters.first().expect("checked settings have a master key")
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

fn bound(home: &str, subject: Uuid) -> Vec<u8> {
    [WRAPPED_BOUND, subject.as_bytes(), home.as_bytes()].concat()
}

/// The value in the one spelling that is hashed. It is as personal as the value, so its memory is overwritten too.
fn normalised(kind: &str, value: &str) -> Zeroizing<String> {
    let mut normalised = Zeroizing::new(if kind == EMAIL { value.to_lowercase() } else { value.to_owned() });
    if kind == DOCUMENT {
        normalised.retain(|character| !matches!(character, '.' | '-' | '/') && !character.is_whitespace());
    }
    normalised
}
