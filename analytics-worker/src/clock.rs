//! Whether a window is over: by the broker's clock, which stamps the receipts, not by this machine's.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

/// A clock of this machine that is less ahead of the broker's is right: the broker's is known from below only. The grace after
/// a window is not shorter, so that such a clock does not take a window for over that is not.
pub(crate) const AHEAD_MIN: TimeDelta = TimeDelta::seconds(1);

/// The broker's clock showed `time` or later at an instant of this machine's monotonic clock, which nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) at: Instant,
    pub(crate) time: DateTime<Utc>,
}

impl Sighting {
    /// What the broker's clock showed at least at another instant.
    pub(crate) fn time_at(self, instant: Instant) -> DateTime<Utc> {
        let delta = |duration: Duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        let shifted = if instant >= self.at {
            self.time.checked_add_signed(delta(instant - self.at))
        } else {
            self.time.checked_sub_signed(delta(self.at - instant))
        };
        shifted.unwrap_or(self.time)
    }

    /// The one of two that says more.
    pub(crate) fn or_later(self, other: Self) -> Self {
        if other.time_at(self.at) > self.time { other } else { self }
    }
}

/// This machine's clock, corrected by the broker's where it was found to be ahead.
#[derive(Default)]
pub(crate) struct Clock {
    broker: Option<Sighting>,
}

impl Clock {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now_by(Utc::now(), Instant::now())
    }

    fn now_by(&self, own: DateTime<Utc>, instant: Instant) -> DateTime<Utc> {
        self.broker.map_or(own, |sighting| sighting.time_at(instant).min(own))
    }

    /// From here on the time is at most the broker's: this machine's clock took a window for over that was not.
    pub(crate) fn correct(&mut self, sighting: Sighting) {
        self.broker = Some(sighting);
    }

    /// Keeps a correction up to date, or ends it where this machine's clock is right again.
    pub(crate) fn confirm(&mut self, sighting: Sighting) {
        let ahead = Utc::now() - sighting.time_at(Instant::now());
        self.broker = self.broker.filter(|_| ahead > AHEAD_MIN).map(|_| sighting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(number: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(number, 0).unwrap()
    }

    #[test]
    fn a_sighting_tells_the_brokers_time_before_and_after_it() {
        let at = Instant::now() + Duration::from_secs(100);
        let sighting = Sighting { at, time: seconds(1_000) };
        assert_eq!(sighting.time_at(at + Duration::from_secs(5)), seconds(1_005));
        assert_eq!(sighting.time_at(at.checked_sub(Duration::from_secs(5)).unwrap()), seconds(995));
        let delayed = Sighting { at: at + Duration::from_secs(9), time: seconds(1_002) };
        assert_eq!(sighting.or_later(delayed), sighting);
        assert_eq!(delayed.or_later(sighting), sighting);
    }

    #[test]
    fn a_clock_that_is_ahead_is_corrected_until_it_is_set_right() {
        let at = Instant::now();
        let mut clock = Clock::default();
        let a_day_ahead = seconds(1_000) + TimeDelta::days(1);
        assert_eq!(clock.now_by(a_day_ahead, at), a_day_ahead);
        clock.correct(Sighting { at, time: seconds(1_000) });
        let later = at + Duration::from_secs(60);
        assert_eq!(clock.now_by(a_day_ahead, later), seconds(1_060));
        assert_eq!(
            clock.now_by(seconds(1_059), later),
            seconds(1_059),
            "it never runs ahead of this machine's"
        );
        clock.confirm(Sighting { at: Instant::now(), time: Utc::now() - TimeDelta::hours(1) });
        assert!(clock.broker.is_some(), "still ahead");
        clock.confirm(Sighting { at: Instant::now(), time: Utc::now() });
        assert!(clock.broker.is_none());
    }
}
