//! What a batch writes: its decisions become records, in the order in which they are appended.

use std::sync::Arc;

use domain::{Decision, Recorded, evolve};
use schemas::keys::{self, PersonKeyed};
use schemas::{Event, EventHeaders, Position, Topic};
use uuid::Uuid;

use super::store::{Overlay, Store};
use super::work::{Answer, Origin};

/// The steps in which a batch is appended. The records of each are acknowledged before those of the next are sent, so that
/// of a torn transaction a beginning is committed: an event never stands without the keys that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Keys that events need, and names that they take.
    Claims,
    Events,
    /// Keys that are forgotten, and names that are free from here on.
    Releases,
}

impl Step {
    pub const ALL: [Self; 3] = [Self::Claims, Self::Events, Self::Releases];
}

/// A record of the batch on its way into the log.
pub struct Pending {
    pub step: Step,
    pub event: Arc<Event>,
    pub partition: i32,
    pub headers: EventHeaders,
}

impl Pending {
    pub fn place(&self) -> (Topic, i32) {
        (self.event.topic(), self.partition)
    }

    /// What a fold is told of the record at an offset.
    pub fn recorded(&self, offset: i64) -> Recorded {
        let (topic, partition) = self.place();
        Recorded { position: Position { topic, partition, offset }, event_id: self.headers.event_id }
    }
}

/// What a batch comes to: the states after it, and the records that say so.
pub struct Written<'s> {
    pub states: Overlay<'s>,
    pub pending: Vec<Pending>,
}

impl<'s> Written<'s> {
    /// Nothing is written yet. `commands` is how many the batch has.
    pub fn new(store: &'s Store, commands: usize) -> Self {
        Self { states: Overlay::new(store), pending: Vec::with_capacity(commands) }
    }

    /// Takes a decision's records, in the order of their steps. The answer has the position of the event, or of the first
    /// record where there is no event.
    pub fn take(&mut self, decision: Decision, partition: i32, origin: Origin) -> Answer {
        let headers = headers(origin);
        match decision {
            Decision::Already(position) => Answer::already(position),
            Decision::Append(event, vault) => {
                self.claim(vault.claims, partition, &headers);
                let position = self.add(Step::Events, Arc::clone(&event), partition, headers.clone());
                self.release(vault.releases, partition, &headers);
                Answer::recorded(position, event)
            }
            Decision::Keys(vault) => {
                let offset = provisional(self.pending.len());
                self.claim(vault.claims, partition, &headers);
                self.release(vault.releases, partition, &headers);
                Answer::of_keys(Position { topic: Topic::Keys, partition, offset })
            }
        }
    }

    /// Adds claims. Where the batch releases names of the same key later, that record must not bring the former wrapping
    /// back.
    fn claim(&mut self, claims: Vec<PersonKeyed>, partition: i32, caused: &EventHeaders) {
        for claim in claims {
            if let Some((index, keys::Event::PersonKeyed(release))) = self.release_of(claim.subject) {
                let (wrapped, master) = (claim.wrapped.clone(), claim.master);
                self.pending[index].event = Arc::new(PersonKeyed { wrapped, master, ..release }.into());
            }
            self.add(Step::Claims, Arc::new(claim.into()), partition, of_key(caused));
        }
    }

    /// Adds releases, one a key at most: the last one says how the key is after the batch. After an earlier one, a torn
    /// transaction would leave a key without names that the batch's events have.
    fn release(&mut self, releases: Vec<keys::Event>, partition: i32, caused: &EventHeaders) {
        for release in releases {
            match self.release_of(release.subject()) {
                Some((index, _)) => self.pending[index].event = Arc::new(Event::Keys(release)),
                None => {
                    self.add(Step::Releases, Arc::new(Event::Keys(release)), partition, of_key(caused));
                }
            }
        }
    }

