//! The to-dos of a served shard: worked off by its owner alone, side by side across aggregates, in order
//! within one.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use domain::account::UnlockLogin;
use domain::{Command, Todo, TodoKind};
use schemas::Topic;
use uuid::Uuid;

use super::store::{Store, Writes};

/// What waits, by the time it is due.
#[derive(Default)]
pub struct Todos {
    waiting: BTreeMap<(DateTime<Utc>, Uuid), Todo>,
}

impl Todos {
    /// What the store's fold of these partitions still owes.
    pub fn load(store: &Store, partitions: impl Iterator<Item = (Topic, i32)>) -> Self {
        let mut todos = Self::default();
        for (_, partition) in partitions.filter(|(topic, _)| *topic == Topic::Accounts) {
            let raised = store.values(&Todo::prefix(partition));
            raised.iter().filter_map(|value| Todo::from_bytes(value)).for_each(|todo| todos.add(todo));
        }
        todos
    }

    /// Takes note of to-dos that a batch raised or settled.
    pub fn follow(&mut self, writes: &Writes) {
        for (key, value) in writes.iter().filter(|(key, _)| Todo::is_key(key)) {
            match value {
                Some(value) => Todo::from_bytes(value).into_iter().for_each(|todo| self.add(todo)),
                None => self.waiting.retain(|(_, cause), _| !key.ends_with(cause.as_bytes())),
            }
        }
    }

    /// The commands of those that are due, with their cause: one an aggregate, the oldest. They stay here
    /// until their event settles them.
    pub fn due(&self, now: DateTime<Utc>) -> Vec<(Command, Uuid)> {
        let mut busy = HashSet::new();
        let due = self.waiting.range(..=(now, Uuid::max()));
        due.filter(|(_, todo)| busy.insert(todo.aggregate.as_str()))
            .map(|(_, todo)| (command(todo), todo.cause))
            .collect()
    }

    fn add(&mut self, todo: Todo) {
        self.waiting.insert((todo.due, todo.cause), todo);
    }
}

/// What ends the to-do: a command to the aggregate that raised it.
fn command(todo: &Todo) -> Command {
    match &todo.kind {
        TodoKind::EndLoginLock { realm, username } => Command::UnlockLogin(UnlockLogin {
            realm: realm.clone(),
            username: username.clone(),
            cause: todo.cause,
        }),
    }
}
