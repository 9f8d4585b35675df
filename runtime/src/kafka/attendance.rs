//! When a fold was last at the end of the log. Who is away from the end of a compacted topic for long may miss deletions.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use schemas::Topic;

/// Next offsets by topic and partition.
pub type Positions = BTreeMap<(Topic, i32), i64>;

/// How long a fold of a compacted topic may be away from its end. Kafka keeps the record of a deletion for 30 days
/// (`delete.retention.ms`), so who has been at the end within half of that has missed none, wherever clocks stand.
const LONGEST_AWAY: TimeDelta = TimeDelta::days(15);

/// The time between two instants that are noted.
const NOTE_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What is folded may have what was deleted from the log meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was not seen at the end of the log for 15 days, and may have missed what was deleted")]
pub struct Away;

/// Whether positions are nowhere before `target`.
#[must_use]
pub fn at_or_past(positions: &Positions, target: &Positions) -> bool {
    target.iter().all(|(key, next)| positions.get(key).is_some_and(|own| own >= next))
}

/// Whether a fold that was at its end at one of these instants may have missed a deletion at the other. An instant long
/// after now proves nothing either: it was a wrong clock's.
#[must_use]
pub fn is_too_long(seen_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    (now - seen_at).abs() > LONGEST_AWAY
}

/// What a fold knows of its being at the end.
pub struct Attendance {
    /// The instant that is noted beside what is folded.
    noted: DateTime<Utc>,
    /// Where the log ended at a later instant. While others write, a fold is always a little behind, but it gets there.
    awaited: Option<(DateTime<Utc>, Positions)>,
}

impl Attendance {
    /// Goes on from the instant that is noted.
    #[must_use]
    pub const fn new(noted: DateTime<Utc>) -> Self {
        Self { noted, awaited: None }
    }

    /// Takes in where the fold is, and where the log ended when it was asked for at `asked_at`. Returns an instant at which
    /// the fold had missed nothing, if it is to be noted.
    ///
    /// # Errors
    /// It was not at the end for so long that it may have missed deletions.
    pub fn see(
        &mut self,
        asked_at: DateTime<Utc>,
        positions: &Positions,
        ends: Positions,
    ) -> Result<Option<DateTime<Utc>>, Away> {
        if is_too_long(self.noted, asked_at) {
            return Err(Away);
        }
        let awaited = self.awaited.get_or_insert((asked_at, ends));
        let reached = at_or_past(positions, &awaited.1).then_some(awaited.0);
        if reached.is_some() {
            self.awaited = None;
        }
        let Some(at) = reached.filter(|at| (*at - self.noted).abs() >= NOTE_EVERY) else { return Ok(None) };
        self.noted = at;
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn after(seconds: i64) -> DateTime<Utc> {
        START + TimeDelta::seconds(seconds)
    }

    fn at(next: i64) -> Positions {
        Positions::from([((Topic::Keys, 0), next)])
    }

    #[test]
    fn a_fold_at_its_end_is_noted_once_a_minute_at_most() {
        let mut attendance = Attendance::new(START);
        let mut see = |seconds| attendance.see(after(seconds), &at(5), at(5)).unwrap();
        assert_eq!([30, 60, 90, 120].map(&mut see), [None, Some(after(60)), None, Some(after(120))]);
    }

    #[test]
    fn a_fold_that_is_always_a_little_behind_is_noted_at_the_instant_whose_end_it_has_passed() {
        let mut attendance = Attendance::new(START);
        assert_eq!(attendance.see(after(100), &at(5), at(9)), Ok(None));
        assert_eq!(attendance.see(after(130), &at(8), at(20)), Ok(None));
        assert_eq!(attendance.see(after(160), &at(9), at(30)), Ok(Some(after(100))));
    }

    #[test]
    fn a_fold_that_does_not_get_to_its_end_for_15_days_begins_anew() {
        let mut attendance = Attendance::new(START);
        let day = |days: i64| after(days * 24 * 3600);
        assert_eq!(attendance.see(day(1), &at(5), at(9)), Ok(None));
        assert_eq!(attendance.see(day(14), &at(8), at(20)), Ok(None));
        assert_eq!(attendance.see(day(16), &at(20), at(20)), Err(Away));
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed() {
        let mut attendance = Attendance::new(START);
        assert_eq!(attendance.see(after(-3600), &at(5), at(5)), Ok(Some(after(-3600))));
    }
}
