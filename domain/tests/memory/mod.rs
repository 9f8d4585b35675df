//! A shard in memory, to test the rules with.

use std::collections::BTreeMap;

use domain::{Command, Decision, Recorded, Rejection, States, TodoKey, Vault, Waiting, decide, evolve};
use schemas::{Event, Position};
use uuid::Uuid;

/// A shard in memory: its states, and its log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub states: BTreeMap<Vec<u8>, Vec<u8>>,
    pub log: Vec<(Event, Recorded)>,
    /// Whether events get the provisional offsets of a batch that is not in the log yet: -1, -2, ….
    pub is_provisional: bool,
}

impl States for Memory {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.states.get(key).cloned()
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.states.insert(key, value);
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.states.remove(&key);
    }
}

#[allow(dead_code, reason = "not every test that shares this file needs all of it")]
impl Memory {
    /// Decides a command and, where it happens, records and folds what it brings: claims, event, releases.
    pub fn when(&mut self, command: impl Into<Command>) -> Result<Decision, Rejection> {
        let decision = decide(self, command.into())?;
        match &decision {
            Decision::Append(event, Vault { claims, releases }) => {
                claims.iter().for_each(|claim| self.record(claim.clone().into()));
                self.record(event.as_ref().clone());
                releases.iter().for_each(|release| self.record(Event::Keys(release.clone())));
            }
            Decision::Keys(Vault { claims, releases }) => {
                claims.iter().for_each(|claim| self.record(claim.clone().into()));
                releases.iter().for_each(|release| self.record(Event::Keys(release.clone())));
            }
            Decision::Already(_) => {}
        }
        Ok(decision)
    }

    /// Records an event at the end of the log, and folds it.
    pub fn record(&mut self, event: Event) {
        let index = self.log.len() as i64;
        let offset = if self.is_provisional { -1 - index } else { index };
        let position = Position { topic: event.topic(), partition: 3, offset };
        let recorded = Recorded { position, event_id: Uuid::from_u128(self.log.len() as u128 + 1) };
        evolve(self, &event, &recorded);
        self.log.push((event, recorded));
    }

    /// The states that folding a log gives.
    pub fn folded<'e>(log: impl IntoIterator<Item = &'e (Event, Recorded)>) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut folded = Self::default();
        for (event, recorded) in log {
            evolve(&mut folded, event, recorded);
        }
        folded.states
    }

    pub fn replayed(&self) -> Self {
        Self { states: Self::folded(&self.log), ..self.clone() }
    }

    pub fn todos(&self) -> Vec<(TodoKey, Waiting)> {
        let raised = self.states.iter().filter_map(|(key, value)| Some((TodoKey::from_bytes(key)?, value)));
        raised.map(|(key, value)| (key, Waiting::from_bytes(value).unwrap())).collect()
    }
}
