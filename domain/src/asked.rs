//! What commands with revisions have in common: who asks, when, and whether the same was asked before.

use chrono::{DateTime, Utc};
use schemas::{Bytes, Head, Position, Topic};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::states::{self, Recorded, States};

/// Who asks for a command, and when. It becomes the [`Head`] of the command's event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The instant, by the clock of whoever took the request.
    pub at: DateTime<Utc>,
    /// An account as `realm/number`, a contract as `contract:name`, or [`Head::TODO`].
    pub by: String,
    /// UUIDv5 of caller, route and `Idempotency-Key`. It is `None` where the client sent no such header.
    pub key: Option<Uuid>,
    /// The fingerprint of what is asked, without its personal fields. It is there wherever there is a key.
    pub print: Option<Bytes>,
}

impl Asked {
    /// Asked by a to-do.
    #[must_use]
    pub fn by_todo(at: DateTime<Utc>) -> Self {
        Self { at, by: Head::TODO.to_owned(), key: None, print: None }
    }

    pub(crate) fn head(self, revision: i32) -> Head {
        let Self { at, by, key, print } = self;
        Head { at, by, revision, key, print }
    }
}

/// What was asked under an idempotency id before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    position: Position,
    print: Option<Bytes>,
}

/// The idempotency id was used with something else.
pub(crate) struct Reused;

/// The position of the event that was recorded under the same idempotency id; `None` where the id is new.
///
/// # Errors
/// [`Reused`].
pub(crate) fn before(
    states: &impl States,
    topic: Topic,
    home: &str,
    asked: &Asked,
) -> Result<Option<Position>, Reused> {
    let used: Option<Used> = asked.key.and_then(|key| states::load(states, &used_key(topic, home, key)));
    match used {
        Some(used) if used.print == asked.print => Ok(Some(used.position)),
        Some(_) => Err(Reused),
        None => Ok(None),
    }
}

/// Keeps the idempotency id of an event, if it has one.
pub(crate) fn note(states: &mut impl States, home: &str, head: &Head, recorded: &Recorded) {
    let Some(key) = head.key else { return };
    let used = Used { position: recorded.position, print: head.print.clone() };
    states::save(states, used_key(recorded.position.topic, home, key), &used);
}

fn used_key(topic: Topic, home: &str, key: Uuid) -> Vec<u8> {
    [&[b'i', topic.letter()], home.as_bytes(), &[0], key.as_bytes().as_slice()].concat()
}
