//! The to-dos of a served shard: done by its owner alone, side by side across lanes, in order within one.
//!
//! The fold raises and settles them in the store; here is what of them is near enough to be in memory. That a to-do is in
//! hand, and how often it was tried, is memory too: the next owner begins anew.

mod queue;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Act, Sort, TodoKey, Waiting};
use schemas::{Position, Topic};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::store::{Store, Writes};
use queue::Queue;

/// A to-do in hand.
pub struct Due {
    pub key: TodoKey,
    /// The event that raised it.
    pub cause: Uuid,
    pub act: Act,
}

pub struct Todos {
    queues: HashMap<Sort, Queue>,
    /// What the last batch has raised and not settled.
    raised: Vec<TodoKey>,
    /// Each is told once the last to-do of its event is settled, which then holds the only reference.
    watched: HashMap<TodoKey, Vec<Arc<oneshot::Sender<()>>>>,
}

impl Todos {
    /// The nearest of what the store's fold of these partitions still owes.
    pub fn load(store: &Store, partitions: impl Iterator<Item = (Topic, i32)>) -> Self {
        let partitions: BTreeSet<_> = partitions.map(|(_, partition)| partition).collect();
        let queue = |sort| (sort, Queue::load(sort, partitions.iter().copied().collect(), store));
        Self { queues: Sort::ALL.map(queue).into(), raised: Vec::new(), watched: HashMap::new() }
    }

    /// Takes note of to-dos that a batch raised or settled.
    pub fn follow(&mut self, writes: &Writes) {
        self.raised.clear();
        for (key, value) in writes.iter().filter_map(|(key, value)| Some((TodoKey::from_bytes(key)?, value)))
        {
            match value.as_deref().map(Waiting::from_bytes) {
                Some(Ok(waiting)) => {
                    self.raised.push(key);
                    self.queue(key.sort()).raised(key, waiting);
                }
                Some(Err(unknown)) => unreachable!("this binary has raised it: {unknown}"),
                None => self.settled(&key),
            }
        }
    }

    /// Takes to-dos of a sort in hand that are due, at most so many, one a lane. Each stays in hand until its event settles
    /// it or [`Self::put_off`] is called.
    pub fn take(&mut self, sort: Sort, at_most: usize, now: DateTime<Utc>, store: &Store) -> Vec<Due> {
        let queue = self.queue(sort);
        queue.refill(store);
        let due = queue.take(now, at_most);
        due.into_iter()
            .map(|(key, Waiting { cause, todo, .. })| Due { key, cause, act: todo.act(cause) })
            .collect()
    }

    /// Puts a to-do off that was tried, where it is not settled: then the pause until its next try.
    pub fn put_off(&mut self, key: &TodoKey, now: DateTime<Utc>) -> Option<Duration> {
        self.queue(key.sort()).put_off(key, now)
    }

    /// Told when the to-dos of the event at a position are settled; `None` where it owes nothing any more.
    pub fn settling(&mut self, event: Position) -> Option<oneshot::Receiver<()>> {
        let mut open: Vec<_> = self.raised.iter().copied().filter(|key| key.raised_by() == event).collect();
        if open.is_empty() {
            open.extend(self.queues.values().flat_map(|queue| queue.of(event)));
        }
        let (sender, receiver) = oneshot::channel();
        let sender = Arc::new(sender);
        for key in &open {
            let watchers = self.watched.entry(*key).or_default();
            watchers.retain(|watcher| !watcher.is_closed());
            watchers.push(Arc::clone(&sender));
        }
        (!open.is_empty()).then_some(receiver)
    }

    fn settled(&mut self, key: &TodoKey) {
        self.queue(key.sort()).settled(key);
        let watchers = self.watched.remove(key).unwrap_or_default();
        for sender in watchers.into_iter().filter_map(Arc::into_inner) {
            // Whoever gave up waiting was told that it goes on.
            let _ = sender.send(());
        }
    }

    fn queue(&mut self, sort: Sort) -> &mut Queue {
        self.queues.get_mut(&sort).expect("each sort has its queue")
    }
}
