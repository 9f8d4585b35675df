//! What a receipt must be like. Each rule says what would be right.

use chrono::{DateTime, Duration, NaiveDateTime, TimeZone, Utc};
use schemas::{Money, MoneyError, Receipt};

/// Characters of an id or name, at most.
pub const MAX_ID_CHARS: usize = 150;
/// Lines of a receipt, at most.
pub const MAX_ITEMS: usize = 1000;
/// Pieces of a line, at most: 2^31 - 1.
const MAX_QUANTITY: i64 = 2_147_483_647;

/// A rule a receipt breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer of the field.
    pub pointer: &'static str,
    /// The rule.
    pub detail: String,
}

/// An id or name: 1 to 150 characters, none of them U+0000 (Postgres cannot store it).
///
/// # Errors
/// The rule.
pub fn identifier(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.len() > MAX_ID_CHARS && text.chars().count() > MAX_ID_CHARS {
        return Err("must have at most 150 characters");
    }
    if text.contains('\0') {
        return Err("must not contain the character U+0000");
    }
    Ok(text.to_owned())
}

/// As [`identifier`], and more than spaces.
///
/// # Errors
/// The rule.
pub fn not_blank(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        return Err("must not be empty");
    }
    identifier(text)
}

/// Pieces: at least one.
///
/// # Errors
/// The rule.
pub fn quantity(number: i64) -> Result<i64, &'static str> {
    if (1..=MAX_QUANTITY).contains(&number) { Ok(number) } else { Err("must be between 1 and 2147483647") }
}

/// An amount: not negative, at most 2 decimals and 12 digits.
///
/// # Errors
/// The rule.
pub fn amount(text: &str) -> Result<Money, &'static str> {
    match Money::parse(text) {
        Ok(money) if money.is_negative() => Err("must not be negative"),
        Ok(money) => Ok(money),
        Err(MoneyError::NotANumber) => Err("must be a decimal number"),
        Err(MoneyError::TooManyDecimals) => Err("must have at most 2 decimals"),
        Err(MoneyError::TooManyDigits) => Err("must have at most 12 digits"),
    }
}

/// An ISO 8601 instant; one without zone is read in `zone`. At most a day ahead of `now`.
///
/// # Errors
/// The rule.
pub fn timestamp<Z: TimeZone>(
    text: &str,
    zone: &Z,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, &'static str> {
    let instant = match DateTime::parse_from_rfc3339(text) {
        Ok(instant) => instant.to_utc(),
        Err(_) => in_zone(text, zone)?,
    };
    if instant > now + Duration::days(1) {
        return Err("must not be more than a day ahead");
    }
    // Microseconds are what events keep: the fingerprint must not see more.
    DateTime::from_timestamp_micros(instant.timestamp_micros()).ok_or("is out of range")
}

fn in_zone<Z: TimeZone>(text: &str, zone: &Z) -> Result<DateTime<Utc>, &'static str> {
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
        .map_err(|_| "must be a date and time such as 2024-02-07T12:34:56Z")?;
    // An hour that the clock shows twice is read as the first one.
    let local = zone.from_local_datetime(&naive).earliest();
    local.map(|local| local.to_utc()).ok_or("is an hour that the configured zone skips")
}

/// Whether the total is the sum of price x quantity: what a till says happened need not be.
#[must_use]
pub fn totals_match(receipt: &Receipt) -> bool {
    sum(receipt) == Some(receipt.total_amount)
}

fn sum(receipt: &Receipt) -> Option<Money> {
    let amounts: Option<Vec<Money>> =
        receipt.items.iter().map(|item| item.price.times(item.quantity)).collect();
    amounts.map(|amounts| amounts.into_iter().sum())
}

/// What is wrong between a receipt's fields.
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
