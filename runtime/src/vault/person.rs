//! The key of a person: it seals personal fields into a box, and stands in the log encrypted under a master key.
//!
//! A box is a version byte, then nonce, ciphertext and tag. It is bound to its subject, so it opens for no other person.

use std::fmt;

use schemas::keys::{BlindIndex, PersonKeyed};
use schemas::personal::Unreadable;
use schemas::{Bytes, Personal, Sealed};
use uuid::Uuid;

use super::key::Key;

/// The version of boxes, which is their first byte.
const BOX_VERSION: u8 = 1;
const BOX_BOUND: &[u8] = b"till/personal/1";
const ID_BOUND: &[u8] = b"till/id/1";

/// A person's key, opened. Keep it for no longer than the request or the to-do that needs it: the person may be erased
/// meanwhile.
pub struct PersonKey {
    pub(super) home: String,
    pub(super) subject: Uuid,
    pub(super) key: Key,
    /// The key under a master key, as in the log.
    pub(super) wrapped: Bytes,
    /// The number of that master key.
    pub(super) master: i32,
}

/// Why a key or a box does not open. The words name neither a person nor a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// TILL_MASTER_KEYS lacks the master key.
    #[error("a person's key is encrypted under the master key number {0}, which TILL_MASTER_KEYS lacks")]
    UnknownMaster(i32),
    /// The master key of that number does not open the person's key.
    #[error("the master key number {0} does not open a person's key: one of the two is damaged, or another")]
    Wrapped(i32),
    /// The person's key does not open the box.
    #[error("a person's key does not open what was sealed for it: it is damaged, or another person's")]
    Sealed,
    /// A newer Till sealed the box, or its content is damaged.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl PersonKey {
    /// The person: a random id that says nothing of anybody.
    #[must_use]
    pub const fn subject(&self) -> Uuid {
        self.subject
    }

    /// The key's record for the log, with these blind indexes.
    #[must_use]
    pub fn record(&self, indexes: Vec<BlindIndex>) -> PersonKeyed {
        PersonKeyed {
            home: self.home.clone(),
            subject: self.subject,
            wrapped: self.wrapped.clone(),
            master: self.master,
            indexes,
        }
    }

    /// An id that this person alone gives to a text, and that says nothing of the text once the key is destroyed.
    #[must_use]
    pub fn id_of(&self, text: &str) -> Uuid {
        let hash = self.key.hash([ID_BOUND, text.as_bytes()]);
        Uuid::new_v8(hash.try_into().expect("a hash has 16 bytes"))
    }

    /// Seals personal fields. Each call gives another box.
    ///
    /// # Panics
    /// When the operating system has no randomness.
    #[must_use]
    pub fn seal(&self, personal: &Personal) -> Sealed {
        let sealed = self.key.seal(&bound(self.subject), &personal.to_bytes());
        Sealed { subject: self.subject, sealed: Bytes([&[BOX_VERSION], sealed.as_slice()].concat()) }
    }

    /// Opens what [`Self::seal`] of the same person sealed.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn open(&self, sealed: &Sealed) -> Result<Personal, VaultError> {
        let Some((&version, rest)) = sealed.sealed.0.split_first() else { return Err(VaultError::Sealed) };
        if version != BOX_VERSION {
            return Err(Unreadable.into());
        }
        let clear = self.key.open(&bound(sealed.subject), rest).ok_or(VaultError::Sealed)?;
        Ok(Personal::from_bytes(&clear)?)
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonKey").field("subject", &self.subject).finish_non_exhaustive()
    }
}

fn bound(subject: Uuid) -> Vec<u8> {
    [BOX_BOUND, subject.as_bytes()].concat()
}