    fn release_of(&self, subject: Uuid) -> Option<(usize, keys::Event)> {
        let releases = self.pending.iter().enumerate().filter(|(_, pending)| pending.step == Step::Releases);
        releases.into_iter().find_map(|(index, pending)| match pending.event.as_ref() {
            Event::Keys(release) if release.subject() == subject => Some((index, release.clone())),
            _ => None,
        })
    }

    fn add(&mut self, step: Step, event: Arc<Event>, partition: i32, headers: EventHeaders) -> Position {
        let pending = Pending { step, event, partition, headers };
        let recorded = pending.recorded(provisional(self.pending.len()));
        // A name that this batch frees can be taken in a later batch only: in a torn transaction the one who takes it would
        // stand beside the one who had it.
        if step != Step::Releases {
            evolve(&mut self.states, &pending.event, &recorded);
        }
        self.pending.push(pending);
        recorded.position
    }
}

fn headers(origin: Origin) -> EventHeaders {
    EventHeaders {
        event_id: Uuid::now_v7(),
        causation_id: origin.causation_id,
        correlation_id: origin.correlation_id,
        traceparent: origin.traceparent,
    }
}

/// The headers of a key's record: those of the event that it goes with, and an id of its own.
fn of_key(caused: &EventHeaders) -> EventHeaders {
    EventHeaders { event_id: Uuid::now_v7(), ..caused.clone() }
}

/// The offset that stands for the batch's record `index` until Kafka has given it one: -1, -2, ….
fn provisional(index: usize) -> i64 {
    -1 - i64::try_from(index).expect("a batch is small")
}

