//! The to-dos of a shard that is served here. Only the shard's owner does them: side by side across lanes, in order
//! within one.
//!
//! The fold raises and settles them in the store, and the nearest are in memory here. That a to-do is in hand, and how
//! often it was tried, is only in memory: the next owner begins anew.

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

/// A to-do that its owner has in hand.
pub struct Due {
    pub key: TodoKey,
    /// The id of the event that raised the to-do.
    pub cause: Uuid,
    pub act: Act,
}

pub struct Todos {
    queues: HashMap<Sort, Queue>,
    /// The to-dos that the last batch has raised and not settled.
    raised: Vec<TodoKey>,
    /// The requests that wait until an event's to-dos are settled, under each of those to-dos. The last one to be
    /// settled holds the only reference to the sender, and tells the request.
    watched: HashMap<TodoKey, Vec<Arc<oneshot::Sender<()>>>>,
}

impl Todos {
    /// The nearest of the to-dos that the store has for these partitions.
    pub fn load(store: &Store, partitions: impl Iterator<Item = (Topic, i32)>) -> Self {
        let partitions: BTreeSet<_> = partitions.map(|(_, partition)| partition).collect();
        let queue = |sort| (sort, Queue::load(sort, partitions.iter().copied().collect(), store));
        Self { queues: Sort::ALL.map(queue).into(), raised: Vec::new(), watched: HashMap::new() }
    }

    /// Notes the to-dos that a batch raised or settled.
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

    /// Takes to-dos of a sort in hand that are due, `at_most` so many, one a lane. Each stays in hand until its event
    /// settles it or [`Self::put_off`] is called.
    pub fn take(&mut self, sort: Sort, at_most: usize, now: DateTime<Utc>, store: &Store) -> Vec<Due> {
        let queue = self.queue(sort);
        queue.refill(store);
        let due = queue.take(now, at_most);
        due.into_iter()
            .map(|(key, Waiting { cause, todo, .. })| Due { key, cause, act: todo.act(cause, now) })
            .collect()
    }

    /// Puts a to-do off that was tried and is not settled. The pause until its next try is returned; `None` where it is
    /// settled.
    pub fn put_off(&mut self, key: &TodoKey, now: DateTime<Utc>) -> Option<Duration> {
        self.queue(key.sort()).put_off(key, now)
    }

