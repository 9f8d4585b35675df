//! Personal data: who has a person's key reads what was sealed under it, and who destroys the key has erased the person.
//!
//! [`Vault`] has the deployment's secrets, and makes and opens persons' keys with them. A [`PersonKey`] seals and opens
//! [`schemas::Personal`]. What the log knows of the secrets, [`declared`] reads. `‖` is "followed by", a subject is its 16
//! bytes, and an HMAC is the first 16 bytes of HMAC-SHA-256:
//!
//! | what | is |
//! |---|---|
//! | a box | the byte 1 ‖ nonce (12 bytes) ‖ AES-256-GCM of [`schemas::Personal::to_bytes`] with its tag (16 bytes), bound to `till/personal/1` ‖ subject |
//! | a wrapped key | nonce ‖ AES-256-GCM of the key with its tag, bound to `till/key/1` ‖ subject ‖ home |
//! | a blind index | HMAC under the index key of home, kind and normalised value, each behind its length (8 bytes, big-endian) |
//! | the index key's check | HMAC under it of `till/index-check/1` |
//! | a master key's check | HMAC under it of `till/master-check/1` |

mod key;
mod keyring;
mod person;
mod secrets;
mod settings;
#[cfg(test)]
mod tests;

pub use keyring::Vault;
pub use person::{PersonKey, VaultError};
pub use secrets::{OtherSecrets, declared};
pub use settings::{DEFAULTS, VaultSettings};
