//! The keys of persons. Whoever has a person's key reads what was sealed under it; where the key is forgotten, nobody does.
//!
//! A record's key is the person's subject, so that compaction keeps the latest record of each. Its partition is that of
//! the person's home, so that the home's one writer says which names are taken.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Bytes;

/// The kind of the blind index of the name that an account logs in with.
pub const USERNAME: &str = "username";
/// The kind of the blind index of an e-mail address, in lower case.
pub const EMAIL: &str = "email";
/// The kind of the blind index of an identity document, without `.`, `-`, `/` and blanks.
pub const DOCUMENT: &str = "document";

/// A person's key and blind indexes, as they are from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonKeyed {
    /// The home in which the indexes are unique.
    pub home: String,
    /// The person: a random id that says nothing of anybody.
    pub subject: Uuid,
    /// The person's key, encrypted under a master key.
    pub wrapped: Bytes,
    /// The number of that master key.
    pub master: i32,
    /// The person's blind indexes, all of them.
    pub indexes: Vec<BlindIndex>,
}

/// A keyed hash of a username, an e-mail address or a document: it finds its person, and says nothing else.
///
/// It stands here and in no event, because a document has so few values that whoever learns the index key can try them
/// all. Here it is deleted with its person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlindIndex {
    /// What is hashed: [`USERNAME`], [`EMAIL`] or [`DOCUMENT`].
    pub kind: String,
    /// The first 16 bytes of an HMAC-SHA-256.
    #[serde(with = "super::bytes")]
    pub value: Vec<u8>,
}

/// A person's key is deleted. Its record has no value, and so Kafka's compaction deletes all earlier records of the
/// subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyForgotten {
    /// The person.
    pub subject: Uuid,
}

stream! { Keys keyed by key;
    PersonKeyed: "person_keyed/v1";
    KeyForgotten: "key_forgotten/v1";
}

impl Event {
    /// The person whose key it is about.
    #[must_use]
    pub const fn subject(&self) -> Uuid {
        match self {
            Self::PersonKeyed(event) => event.subject,
            Self::KeyForgotten(event) => event.subject,
        }
    }
}

fn key(event: &Event) -> Cow<'_, str> {
    event.subject().to_string().into()
}