    /// A receiver that is told when the to-dos of the event at a position are settled; `None` where the event owes
    /// nothing any more.
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
            // A request that has given up waiting was told that its to-dos go on.
            let _ = sender.send(());
        }
    }

    fn queue(&mut self, sort: Sort) -> &mut Queue {
        self.queues.get_mut(&sort).expect("each sort has its queue")
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use domain::account::{self, AssignRoles, LockLogin, OpenAccount};
    use domain::{Asked, Command, Decision, Recorded, States, decide, evolve};
    use schemas::keys::PersonKeyed;
    use schemas::{Bytes, Sealed};

    use super::super::store::Overlay;
    use super::*;

    const REALM: &str = "till";
    const PARTITION: i32 = 3;

    /// A shard's store and to-dos, with offsets of a log of its own.
    struct Shard {
        store: Store,
        dir: std::path::PathBuf,
        todos: Todos,
        next: i64,
    }

    impl Drop for Shard {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    impl Shard {
        fn new() -> Self {
            let dir = std::env::temp_dir().join(format!("till-todos-{}", Uuid::now_v7()));
            let store = Store::open(&dir, "till 16", 8).unwrap();
            let todos = Todos::load(&store, [(Topic::Accounts, PARTITION)].into_iter());
            Self { store, dir, todos, next: 0 }
        }

        fn reload(&mut self) {
            self.todos = Todos::load(&self.store, [(Topic::Accounts, PARTITION)].into_iter());
        }

        /// Decides the commands in one batch, as an owner does. Each command gives its event's position, or `None`
        /// where nothing happened.
        fn batch(&mut self, commands: impl IntoIterator<Item = Command>) -> Vec<Option<Position>> {
            let mut states = Overlay::new(&self.store);
            let mut positions = Vec::new();
            for command in commands {
                let Ok(Decision::Append(event, _)) = decide(&states, command) else {
                    positions.push(None);
                    continue;
                };
                let position = Position { topic: Topic::Accounts, partition: PARTITION, offset: self.next };
                self.next += 1;
                evolve(&mut states, &event, &Recorded { position, event_id: Uuid::now_v7() });
                positions.push(Some(position));
            }
            let writes = states.writes;
            self.todos.follow(&writes);
            self.store.write(writes, &[]).unwrap();
            positions
        }

        fn take(&mut self, at_most: usize, after_s: i64) -> Vec<Due> {
            let now = begin() + TimeDelta::seconds(after_s);
            self.todos.take(Sort::Command, at_most, now, &self.store)
        }
    }

    fn begin() -> DateTime<Utc> {
        "2026-02-07T12:00:00Z".parse().unwrap()
    }

    /// Opens the next account: the first one has the number 1.
    fn open() -> Command {
        let (home, subject) = (REALM.to_owned(), Uuid::now_v7());
        let sealed = Sealed { subject, sealed: Bytes(Vec::new()) };
        let key = PersonKeyed { home, subject, wrapped: Bytes(Vec::new()), master: 1, indexes: Vec::new() };
        let (realm, roles, places, sellers) = (REALM.into(), Vec::new(), Vec::new(), Vec::new());
        let asked = Asked { at: begin(), by: "anyone".into(), key: None, print: None };
        OpenAccount { realm, number: None, sealed, key, roles, places, sellers, asked }.into()
    }

    fn lock(number: i64, until_s: i64) -> Command {
        let until = begin() + TimeDelta::seconds(until_s);
        LockLogin { realm: REALM.into(), number, until }.into()
    }

    fn command(due: Due) -> Command {
        let Act::Command(command) = due.act else { panic!("a tell") };
        *command
    }

    /// The number of the account in the command that ends a lock.
    fn number(due: &Due) -> i64 {
        let Act::Command(command) = &due.act else { panic!("a tell") };
        let Command::Account(account::Command::UnlockLogin(unlock)) = command.as_ref() else {
            panic!("another")
        };
        unlock.number
    }

    #[test]
    fn todos_come_when_they_are_due_the_nearest_first_and_once() {
        let mut shard = Shard::new();
        shard.batch([open(), open(), lock(1, 20), lock(2, 10)]);
        assert!(shard.take(10, 9).is_empty());
        let due: Vec<_> = shard.take(1, 30);
        assert_eq!(number(&due[0]), 2);
        assert_eq!(shard.take(10, 30).iter().map(number).collect::<Vec<_>>(), [1], "that of 2 is in hand");
        shard.batch(due.into_iter().map(command));
        shard.reload();
        assert_eq!(shard.take(10, 30).iter().map(number).collect::<Vec<_>>(), [1], "that of 2 is settled");
    }

    #[test]
    fn what_is_tried_and_not_settled_is_put_off_longer_each_time() {
        let mut shard = Shard::new();
        shard.batch([open(), lock(1, 0)]);
        let due = shard.take(10, 1).pop().unwrap();
        let now = begin() + TimeDelta::seconds(1);
        let first = shard.todos.put_off(&due.key, now).unwrap();
        assert!(shard.take(10, 1).is_empty(), "it does not come at once again");
        let due = shard.take(10, 2).pop().unwrap();
        let second = shard.todos.put_off(&due.key, now).unwrap();
        assert!(second > first);
        for _ in 0..40 {
            shard.todos.put_off(&due.key, now);
        }
        assert_eq!(shard.todos.put_off(&due.key, now), Some(Duration::from_secs(60)));
        let again = shard.take(10, 100).pop().unwrap();
        shard.batch([command(again)]);
        assert_eq!(shard.todos.put_off(&due.key, now), None, "it is settled");
    }

    #[test]
    fn whoever_waits_for_an_events_todos_is_told_when_they_are_settled() {
        let mut shard = Shard::new();
        let positions = shard.batch([open(), lock(1, 0)]);
        let registered = positions[0].unwrap();
        let locked = positions[1].unwrap();
        assert!(shard.todos.settling(registered).is_none(), "it has raised nothing");
        let mut first = shard.todos.settling(locked).unwrap();
        shard.batch([AssignRoles {
            realm: REALM.into(),
            number: 1,
            roles: vec!["staff".into()],
            places: Vec::new(),
            assigned_by: String::new(),
        }
        .into()]);
        let mut second = shard.todos.settling(locked).unwrap();
        assert!(first.try_recv().is_err() && second.try_recv().is_err());
        let due = shard.take(10, 1).pop().unwrap();
        shard.batch([command(due)]);
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(()), Ok(())));
        assert!(shard.todos.settling(locked).is_none());
    }

    /// To-dos come in the order of their times, even where more wait than are kept in memory and they were raised in
    /// another order.
    #[test]
    fn todos_beyond_those_in_memory_come_in_their_turn() {
        const MANY: i64 = 25_000;
        let mut shard = Shard::new();
        for chunk in (0..MANY).collect::<Vec<_>>().chunks(1_000) {
            shard.batch(chunk.iter().flat_map(|index| {
                // The times are a permutation, so that later batches raise nearer to-dos.
                let until = index * 7_919 % MANY;
                [open(), lock(*index + 1, until)]
            }));
        }
        for reloaded in [false, true] {
            if reloaded {
                shard.reload();
            }
            let mut last = None;
            for _ in 0..100 {
                let due = shard.take(125, MANY);
                assert_eq!(due.len(), 125);
                for due in &due {
                    assert!(last < due.key.due(), "in the order of their times");
                    last = due.key.due();
                }
                let settled = shard.batch(due.into_iter().map(command));
                assert!(settled.iter().all(Option::is_some));
            }
        }
        assert!(shard.take(1, MANY).is_empty());
        shard.reload();
        assert!(shard.take(1, MANY).is_empty());
    }

    /// What an event of another aggregate would raise: due at once, in a lane.
    fn at_once(sort: u8, offset: u8, lane: &str) -> (Vec<u8>, Vec<u8>) {
        let mut key = TodoKey::prefix(PARTITION, Sort::Command).to_vec();
        key[3] = sort;
        key.extend([0; 8]);
        key.push(Topic::Accounts.letter());
        key.extend([0, 0, 0, 0, 0, 0, 1, offset, 0]);
        let todo = account::Todo::EndLoginLock { realm: REALM.into(), number: offset.into() };
        let waiting = Waiting { cause: Uuid::nil(), lane: Some(lane.into()), todo: todo.into() };
        (key, serde_json::to_vec(&waiting).unwrap())
    }

    #[test]
    fn todos_of_a_lane_come_one_after_the_other_beside_other_lanes_and_sorts() {
        let mut shard = Shard::new();
        let mut states = Overlay::new(&shard.store);
        let kept = [(b'c', 1, "left"), (b'c', 2, "left"), (b'c', 3, "right"), (b't', 4, "left")];
        for (sort, offset, lane) in kept {
            let (key, value) = at_once(sort, offset, lane);
            states.put(key, value);
        }
        let writes = states.writes;
        shard.store.write(writes, &[]).unwrap();
        shard.reload();
        let first = shard.take(10, 0);
        assert_eq!(first.iter().map(number).collect::<Vec<_>>(), [1, 3], "2 waits for 1");
        assert!(shard.take(10, 0).is_empty());
        let begin = begin();
        let told = shard.todos.take(Sort::Tell, 10, begin, &shard.store);
        assert_eq!(told.iter().map(number).collect::<Vec<_>>(), [4], "another sort goes on");

        shard.todos.put_off(&first[0].key, begin);
        assert!(shard.take(10, 0).is_empty(), "2 waits for 1 also while that is put off");
        assert_eq!(shard.take(10, 100).iter().map(number).collect::<Vec<_>>(), [1]);
        shard.todos.follow(&Writes::from([(first[0].key.as_bytes().to_vec(), None)]));
        assert_eq!(shard.take(10, 100).iter().map(number).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_todo_of_an_unknown_kind_stays_in_the_store_and_holds_nothing_up() {
        let mut shard = Shard::new();
        shard.batch([open(), lock(1, 5)]);
        let key = shard.take(1, 5).pop().unwrap().key;
        // A to-do such as a newer Till raises, which is due before ana's.
        let mut newer = key.as_bytes().to_vec();
        newer[11] ^= 1;
        let value =
            br#"{"cause":"00000000-0000-0000-0000-000000000001","lane":null,"todo":{"Robot":{"Dance":{}}}}"#;
        let mut states = Overlay::new(&shard.store);
        states.put(newer.clone(), value.to_vec());
        let writes = states.writes;
        shard.store.write(writes, &[]).unwrap();
        shard.reload();
        let due = shard.take(10, 5);
        assert_eq!(due.iter().map(number).collect::<Vec<_>>(), [1]);
        shard.batch(due.into_iter().map(command));
        assert_eq!(shard.store.get(&newer).as_deref(), Some(value.as_slice()));
    }
}
