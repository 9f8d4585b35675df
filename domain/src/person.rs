//! Who a subject is, whether the person lives, and whether it was erased: what the keys of persons and the streams that name
//! them have in common.

use schemas::{Position, Ref};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::TodoKey;
use crate::states::{States, load as read, save as write};

/// Who has a subject, under `j` and the subject. Its own stream says so: that of the customer, or that of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    who: Ref,
    /// The position of the event that ended it: a customer was removed, an account closed.
    ended_at: Option<Position>,
}

/// What is kept of a person who was erased, under `E` and its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Erased {
    /// The position of the event that erased the person.
    pub at: Position,
    /// The to-do that deletes the keys once more, while it is open.
    pub forget: Option<TodoKey>,
}

/// The customer or account that has the subject; `None` where it was ended or erased, or where no person has it.
pub(crate) fn living(states: &impl States, subject: Uuid) -> Option<Ref> {
    if is_over(erased(states, subject).map(|erased| erased.at)) {
        return None;
    }
    let held: Held = read(states, &held_key(subject))?;
    (!is_over(held.ended_at)).then_some(held.who)
}

/// Whether the event that ends a person is in the log. Where it is in the batch that is decided, its offset is
/// provisional, and the person keeps its names: of a torn transaction the claims alone can be committed, and then the
/// person lives on beside another who has taken its name.
fn is_over(ended_at: Option<Position>) -> bool {
    ended_at.is_some_and(|position| position.offset >= 0)
}

/// The customer or account that has the subject, also one that has ended or was erased.
pub(crate) fn holder(states: &impl States, subject: Uuid) -> Option<Ref> {
    read(states, &held_key(subject)).map(|held: Held| held.who)
}

/// Whether any customer or account, also one that has ended, has or had the subject.
pub fn is_held(states: &impl States, subject: Uuid) -> bool {
    states.get(&held_key(subject)).is_some()
}

/// Whether the person was erased.
pub fn is_erased(states: &impl States, subject: Uuid) -> bool {
    states.get(&erased_key(subject)).is_some()
}

/// The customer or account has the subject. `ended_at` is the position of the event that ended it.
pub(crate) fn hold(states: &mut impl States, subject: Uuid, who: &Ref, ended_at: Option<Position>) {
    write(states, held_key(subject), &Held { who: who.clone(), ended_at });
}

pub(crate) fn erased(states: &impl States, subject: Uuid) -> Option<Erased> {
    read(states, &erased_key(subject))
}

pub(crate) fn save_erased(states: &mut impl States, subject: Uuid, erased: &Erased) {
    write(states, erased_key(subject), erased);
}

fn held_key(subject: Uuid) -> Vec<u8> {
    [b"j", subject.as_bytes().as_slice()].concat()
}

fn erased_key(subject: Uuid) -> Vec<u8> {
    [b"E", subject.as_bytes().as_slice()].concat()
}
