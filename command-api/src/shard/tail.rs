//! Where an owner's next event belongs. An event at another offset means that somebody else wrote.

/// The end of one partition as its owner knows it. It begins where the takeover's fold ended.
///
/// Some time after a commit was acknowledged, the broker appends a marker to every partition that the commit wrote to.
/// So before an event there may be as many offsets as markers of this owner's commits are due. They are two at most: a
/// transaction of one of the two ids begins only after the markers of that id's former transaction are written. A
/// coordinator that fails over, or repeats its request to write markers, may write one twice. Then more lies before an
/// event although nobody else wrote, and its batch is answered as unknown, which is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    next: i64,
    markers_due: i64,
}

impl Tail {
    /// A tail with nothing at or after `next`, and no marker due.
    pub fn new(next: i64) -> Self {
        Self { next, markers_due: 0 }
    }

    /// Notes that an event of this owner stands at `offset`. `false` where more lies before it than markers of this
    /// owner.
    #[must_use]
    pub fn append(&mut self, offset: i64) -> bool {
        let skipped = offset - self.next;
        if !(0..=self.markers_due).contains(&skipped) {
            return false;
        }
        self.markers_due -= skipped;
        self.next = offset + 1;
        true
    }

    /// The end of the partition, where nobody else wrote: past this owner's events and the markers of its commits, those that
    /// are due included.
    pub const fn end(&self) -> i64 {
        self.next + self.markers_due
    }

    /// Notes that a transaction of this owner, which appended to this partition, is committed.
    pub fn commit(&mut self) {
        self.markers_due += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a tail takes events at these offsets, each slice a transaction.
    fn is_alone(transactions: &[&[i64]]) -> bool {
        let mut tail = Tail::new(10);
        transactions.iter().all(|offsets| {
            let alone = offsets.iter().all(|offset| tail.append(*offset));
            tail.commit();
            alone
        })
    }

    #[test]
    fn markers_of_own_commits_may_come_before_between_and_after_the_next_events() {
        assert!(is_alone(&[&[10, 11], &[13, 14], &[16]]), "each before the next transaction");
        assert!(
            is_alone(&[&[10], &[11, 13], &[15]]),
            "the first one's marker is at 12, within the second transaction"
        );
        assert!(is_alone(&[&[10], &[11], &[14]]), "both markers after the second transaction");
    }

    #[test]
    fn the_end_counts_the_markers_that_are_due() {
        let mut tail = Tail::new(10);
        assert_eq!(tail.end(), 10);
        assert!(tail.append(10));
        tail.commit();
        assert_eq!(tail.end(), 12);
        assert!(tail.append(11), "the marker is not written yet");
        tail.commit();
        assert_eq!(tail.end(), 14);
        assert!(tail.append(14));
        assert_eq!(tail.end(), 15);
    }

    #[test]
    fn a_record_or_a_marker_of_somebody_else_is_noticed() {
        assert!(!is_alone(&[&[11]]), "nothing was due before the first transaction");
        assert!(!is_alone(&[&[10], &[13]]), "one marker was due, two offsets are taken");
        assert!(!is_alone(&[&[10, 12]]), "nothing was due within the first transaction");
        assert!(!is_alone(&[&[10], &[12], &[15]]));
        assert!(!is_alone(&[&[9]]), "the log was shorter when the shard was taken over");
    }
}
