//! Windows: the intervals between two ticks of the schedule.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use cron::Schedule;

/// `[start, end)`, from one tick to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: DateTime<Utc>,
    pub(crate) end: DateTime<Utc>,
}

impl Window {
    /// Whether its receipts have had `grace` to arrive.
    pub(crate) fn is_due(self, now: DateTime<Utc>, grace: Duration) -> bool {
        self.due_in(now, grace).is_zero()
    }

    /// How long until it is due; zero once it is.
    pub(crate) fn due_in(self, now: DateTime<Utc>, grace: Duration) -> Duration {
        let grace = TimeDelta::from_std(grace).unwrap_or(TimeDelta::MAX);
        let due_at = self.end.checked_add_signed(grace).unwrap_or(DateTime::<Utc>::MAX_UTC);
        (due_at - now).to_std().unwrap_or(Duration::ZERO)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |instant: DateTime<Utc>| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        write!(f, "{}/{}", text(self.start), text(self.end))
    }
}

/// The instants at which windows end and begin.
pub(crate) struct Ticks(Schedule);

impl Ticks {
    /// Reads a cron expression of six fields, seconds first.
    pub(crate) fn parse(expression: &str) -> Result<Self, String> {
        let schedule = Schedule::from_str(expression).map_err(|error| {
            format!("must be six cron fields, seconds first, such as \"0 0 * * * *\": {error}")
        })?;
        let ticks = Self(schedule);
        match ticks.following(Utc::now()) {
            Some(_) => Ok(ticks),
            None => Err("has no tick in the future: leave out the year".to_owned()),
        }
    }

    /// The window an instant is in.
    pub(crate) fn containing(&self, instant: DateTime<Utc>) -> Option<Window> {
        // `next_back` does not give the instant it starts from, which may itself be a tick.
        let just_after = instant + TimeDelta::nanoseconds(1);
        let start = self.0.after(&just_after).next_back()?;
        self.following(start)
    }

    /// The window that begins at `start`: it ends at the first tick after. A `start` that is no tick is where
    /// another schedule's last window ended.
    pub(crate) fn following(&self, start: DateTime<Utc>) -> Option<Window> {
        let end = self.0.after(&start).next()?;
        Some(Window { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn window(start: &str, end: &str) -> Window {
        Window { start: at(start), end: at(end) }
    }

    #[test]
    fn a_tick_begins_the_window_it_ends() {
        let hourly = Ticks::parse("0 0 * * * *").unwrap();
        let ten = window("2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z");
        assert_eq!(hourly.containing(at("2026-11-23T10:00:00Z")), Some(ten));
        assert_eq!(hourly.containing(at("2026-11-23T10:59:59.999Z")), Some(ten));
        assert_eq!(hourly.following(ten.end), Some(window("2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z")));
    }

    #[test]
    fn another_schedule_goes_on_where_the_former_ended() {
        let minutely = Ticks::parse("0 */15 * * * *").unwrap();
        let joined = minutely.following(at("2026-11-23T11:07:30Z"));
        assert_eq!(joined, Some(window("2026-11-23T11:07:30Z", "2026-11-23T11:15:00Z")));
    }

    #[test]
    fn a_window_is_due_when_the_grace_is_over() {
        let ten = window("2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z");
        let grace = Duration::from_secs(2);
        assert_eq!(ten.due_in(at("2026-11-23T10:59:00Z"), grace), Duration::from_secs(62));
        assert!(!ten.is_due(at("2026-11-23T11:00:01.999Z"), grace));
        assert!(ten.is_due(at("2026-11-23T11:00:02Z"), grace));
    }

    #[test]
    fn a_year_of_missed_minutes_is_every_minute_once() {
        let minutely = Ticks::parse("0 * * * * *").unwrap();
        let (from, until) = (at("2025-11-23T00:00:00Z"), at("2026-11-23T00:00:00Z"));
        let windows = std::iter::successors(minutely.following(from), |last| minutely.following(last.end))
            .take_while(|window| window.end <= until);
        let mut count = 0;
        let mut end = from;
        for window in windows {
            assert_eq!((window.start, window.end), (end, end + TimeDelta::minutes(1)));
            end = window.end;
            count += 1;
        }
        assert_eq!((count, end), (365 * 24 * 60, until));
    }

    #[test]
    fn unusable_schedules_are_refused_in_words() {
        for expression in ["", "* * * * *", "61 * * * * *", "0 0 0 1 1 * 1999"] {
            assert!(Ticks::parse(expression).is_err(), "{expression}");
        }
    }

    proptest! {
        /// Windows tile time: every instant is in the window that contains it, and in no other.
        #[test]
        fn windows_tile_time(
            millis in 1_700_000_000_000_i64..1_900_000_000_000,
            expression in prop::sample::select(vec!["0 0 * * * *", "0 * * * * *", "*/7 * * * * *", "30 15 3 * * Mon"]),
        ) {
            let ticks = Ticks::parse(expression).unwrap();
            let instant = DateTime::from_timestamp_millis(millis).unwrap();
            let window = ticks.containing(instant).unwrap();
            prop_assert!(window.start <= instant && instant < window.end);
            let next = ticks.following(window.end).unwrap();
            prop_assert_eq!(next.start, window.end);
            prop_assert_eq!(ticks.containing(window.end), Some(next));
        }
    }
}
