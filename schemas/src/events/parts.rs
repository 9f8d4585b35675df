//! What events of many streams have in common.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// What opens every event of an aggregate with revisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The instant of the writer's decision. It is shown to people; the order of events is that of their offsets.
    #[serde(with = "crate::time")]
    pub at: DateTime<Utc>,
    /// Who asked for it: an account as `realm/number`, a contract as `contract:name`, or [`Head::TODO`].
    pub by: String,
    /// The aggregate's revision after the event, from 1.
    pub revision: i32,
    /// UUIDv5 of caller, route and `Idempotency-Key`. It is `None` where the client sent no such header.
    pub key: Option<Uuid>,
    /// The fingerprint of what was asked, without its personal fields, wherever there is a key.
    pub print: Option<Bytes>,
}

impl Head {
    /// What stands in [`Self::by`] where a to-do asked.
    pub const TODO: &str = "todo";
}

/// An aggregate: its home, and which of the home's aggregates it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ref {
    /// The key of its records.
    pub home: String,
    /// Its id within the home; empty where the home is the aggregate itself.
    pub id: String,
}

/// Personal fields, readable with the key of their subject alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The person whose key seals it.
    pub subject: Uuid,
    /// A version byte, a nonce, and the ciphertext of a [`crate::Personal`].
    #[serde(rename = "box")]
    pub sealed: Bytes,
}

/// Bytes: `bytes` in Avro, a text of hexadecimal digits in JSON.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        super::bytes::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::bytes::deserialize(deserializer).map(Self)
    }
}
