//! The aggregate an event belongs to. Parking holds back one aggregate, so that all others of its home go on.

use schemas::{Event, Topic};

/// An aggregate: the stream of events whose order among each other matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// The topic its events are in.
    pub topic: Topic,
    /// The key of its records, which several aggregates may share.
    pub home: Vec<u8>,
    /// Tells it from others of its home, as a text that a column can hold. Empty where the home is the aggregate itself.
    pub id: String,
}

impl Aggregate {
    /// The aggregate of an event.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let home = event.key().as_bytes().to_vec();
        Self { topic: event.topic(), home, id: storable(&event.id()) }
    }

    /// What stands for every aggregate of this one's home. Former binaries have parked accounts by their realm only, and a
    /// place's windows by the place.
    #[must_use]
    pub fn whole_home(&self) -> Self {
        Self { topic: self.topic, home: self.home.clone(), id: String::new() }
    }
}

/// A text that a column of Postgres can hold: U+0000 is the one character none does.
#[must_use]
pub fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
