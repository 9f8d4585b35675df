//! What a batch of the keys' records changes. The rows before it are not read: what is said here holds whatever they are.

use std::collections::BTreeMap;

use schemas::keys::{Event, PersonKeyed};
use uuid::Uuid;

/// A blind index. It is unique within its home, and in the partition of its home, like the records of all who ever have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index<'e> {
    pub home: &'e str,
    pub kind: &'e str,
    pub value: &'e [u8],
}

/// What a batch changes, in the order of keys.
///
/// A subject's record says all of its indexes, so a subject of the batch has those of its last record at most, whatever it had
/// before. It has less where another subject has claimed one since: an index is its last claimer's, and is freed only by
/// the one that it still points to.
#[derive(Default)]
pub struct Changes<'e> {
    /// The last record of each subject; `None`: its key is forgotten.
    keys: BTreeMap<Uuid, Option<&'e PersonKeyed>>,
    /// Whose each index is that was claimed in the batch; `None`: its last claimer has freed it.
    indexes: BTreeMap<Index<'e>, Option<Uuid>>,
}

impl<'e> Changes<'e> {
    /// Takes the next record of the log.
    pub fn take(&mut self, event: &'e Event) {
        let subject = event.subject();
        let key = match event {
            Event::PersonKeyed(key) => Some(key),
            Event::KeyForgotten(_) => None,
        };
        let former = self.keys.insert(subject, key).flatten();
        for index in former.into_iter().flat_map(indexes) {
            if let Some(holder) = self.indexes.get_mut(&index) {
                *holder = holder.filter(|holder| *holder != subject);
            }
        }
        for index in key.into_iter().flat_map(indexes) {
            self.indexes.insert(index, Some(subject));
        }
    }

    /// Every subject of the batch. What it had before is freed, apart from what is claimed.
    pub fn subjects(&self) -> Vec<Uuid> {
        self.keys.keys().copied().collect()
    }

    /// The indexes that somebody has claimed and not freed since, and who.
    pub fn claimed(&self) -> impl Iterator<Item = (Index<'e>, Uuid)> {
        self.indexes.iter().filter_map(|(index, holder)| Some((*index, (*holder)?)))
    }

    /// The indexes that were claimed and freed again. Before the batch they may have been anybody's.
    pub fn freed(&self) -> Vec<Index<'e>> {
        self.indexes.iter().filter(|(_, holder)| holder.is_none()).map(|(index, _)| *index).collect()
    }

    /// The subjects whose keys are forgotten.
    pub fn forgotten(&self) -> Vec<Uuid> {
        self.keys.iter().filter(|(_, key)| key.is_none()).map(|(subject, _)| *subject).collect()
    }

    /// The keys that are there after the batch.
    pub fn keyed(&self) -> Vec<&'e PersonKeyed> {
        self.keys.values().copied().flatten().collect()
    }
}

fn indexes(key: &PersonKeyed) -> impl Iterator<Item = Index<'_>> {
    key.indexes.iter().map(|index| Index { home: &key.home, kind: &index.kind, value: &index.value })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use schemas::Bytes;
    use schemas::keys::{BlindIndex, KeyForgotten};

    use super::*;

    /// Subjects and indexes are so few that they meet all the time. Every other subject is of another home.
    fn event() -> impl Strategy<Value = Event> {
        (0..4_u8, 0..100_i32, prop::option::weighted(0.8, prop::collection::vec(0..4_u8, 0..4))).prop_map(
            |(person, master, indexes)| {
                let subject = Uuid::from_u128(person.into());
                let Some(indexes) = indexes else { return Event::KeyForgotten(KeyForgotten { subject }) };
                let (home, wrapped) = (format!("home-{}", person % 2), Bytes(vec![person]));
                let index = |value| BlindIndex { kind: "email".into(), value: vec![value] };
                let indexes = indexes.into_iter().map(index).collect();
                Event::PersonKeyed(PersonKeyed { home, subject, wrapped, master, indexes })
            },
        )
    }

    type Place = (String, Vec<u8>);

    /// The rows of both tables: the master key of each subject, and whose each index is.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct Rows {
        keys: BTreeMap<Uuid, i32>,
        indexes: BTreeMap<Place, Uuid>,
    }

    impl Rows {
        /// What the statements do with a batch, in their order.
        fn write(&mut self, changes: &Changes<'_>) {
            let place = |index: Index<'_>| (index.home.to_owned(), index.value.to_vec());
            let claimed: BTreeMap<_, _> =
                changes.claimed().map(|(index, subject)| (place(index), subject)).collect();
            let subjects: BTreeSet<_> = changes.subjects().into_iter().collect();
            self.indexes.retain(|index, holder| !subjects.contains(holder) || claimed.contains_key(index));
            for index in changes.freed() {
                self.indexes.remove(&place(index));
            }
            self.indexes.extend(claimed);
            for subject in changes.forgotten() {
                self.keys.remove(&subject);
            }
            self.keys.extend(changes.keyed().into_iter().map(|key| (key.subject, key.master)));
        }
    }

    /// What the shard's owner does with one record after the other. It keeps what each record said.
    #[derive(Default)]
    struct Model {
        rows: Rows,
        records: BTreeMap<Uuid, PersonKeyed>,
    }

    impl Model {
        fn take(&mut self, event: &Event) {
            let subject = event.subject();
            let kept = match event {
                Event::PersonKeyed(key) => key.indexes.clone(),
                Event::KeyForgotten(_) => Vec::new(),
            };
            if let Some(former) = self.records.remove(&subject) {
                for index in former.indexes.iter().filter(|index| !kept.contains(index)) {
                    let place = (former.home.clone(), index.value.clone());
                    if self.rows.indexes.get(&place) == Some(&subject) {
                        self.rows.indexes.remove(&place);
                    }
                }
            }
            self.rows.keys.remove(&subject);
            if let Event::PersonKeyed(key) = event {
                for index in &key.indexes {
                    self.rows.indexes.insert((key.home.clone(), index.value.clone()), subject);
                }
                self.rows.keys.insert(subject, key.master);
                self.records.insert(subject, key.clone());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn batches_of_any_size_leave_the_rows_that_one_record_after_the_other_leaves(
            batches in prop::collection::vec(prop::collection::vec(event(), 1..8), 1..8)
        ) {
            let (mut rows, mut model) = (Rows::default(), Model::default());
            for batch in &batches {
                let mut changes = Changes::default();
                for event in batch {
                    changes.take(event);
                    model.take(event);
                }
                rows.write(&changes);
                prop_assert_eq!(&rows, &model.rows, "after {:?}", batch);
            }
        }
    }
}
