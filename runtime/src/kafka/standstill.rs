//! Notices a reader that has come to a standstill before the end of what it reads.

use std::time::{Duration, Instant};

/// Longer than an open transaction of Till's can hold back committed readers.
const STANDSTILL: Duration = Duration::from_secs(10);
/// Between two questions where the topics end.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// librdkafka mends most of what happens to connections, but a reader has been seen that got no record any more and no error
/// either, after a long pause of its machine. What tells is that topics end beyond the reader's position and the
/// position does not move.
pub struct Standstill {
    asked: Instant,
    moved: Instant,
    next: i64,
    renewals: u32,
}

impl Default for Standstill {
    fn default() -> Self {
        Self { asked: Instant::now(), moved: Instant::now(), next: 0, renewals: 0 }
    }
}

impl Standstill {
    /// Whether it is time to ask where the topics end.
    pub fn is_due(&mut self) -> bool {
        let due = self.asked.elapsed() > ASK_EVERY;
        if due {
            self.asked = Instant::now();
        }
        due
    }

    /// Takes note of the sums of the reader's next offsets and of the ends. `true` where the reader is to be made anew.
    pub fn note(&mut self, next: i64, end: i64) -> bool {
        if next >= end || next != self.next {
            *self = Self { next, asked: self.asked, ..Self::default() };
            return false;
        }
        let stands_still = self.moved.elapsed() > STANDSTILL;
        if stands_still {
            self.renewals += 1;
            self.moved = Instant::now();
        }
        stands_still
    }

    /// The reader was made anew and has still not moved.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.renewals > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_stays_behind_is_made_anew_and_one_that_moves_or_is_at_the_end_is_not() {
        let mut standstill = Standstill::default();
        let later = |standstill: &mut Standstill| {
            standstill.moved =
                Instant::now().checked_sub(STANDSTILL * 2).expect("the machine is up for longer");
        };
        assert!(!standstill.note(5, 5), "at the end");
        later(&mut standstill);
        assert!(!standstill.note(6, 9), "it moved");
        assert!(!standstill.note(6, 9), "not for long");
        later(&mut standstill);
        assert!(standstill.note(6, 9) && !standstill.lasts());
        later(&mut standstill);
        assert!(standstill.note(6, 9) && standstill.lasts());
        assert!(!standstill.note(7, 9) && !standstill.lasts(), "it moves again");
    }
}
