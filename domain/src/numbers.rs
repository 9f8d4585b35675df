//! Ids that are numbers: dense from 1 in a home, one count for each kind of aggregate.

use crate::states::{States, load, save};

/// The id that was asked for is a number, and not the next one.
pub(crate) struct NotNext;

/// The id of a new aggregate. Without one that is asked for it is the count's next number. One that is a number must be
/// that: an import numbers what it brings as the former system did.
pub(crate) fn id(states: &impl States, count: &[u8], asked_for: Option<String>) -> Result<String, NotNext> {
    let next = last(states, count) + 1;
    match asked_for {
        None => Ok(next.to_string()),
        Some(id) if id.parse::<i64>().is_ok() && id != next.to_string() => Err(NotNext),
        Some(id) => Ok(id),
    }
}

/// Counts the id of an aggregate that is there from now on, where it is a number.
pub(crate) fn note(states: &mut impl States, count: Vec<u8>, id: &str) {
    if let Ok(number) = id.parse::<i64>() {
        save(states, count, &number);
    }
}

/// The newest number; 0 without one.
pub(crate) fn last(states: &impl States, count: &[u8]) -> i64 {
    load(states, count).unwrap_or_default()
}