/// The answer with the offset that Kafka gave, where its offset was provisional.
pub fn placed(answer: Answer, offsets: &[i64]) -> Answer {
    let offset = match usize::try_from(-1 - answer.position.offset) {
        Ok(index) if answer.position.offset < 0 => offsets[index],
        _ => answer.position.offset,
    };
    Answer { position: Position { offset, ..answer.position }, ..answer }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use domain::people::{
        self, ChangeCustomer, ErasePerson, HOME, Person, RegisterCustomer, RemoveCustomer, TendKey,
    };
    use domain::vault::{self, EMAIL};
    use domain::{Asked, Command, decide};
    use schemas::keys::BlindIndex;
    use schemas::{Bytes, Sealed};

    use super::*;

    const PARTITION: i32 = 2;

    struct Dir(std::path::PathBuf);

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn store() -> (Dir, Store) {
        let dir = Dir(std::env::temp_dir().join(format!("till-batch-{}", Uuid::now_v7())));
        let store = Store::open(&dir.0, "till 16", 8).unwrap();
        (dir, store)
    }

    fn asked() -> Asked {
        Asked { at: Utc::now(), by: "till/1".into(), key: None, print: None }
    }

    fn subject(person: u8) -> Uuid {
        Uuid::from_u128(person.into())
    }

    fn email(name: u8) -> Vec<BlindIndex> {
        vec![BlindIndex { kind: EMAIL.into(), value: vec![name; 16] }]
    }

    fn sealed(person: u8) -> Sealed {
        Sealed { subject: subject(person), sealed: Bytes(vec![person]) }
    }

    fn register(person: u8, name: u8) -> Command {
        let wrapped = Bytes(vec![person; 60]);
        let key = PersonKeyed {
            home: HOME.into(),
            subject: subject(person),
            wrapped,
            master: 1,
            indexes: email(name),
        };
        let (home, id, scope) = (HOME.into(), Some(person.to_string()), "v1".into());
        let (sealed, asked) = (sealed(person), asked());
        RegisterCustomer { home, id, scope, sealed, key, active: true, account: None, asked }.into()
    }

    fn rename(person: u8, revision: i32, name: u8) -> Command {
        let (home, id, sealed, indexes) = (HOME.into(), person.to_string(), sealed(person), email(name));
        ChangeCustomer { home, id, revision, sealed, indexes, active: true, account: None, asked: asked() }
            .into()
    }

    fn remove(person: u8) -> Command {
        RemoveCustomer { home: HOME.into(), id: person.to_string(), asked: asked() }.into()
    }

    fn erase(person: u8) -> Command {
        let (home, person, reason) = (HOME.into(), Person::Customer(person.to_string()), String::new());
        ErasePerson { home, person, reason, forget_at: Utc::now(), asked: asked() }.into()
    }

    fn rewrap(person: u8) -> Command {
        let (former, rewrapped) = (Bytes(vec![person; 60]), Some((Bytes(vec![person + 100; 60]), 2)));
        TendKey { home: HOME.into(), subject: subject(person), former, rewrapped }.into()
    }

    /// The records of a batch of these commands in the order in which they are appended. A command that is refused has none.
    fn appended(store: &Store, commands: impl IntoIterator<Item = Command>) -> Vec<Arc<Event>> {
        let mut written = Written::new(store, 0);
        for command in commands {
            if let Ok(decision) = decide(&written.states, command) {
                written.take(decision, PARTITION, Origin::default());
            }
        }
        let of = |step| written.pending.iter().filter(move |pending| pending.step == step);
        Step::ALL.into_iter().flat_map(of).map(|pending| Arc::clone(&pending.event)).collect()
    }

    /// The states after the first of these records alone.
    fn after<'s>(store: &'s Store, records: &[Arc<Event>]) -> Overlay<'s> {
        let mut states = Overlay::new(store);
        for (offset, event) in records.iter().enumerate() {
            let position = Position { topic: event.topic(), partition: PARTITION, offset: offset as i64 };
            evolve(&mut states, event, &Recorded { position, event_id: Uuid::nil() });
        }
        states
    }

    fn holder(states: &Overlay<'_>, name: u8) -> Option<Uuid> {
        vault::holder(states, HOME, &email(name)[0]).map(|(subject, _)| subject)
    }

    #[test]
    fn of_a_torn_batch_every_customer_has_its_key_and_its_newest_name() {
        let (_dir, store) = store();
        let commands = [
            register(1, 11),
            rename(1, 1, 12),
            register(2, 21),
            rename(1, 2, 13),
            rewrap(1),
            rename(2, 1, 22),
        ];
        let records = appended(&store, commands);
        for torn in 0..=records.len() {
            let states = after(&store, &records[..torn]);
            let names = [[11, 12, 13].as_slice(), &[21, 22]];
            for (person, names) in (1..).zip(names) {
                let Some(customer) = people::load(&states, HOME, &person.to_string()) else { continue };
                assert!(vault::key(&states, subject(person)).is_some(), "{torn}: a key");
                let name = names[usize::try_from(customer.revision).unwrap() - 1];
                assert_eq!(holder(&states, name), Some(subject(person)), "{torn}: of name {name}");
            }
        }
        let states = after(&store, &records);
        assert_eq!(
            [11, 12, 13, 21, 22].map(|name| holder(&states, name).is_some()),
            [false, false, true, false, true]
        );
    }

    #[test]
    fn a_rewrap_within_a_batch_is_not_undone_by_a_name_that_the_batch_frees() {
        let (_dir, store) = store();
        for commands in
            [[register(1, 11), rename(1, 1, 12), rewrap(1)], [register(1, 11), rewrap(1), rename(1, 1, 12)]]
        {
            let records = appended(&store, commands);
            let key = vault::key(&after(&store, &records), subject(1)).unwrap();
            assert_eq!((key.master, key.wrapped, key.indexes), (2, Bytes(vec![101; 60]), email(12)));
        }
    }

    #[test]
    fn a_name_that_a_batch_frees_is_taken_in_a_later_batch_only() {
        for freeing in [rename(1, 1, 12), remove(1), erase(1)] {
            let (_dir, store) = store();
            let records = appended(&store, [register(1, 11), freeing, register(2, 11)]);
            let states = after(&store, &records);
            assert_eq!((people::load(&states, HOME, "2"), holder(&states, 11)), (None, None));
            assert!(decide(&states, register(2, 11)).is_ok());
        }
    }
}
