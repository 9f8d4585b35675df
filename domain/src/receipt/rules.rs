//! The rules that a receipt must follow. A value that breaks one is answered with a sentence that says what would be
//! right.

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, TimeZone, Utc};
use schemas::Money;
use schemas::receipts::Receipt;

/// The most lines a receipt may have.
pub const MAX_ITEMS: usize = 1000;
const NO_TIME: &str = "must be a date and time such as 2024-02-07T12:34:56Z";
/// The most pieces a line may have: 2^31 - 1.
const MAX_QUANTITY: i64 = 2_147_483_647;

/// A rule between fields that a receipt breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The JSON pointer of the field that would have to change.
    pub pointer: &'static str,
    /// The rule, in words for the client.
    pub detail: String,
}

/// Checks a line's pieces: at least one.
///
/// # Errors
/// The rule that the number breaks, in words for the client.
pub fn quantity(number: i64) -> Result<i64, &'static str> {
    if (1..=MAX_QUANTITY).contains(&number) { Ok(number) } else { Err("must be between 1 and 2147483647") }
}

/// Reads an amount: not negative, with at most 2 decimals and 12 digits.
///
/// # Errors
/// The rule that the text breaks, in words for the client.
pub fn amount(text: &str) -> Result<Money, String> {
    match Money::parse(text) {
        Ok(money) if money.is_negative() => Err("must not be negative".into()),
        Ok(money) => Ok(money),
        Err(error) => Err(error.to_string()),
    }
}

/// Reads an ISO 8601 instant. A text without a zone is read in `zone`, or refused where that is `None`. The instant may
/// be at most a day ahead of `now`.
///
/// # Errors
/// The rule that the text breaks, in words for the client.
pub fn timestamp<Z: TimeZone>(
    text: &str,
    zone: Option<&Z>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, &'static str> {
    if !begins_with_year(text) {
        return Err(NO_TIME);
    }
    let instant = match DateTime::parse_from_rfc3339(text) {
        Ok(instant) => instant.to_utc(),
        Err(_) => in_zone(text, zone)?,
    };
    if is_too_far_ahead(instant, now) {
        return Err("must not be more than a day ahead");
    }
    // Events keep microseconds, so a finer instant is cut before it gets a fingerprint: the event gives the same one
    // when it is read.
    let instant = DateTime::from_timestamp_micros(instant.timestamp_micros());
    instant.filter(has_writable_year).ok_or("must be in the years 0001 to 9999")
}

/// Whether a text begins with a year of four digits. Parsers of instants also take signs and longer years, which not
/// every component can hold.
#[must_use]
pub fn begins_with_year(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 4 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-'
}

/// Whether an instant's year, in UTC, is one of 0001 to 9999: Python, for one, cannot hold others.
#[must_use]
pub fn has_writable_year<Z: TimeZone>(instant: &DateTime<Z>) -> bool {
    (1..=9999).contains(&instant.year())
}

/// Whether an instant is more than a day ahead of `now`. A day is allowed because a till's clock may be in another zone
/// than it says; a clock that is further off is wrong.
#[must_use]
pub fn is_too_far_ahead(instant: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    instant > now + Duration::days(1)
}

fn in_zone<Z: TimeZone>(text: &str, zone: Option<&Z>) -> Result<DateTime<Utc>, &'static str> {
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .map_err(|_| NO_TIME)?;
    let zone = zone.ok_or("must say its zone, such as 2024-02-07T12:34:56Z or 2024-02-07T12:34:56+02:00")?;
    // An hour that the clock shows twice, when summer time ends, is read as the first of the two.
    let local = zone.from_local_datetime(&naive).earliest();
    local.map(|local| local.to_utc()).ok_or("is an hour that the configured zone skips")
}

/// Whether the total is the sum of price x quantity. A contract that takes facts records a receipt whose total is not.
#[must_use]
pub fn totals_match(receipt: &Receipt) -> bool {
    sum(receipt) == Some(receipt.total_amount)
}

fn sum(receipt: &Receipt) -> Option<Money> {
    let amounts: Option<Vec<Money>> =
        receipt.items.iter().map(|item| item.price.times(item.quantity)).collect();
    amounts.map(|amounts| amounts.into_iter().sum())
}

/// The rules between fields that a receipt breaks: its total is not the sum of its items, or its tax is above its
/// total.
#[must_use]
pub fn violations(receipt: &Receipt) -> Vec<Violation> {
    let mut found = Vec::new();
    let sum = sum(receipt);
    if sum != Some(receipt.total_amount) {
        let expected = sum.map_or_else(|| "more than 28 digits".to_owned(), |sum| sum.to_string());
        let detail = format!("must be the sum of price x quantity, which is {expected}");
        found.push(Violation { pointer: "/total_amount", detail });
    }
    if receipt.tax_amount > receipt.total_amount {
        let detail = "must not be above total_amount, which includes it".to_owned();
        found.push(Violation { pointer: "/tax_amount", detail });
    }
    found
}
