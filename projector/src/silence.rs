//! A reader from which nothing comes although there is more. librdkafka mends most of what happens to its connections, but a
//! client has been seen that answered nothing any more after a long pause of its machine: a fold would stand still, and say nothing.

use std::sync::Arc;
use std::time::Duration;

use schemas::Topic;

use crate::record::Positions;

/// Between two looks: a reader that moves a partition at all does so within this time.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How far a reader was at one look, and how far it could have got.
pub struct Look {
    positions: Positions,
    committed: Arc<Positions>,
}

impl Look {
    /// `committed` are the ends of what a reader of committed records can read.
    #[must_use]
    pub const fn new(positions: Positions, committed: Arc<Positions>) -> Self {
        Self { positions, committed }
    }

    /// A partition that has not moved since this look although it had more then.
    #[must_use]
    pub fn silent(&self, positions: &Positions) -> Option<(Topic, i32)> {
        let had_more = |key: &(Topic, i32), next: i64| self.committed.get(key).is_some_and(|end| next < *end);
        let mut stood = self.positions.iter().filter(|(key, next)| positions.get(key) == Some(next));
        stood.find(|(key, next)| had_more(key, **next)).map(|(key, _)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_stands_still_before_its_end_is_silent_and_one_at_its_end_is_idle() {
        let positions =
            |a: i64, b: i64| Positions::from([((Topic::Receipts, 0), a), ((Topic::Receipts, 1), b)]);
        let look = Look::new(positions(5, 7), Arc::new(positions(9, 7)));
        assert_eq!(look.silent(&positions(5, 7)), Some((Topic::Receipts, 0)));
        assert_eq!(look.silent(&positions(6, 7)), None, "it moves, though it is not at the end");
        assert_eq!(look.silent(&positions(9, 7)), None);
        let at_the_end = Look::new(positions(9, 7), Arc::new(positions(9, 7)));
        assert_eq!(at_the_end.silent(&positions(9, 7)), None);
    }
}
