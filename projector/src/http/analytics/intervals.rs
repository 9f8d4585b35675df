//! Intervals of figures. The sums of whole hours are in the tables; the rest of an interval is summed from the receipts themselves.

use chrono::{DateTime, TimeDelta, Utc};
use runtime::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::paging::{self, Cursor};
use crate::http::parameters::{Interval, Read, id, interval};

/// The parameters of figures of an interval: `?from&to&place_id&cursor&limit`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FiguresQuery {
    /// First instant within: RFC 3339, or a date, whose first instant in the service's time zone is meant.
    #[param(example = "2024-05-01T00:00:00Z")]
    from: Option<String>,
    /// First instant after.
    #[param(example = "2024-05-02")]
    to: Option<String>,
    /// One place; all where it is missing.
    #[param(min_length = 1, max_length = 150, example = "cafe-1")]
    place_id: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of the page; 100 where it is missing.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

/// Which figures are asked for.
pub struct FiguresOf {
    /// The only place, if one is given.
    pub place_id: Option<String>,
    /// The interval, of business times and of begins of windows.
    pub within: Interval,
    /// The last window of the page before.
    pub after: Option<Cursor>,
    /// The most windows that the page may have.
    pub limit: i64,
}

impl FiguresOf {
    /// Reads the parameters of a query.
    ///
    /// # Errors
    /// 400 if one of them cannot be read.
    pub fn parse(read: &Read<FiguresQuery>) -> Result<Self, Problem> {
        let query = &read.query;
        Ok(Self {
            place_id: id("place_id", query.place_id.as_deref())?,
            within: interval(query.from.as_deref(), query.to.as_deref(), read.zone())?,
            after: Cursor::parse(query.cursor.as_deref())?,
            limit: paging::limit(query.limit.as_deref())?,
        })
    }
}

/// An interval in parts that do not overlap: whole hours, and the edges before and after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The begin of the first whole hour.
    pub hours_from: Option<DateTime<Utc>>,
    /// The end of the last whole hour.
    pub hours_to: Option<DateTime<Utc>>,
    /// The part of an hour before them, from one instant to before another; empty if both are the same.
    pub head: (DateTime<Utc>, DateTime<Utc>),
    /// The part of an hour after them, likewise.
    pub tail: (DateTime<Utc>, DateTime<Utc>),
}

impl Parts {
    /// Splits an interval into its parts.
    #[must_use]
    pub fn of(within: Interval) -> Self {
        const NOTHING: (DateTime<Utc>, DateTime<Utc>) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH);
        let hours_from = within.from.map(next_hour);
        let hours_to = within.to.map(hour);
        let mut parts = Self { hours_from, hours_to, head: NOTHING, tail: NOTHING };
        if let (Some(from), Some(to), Some(first), Some(after)) =
            (within.from, within.to, hours_from, hours_to)
            && first > after
        {
            // The interval lies within one hour.
            return Self { head: (from, to), ..parts };
        }
        if let Some((from, first)) = within.from.zip(hours_from) {
            parts.head = (from, first);
        }
        if let Some((to, after)) = within.to.zip(hours_to) {
            parts.tail = (after, to);
        }
        parts
    }
}

fn hour(instant: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = instant.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(3600), 0)
        .expect("parameters are of the years 1 to 9999")
}

fn next_hour(instant: DateTime<Utc>) -> DateTime<Utc> {
    if hour(instant) == instant { instant } else { hour(instant) + TimeDelta::hours(1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    proptest! {
        #[test]
        fn the_parts_of_an_interval_are_the_interval(from in 0..20_000_i64, length in 1..20_000_i64, x in 0..40_000_i64) {
            let (from, to, x) = (at(from), at(from + length), at(x));
            let parts = Parts::of(Interval { from: Some(from), to: Some(to) });
            let within = |(a, b): (DateTime<Utc>, DateTime<Utc>)| u8::from(x >= a && x < b);
            let in_hours = within((parts.hours_from.unwrap(), parts.hours_to.unwrap()));
            prop_assert_eq!(in_hours + within(parts.head) + within(parts.tail), within((from, to)));
            prop_assert_eq!(hour(parts.hours_from.unwrap()), parts.hours_from.unwrap());
            prop_assert_eq!(hour(parts.hours_to.unwrap()), parts.hours_to.unwrap());
        }
    }
}
