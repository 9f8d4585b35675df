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

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn todo(cause: u128, username: &str, due_s: i64) -> Todo {
        let due = DateTime::UNIX_EPOCH + TimeDelta::seconds(due_s);
        let kind = TodoKind::EndLoginLock { realm: "till".into(), username: username.into() };
        Todo { cause: Uuid::from_u128(cause), aggregate: format!("till/{username}"), due, kind }
    }

    fn raised(todo: &Todo) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut key = Todo::prefix(3);
        key.extend_from_slice(todo.cause.as_bytes());
        (key, Some(serde_json::to_vec(todo).unwrap()))
    }

    fn due_causes(todos: &Todos, at_s: i64) -> Vec<u128> {
        let due = todos.due(DateTime::UNIX_EPOCH + TimeDelta::seconds(at_s));
        due.into_iter().map(|(_, cause)| cause.as_u128()).collect()
    }

    #[test]
    fn todos_come_when_they_are_due_one_an_aggregate_the_oldest_first() {
        let (first, second, other) = (todo(1, "ana", 10), todo(2, "ana", 20), todo(3, "bob", 15));
        let mut todos = Todos::default();
        todos.follow(&Writes::from([raised(&second), raised(&first), raised(&other)]));
        assert_eq!(due_causes(&todos, 9), []);
        assert_eq!(due_causes(&todos, 10), [1]);
        assert_eq!(due_causes(&todos, 30), [1, 3], "ana's second waits for her first");
        let (settled, _) = raised(&first);
        todos.follow(&Writes::from([(settled, None)]));
        assert_eq!(due_causes(&todos, 30), [3, 2]);
    }

    #[test]
    fn states_that_are_no_todos_are_left_alone() {
        let mut todos = Todos::default();
        todos.follow(&Writes::from([(b"atill/ana".to_vec(), Some(b"{}".to_vec()))]));
        assert_eq!(due_causes(&todos, i64::from(i32::MAX)), []);
    }
}
