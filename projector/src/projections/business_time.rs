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

/// When a receipt says it was written. Former Tills have accepted years that neither Postgres nor most clients can
/// hold, and a fold must take whatever was ever accepted: such an instant counts as the nearest one that can be held.
#[must_use]
pub fn business_time(receipt: &Receipt) -> DateTime<Utc> {
    let first_of =
        |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc();
    let (first, after) = (first_of(YEARS.0), first_of(YEARS.1 + 1));
    receipt.occurred_at.clamp(first, after - chrono::TimeDelta::microseconds(1))
}
