//! Notices a reader that has come to a standstill before the end of what it reads.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A partition that has not moved for so long stands still. It is longer than an open transaction of Till's can hold back
/// readers of committed records.
const STANDSTILL: Duration = Duration::from_secs(10);

/// How long a reader's partitions, by keys `P`, have not moved.
///
/// librdkafka mends most of what happens to connections, but a reader has been seen that got no record any more and no error
/// either, after a long pause of its machine. What tells is that a partition ends beyond the reader's position and the
/// position does not move.
pub struct Standstill<P> {
    looks: HashMap<P, Look>,
    /// The partition that was last found to stand still, until it moves.
    stood: Option<P>,
    lasts: bool,
}

/// The next offset of a partition's reader, and since when it is that.
struct Look {
    next: i64,
    since: Instant,
}

impl<P> Default for Standstill<P> {
    fn default() -> Self {
        Self { looks: HashMap::new(), stood: None, lasts: false }
    }
}

impl<P: Copy + Eq + Hash> Standstill<P> {
    /// Takes note of each partition's next offset and end, and forgets the partitions that are not among them any more. A
    /// partition that stands still is answered once: the reader is to be made anew.
    pub fn note(&mut self, partitions: impl IntoIterator<Item = (P, i64, i64)>) -> Option<P> {
        let now = Instant::now();
        let mut looks = HashMap::new();
        let mut standing = None;
        for (partition, next, end) in partitions {
            let former = self.looks.get(&partition).filter(|look| next == look.next && next < end);
            let mut since = former.map_or(now, |look| look.since);
            if now.duration_since(since) > STANDSTILL {
                since = now;
                standing = Some(partition);
                self.lasts |= self.stood == standing;
            } else if former.is_none() && self.stood == Some(partition) {
                (self.stood, self.lasts) = (None, false);
            }
            looks.insert(partition, Look { next, since });
        }
        if self.stood.is_some_and(|stood| !looks.contains_key(&stood)) {
            (self.stood, self.lasts) = (None, false);
        }
        self.looks = looks;
        self.stood = standing.or(self.stood);
        standing
    }

    /// The reader was made anew and has still not moved.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(standstill: &mut Standstill<u8>) {
        for look in standstill.looks.values_mut() {
            look.since = Instant::now().checked_sub(STANDSTILL * 2).expect("the machine is up for longer");
        }
    }

    #[test]
    fn a_reader_that_stays_behind_is_made_anew_and_one_that_moves_or_is_at_the_end_is_not() {
        let mut standstill = Standstill::default();
        assert_eq!(standstill.note([(0, 5, 5)]), None);
        later(&mut standstill);
        assert_eq!(standstill.note([(0, 5, 5)]), None, "at the end");
        later(&mut standstill);
        assert_eq!(standstill.note([(0, 6, 9)]), None, "it moved");
        assert_eq!(standstill.note([(0, 6, 9)]), None, "not for long");
        later(&mut standstill);
        assert!(standstill.note([(0, 6, 9)]) == Some(0) && !standstill.lasts());
        assert_eq!(standstill.note([(0, 6, 9)]), None, "the new reader gets its time");
        later(&mut standstill);
        assert!(standstill.note([(0, 6, 9)]) == Some(0) && standstill.lasts());
        assert!(standstill.note([(0, 7, 9)]).is_none() && !standstill.lasts(), "it moves again");
    }

    #[test]
    fn a_partition_that_stands_still_is_noticed_beside_one_that_moves() {
        let mut standstill = Standstill::default();
        assert_eq!(standstill.note([(0, 5, 9), (1, 7, 9)]), None);
        later(&mut standstill);
        assert_eq!(standstill.note([(0, 5, 9), (1, 8, 9)]), Some(0));
    }

    #[test]
    fn a_partition_that_was_left_to_others_meanwhile_begins_anew() {
        let mut standstill = Standstill::default();
        assert_eq!(standstill.note([(0, 5, 9), (1, 5, 5)]), None);
        later(&mut standstill);
        assert_eq!(standstill.note([(1, 5, 5)]), None);
        assert_eq!(
            standstill.note([(0, 5, 9), (1, 5, 5)]),
            None,
            "it stood where it was while nobody read it"
        );
        for lasts in [false, true] {
            later(&mut standstill);
            assert_eq!(standstill.note([(0, 5, 9)]), Some(0));
            assert_eq!(standstill.lasts(), lasts);
        }
        assert!(standstill.note([(1, 5, 5)]).is_none() && !standstill.lasts(), "nobody reads it any more");
    }
}
