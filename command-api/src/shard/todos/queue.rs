//! The nearest to-dos of one sort, in memory. The store has all of them, and those further off are read when there is
//! room.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Sort, TodoKey, Waiting};

use super::super::store::Store;

/// The most to-dos in memory. More are read when half of them are gone.
const MOST: usize = 10_000;
/// The pause before the second try of a to-do that the first did not settle. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The order in which to-dos are done, as [`TodoKey::order`] gives it.
type Order = [u8; TodoKey::BYTES];

pub struct Queue {
    sort: Sort,
    partitions: Vec<i32>,
    entries: BTreeMap<Order, Entry>,
    /// When each to-do is tried next. To-dos in hand are not in it, and neither are those that wait for another of
    /// their lane.
    schedule: BTreeSet<(DateTime<Utc>, Order)>,
    /// The to-dos of each lane, of which only the first one may be in hand.
    lanes: HashMap<String, BTreeSet<Order>>,
    /// Every to-do of the store before this order is in memory; `None` where all of them are.
    beyond: Option<Order>,
}

struct Entry {
    key: TodoKey,
    waiting: Waiting,
    tries: u32,
    next: DateTime<Utc>,
    in_hand: bool,
}

impl Queue {
    /// A queue of the nearest to-dos that the store has for these partitions.
    pub fn load(sort: Sort, partitions: Vec<i32>, store: &Store) -> Self {
        let beyond = Some(Order::default());
        let (entries, schedule, lanes) = (BTreeMap::new(), BTreeSet::new(), HashMap::new());
        let mut queue = Self { sort, partitions, entries, schedule, lanes, beyond };
        queue.refill(store);
        queue
    }

    /// Reads on from where reading ended, once half of the to-dos in memory are gone. It never reads a range again in
    /// which to-dos were settled: the store keeps marks of what was deleted, and passing one costs as much as reading a
    /// to-do.
    pub fn refill(&mut self, store: &Store) {
        let Some(beyond) = self.beyond.filter(|_| self.entries.len() <= MOST / 2) else { return };
        let mut partitions: Vec<_> =
            self.partitions.iter().map(|p| store.todos(self.sort, *p, &beyond).peekable()).collect();
        let mut unknown: Option<(usize, String)> = None;
        self.beyond = loop {
            let heads = partitions.iter_mut().enumerate();
            let nearest = heads.filter_map(|(index, todos)| Some((todos.peek()?.0.order(), index))).min();
            let Some((order, index)) = nearest else { break None };
            if self.entries.len() >= MOST {
                break Some(order);
            }
            let (key, value) = partitions[index].next().expect("it was just looked at");
            match Waiting::from_bytes(&value) {
                Ok(waiting) => self.add(key, waiting),
                Err(error) => unknown.get_or_insert_with(|| (0, error.to_string())).0 += 1,
            }
        };
        if let Some((count, first)) = unknown {
            tracing::error!(todos = count, first, "to-dos are left to a newer Till: they stay in the store");
        }
    }

    /// Notes a to-do that a batch has raised. One that is further off than those in memory is left to the store.
    pub fn raised(&mut self, key: TodoKey, waiting: Waiting) {
        if self.beyond.is_some_and(|beyond| key.order() >= beyond) {
            return;
        }
        self.add(key, waiting);
        if self.entries.len() > MOST
            && let Some(last) = self.entries.last_entry().filter(|last| !last.get().in_hand)
        {
            let key = last.get().key;
            self.beyond = Some(key.order());
            self.settled(&key);
        }
    }

    /// Notes that a to-do is settled. The next one of its lane may be taken from here on.
    pub fn settled(&mut self, key: &TodoKey) {
        let order = key.order();
        let Some(entry) = self.entries.remove(&order) else { return };
        self.schedule.remove(&(entry.next, order));
        let Some(lane) = entry.waiting.lane else { return };
        let Some(others) = self.lanes.get_mut(&lane) else { return };
        others.remove(&order);
        match others.first().copied() {
            Some(first) => self.schedule(&first),
            None => drop(self.lanes.remove(&lane)),
        }
    }

    /// Takes to-dos in hand that are due, `at_most` so many: the nearest first, one a lane.
    pub fn take(&mut self, now: DateTime<Utc>, at_most: usize) -> Vec<(TodoKey, Waiting)> {
        let due: Vec<_> =
            self.schedule.range(..=(now, [u8::MAX; TodoKey::BYTES])).take(at_most).copied().collect();
        let take = |(next, order)| {
            self.schedule.remove(&(next, order));
            let entry = self.entries.get_mut(&order)?;
            entry.in_hand = true;
            Some((entry.key, entry.waiting.clone()))
        };
        due.into_iter().filter_map(take).collect()
    }

    /// Puts a to-do off that was tried, and returns the pause until its next try; `None` where the to-do is settled.
    pub fn put_off(&mut self, key: &TodoKey, now: DateTime<Utc>) -> Option<Duration> {
        let order = key.order();
        let entry = self.entries.get_mut(&order)?;
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(entry.tries)).min(LONGEST_PAUSE);
        entry.tries = entry.tries.saturating_add(1);
        entry.in_hand = false;
        entry.next = now + pause;
        self.schedule(&order);
        Some(pause)
    }

    /// The to-dos in memory that the event at a position has raised.
    pub fn of(&self, position: schemas::Position) -> impl Iterator<Item = TodoKey> {
        self.entries.values().map(|entry| entry.key).filter(move |key| key.raised_by() == position)
    }

    fn add(&mut self, key: TodoKey, waiting: Waiting) {
        let order = key.order();
        let next = key.due().unwrap_or_default();
        let lane = waiting.lane.clone();
        self.entries.insert(order, Entry { key, waiting, tries: 0, next, in_hand: false });
        if let Some(lane) = lane {
            let lane = self.lanes.entry(lane).or_default();
            lane.insert(order);
            if lane.first() != Some(&order) {
                return;
            }
            if let Some(former) = lane.iter().nth(1).and_then(|order| self.entries.get(order)) {
                self.schedule.remove(&(former.next, former.key.order()));
            }
        }
        self.schedule(&order);
    }

    fn schedule(&mut self, order: &Order) {
        if let Some(entry) = self.entries.get(order).filter(|entry| !entry.in_hand) {
            self.schedule.insert((entry.next, *order));
        }
    }
}
