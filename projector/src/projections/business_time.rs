//! When a receipt counts: the time it says it was written, within the years that tables and clients can hold.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use schemas::receipts::Receipt;

/// The first and the last year that tables and answers have. Every client's calendar can hold them.
const YEARS: (i32, i32) = (1, 9999);

/// Whether tables may have the instant as a business time.
#[must_use]
pub fn is_business_time(instant: DateTime<Utc>) -> bool {
    (YEARS.0..=YEARS.1).contains(&instant.year())
}

/// Whether tables and clients can hold the day.
#[must_use]
pub fn is_writable(day: NaiveDate) -> bool {
    (YEARS.0..=YEARS.1).contains(&day.year())
}

/// When a receipt says it was written. Former Tills have accepted years that neither Postgres nor most clients can
/// hold, and a fold must take whatever was ever accepted: see [`in_writable_years`].
#[must_use]
pub fn business_time(receipt: &Receipt) -> DateTime<Utc> {
    in_writable_years(receipt.occurred_at)
}

/// The instant, or the nearest one that tables and clients can hold.
#[must_use]
pub fn in_writable_years(instant: DateTime<Utc>) -> DateTime<Utc> {
    let first_of =
        |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc();
    let (first, after) = (first_of(YEARS.0), first_of(YEARS.1 + 1));
    instant.clamp(first, after - chrono::TimeDelta::microseconds(1))
}
