//! Values as Django REST framework's fields read them from JSON, each `Err` being what it says where they are wrong.

use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use contracts::django::{Message, Words};
use domain::{names, receipt};
use rust_decimal::Decimal;
use schemas::{FixedError, Money};

/// The greatest integer that an original's columns held: 32 bits.
pub const MAX_INTEGER: i64 = 2_147_483_647;
/// Characters of a number, at most.
const MAX_NUMBER_CHARS: usize = 1000;

/// Which decimal numbers a column takes.
pub struct Decimals {
    /// Digits, at most.
    pub digits: usize,
    /// How many of them may stand after the point.
    pub places: usize,
    /// The smallest number, if there is one.
    pub least: Option<i64>,
}

/// What Python calls a JSON value's type.
pub fn python_type(raw: &str) -> &'static str {
    match raw.as_bytes().first() {
        Some(b'{') => "dict",
        Some(b'[') => "list",
        Some(b'"') => "str",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "NoneType",
        _ if raw.contains(['.', 'e', 'E']) => "float",
        _ => "int",
    }
}

fn is_number(raw: &str) -> bool {
    matches!(python_type(raw), "int" | "float")
}

fn text(words: &Words, raw: &str) -> Result<String, Message> {
    let text = if is_number(raw) { Some(raw.to_owned()) } else { serde_json::from_str(raw).ok() };
    let text: String = text.ok_or(words.not_a_text)?;
    if text.contains('\0') { Err(words.nul.into()) } else { Ok(text) }
}

/// A text that is more than spaces, without those around it.
pub fn trimmed(words: &Words, raw: &str, most_chars: usize) -> Result<String, Message> {
    let text = text(words, raw)?.trim().to_owned();
    if text.is_empty() { Err(words.blank.into()) } else { within(words, text, most_chars) }
}

/// A text as it was sent, spaces and all.
pub fn password(words: &Words, raw: &str, most_chars: usize) -> Result<String, Message> {
    let text = text(words, raw)?;
    if text.is_empty() { Err(words.blank.into()) } else { within(words, text, most_chars) }
}

/// An id: without format characters, and neither `.` nor `..`, to which no URL leads.
pub fn identifier(words: &Words, raw: &str, most_chars: usize) -> Result<String, Message> {
    let text = trimmed(words, raw, most_chars)?;
    if names::is_dots(&text) { Err(words.dots.into()) } else { visible(words, text, &[]) }
}

/// A name that people read: without format characters but for joiners.
pub fn label(words: &Words, raw: &str, most_chars: usize) -> Result<String, Message> {
    visible(words, trimmed(words, raw, most_chars)?, &names::JOINERS)
}

fn visible(words: &Words, text: String, but: &[char]) -> Result<String, Message> {
    if names::has_format_characters(&text, but) { Err(words.format_characters.into()) } else { Ok(text) }
}

fn within(words: &Words, text: String, most_chars: usize) -> Result<String, Message> {
    if text.chars().count() > most_chars { Err(words.too_many_characters.with(most_chars)) } else { Ok(text) }
}

/// A number's text, from a number or the text of one.
fn digits(words: &Words, raw: &str, otherwise: &'static str) -> Result<String, Message> {
    let text =
        if is_number(raw) { raw.to_owned() } else { serde_json::from_str(raw).map_err(|_| otherwise)? };
    if text.len() > MAX_NUMBER_CHARS { Err(words.too_long.into()) } else { Ok(text.trim().to_owned()) }
}

/// A whole number within bounds.
pub fn integer(words: &Words, raw: &str, bounds: &RangeInclusive<i64>) -> Result<i64, Message> {
    let text = digits(words, raw, words.not_an_integer)?;
    let number: i128 = whole(raw, &text).ok_or(words.not_an_integer)?;
    match i64::try_from(number) {
        Ok(number) if bounds.contains(&number) => Ok(number),
        _ if number < i128::from(*bounds.start()) => Err(words.too_small.with(bounds.start())),
        _ => Err(words.too_great.with(bounds.end())),
    }
}

/// As Python's `int` reads a text, but for zeros behind a point; a JSON number is any that is whole.
fn whole(raw: &str, text: &str) -> Option<i128> {
    if is_number(raw)
        && let Some(number) = schemas::exact(raw).ok().filter(Decimal::is_integer)
    {
        return Some(number.trunc().mantissa());
    }
    let digits = match text.split_once('.') {
        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    // Underscores may stand between digits.
    let unsigned = digits.trim_start_matches(['+', '-']);
    if unsigned.split('_').any(str::is_empty) {
        return None;
    }
    digits.replace('_', "").parse().ok()
}

/// What Python's `Decimal` reads, written as JSON would: it passes over underscores, and takes a plus sign and a point without
/// digits on one side.
fn as_json_number(text: &str) -> String {
    let text = text.replace('_', "");
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let (number, exponent) = unsigned.split_at(unsigned.find(['e', 'E']).unwrap_or(unsigned.len()));
    let number = match number.split_once('.') {
        Some((whole, "")) => whole.to_owned(),
        Some(("", decimals)) => format!("0.{decimals}"),
        _ => number.to_owned(),
    };
    format!("{sign}{number}{exponent}")
}

/// A decimal number within bounds.
pub fn amount(words: &Words, raw: &str, bounds: &Decimals) -> Result<Money, Message> {
    let text = digits(words, raw, words.not_a_number)?;
    let mut number = schemas::exact(&as_json_number(&text)).map_err(|error| match error {
        FixedError::NotANumber => words.not_a_number.into(),
        FixedError::TooManyDecimals(_) | FixedError::TooManyDigits(_) => {
            words.too_many_digits.with(bounds.digits)
        }
    })?;
    if is_number(raw) {
        // A JSON number's zeros at the end say nothing; a text's are digits.
        number = number.normalize();
    }
    let decimals = usize::try_from(number.scale()).unwrap_or(usize::MAX);
    let significant = number.mantissa().unsigned_abs().to_string().len();
    let whole = significant.saturating_sub(decimals);
    if significant.max(decimals) > bounds.digits {
        return Err(words.too_many_digits.with(bounds.digits));
    }
    if decimals > bounds.places {
        return Err(words.too_many_decimals.with(bounds.places));
    }
    if whole > bounds.digits - bounds.places {
        return Err(words.too_many_whole_digits.with(bounds.digits - bounds.places));
    }
    match bounds.least {
        Some(least) if number < Decimal::from(least) => Err(words.too_small.with(least)),
        _ => Ok(Money::from(number)),
    }
}

/// A date and time; one without a zone is of `zone`.
pub fn datetime(words: &Words, raw: &str, zone: Tz) -> Result<DateTime<Utc>, Message> {
    let text: String = serde_json::from_str(raw).map_err(|_| words.not_a_datetime)?;
    Ok(instant(text.trim(), zone).ok_or(words.not_a_datetime)?)
}

/// ISO 8601 as Django reads it, in whole microseconds. Years 1 to 9999.
pub fn instant(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    const NAIVE: [&str; 4] =
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    const ZONED: [&str; 4] =
        ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M%#z"];
    let zoned = ZONED.iter().find_map(|format| DateTime::parse_from_str(text, format).ok());
    if !receipt::begins_with_year(text) {
        return None;
    }
    let instant = zoned.map(|instant| instant.to_utc()).or_else(|| {
        let naive = NAIVE.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
        // An hour that the clock shows twice is read as the first one.
        zone.from_local_datetime(&naive).earliest().map(|local| local.to_utc())
    })?;
    let is_writable = |instant: &DateTime<Utc>| {
        receipt::has_writable_year(instant) && receipt::has_writable_year(&instant.with_timezone(&zone))
    };
    DateTime::from_timestamp_micros(instant.timestamp_micros()).filter(is_writable)
}

#[cfg(test)]
mod tests {
    use contracts::django::{PORTUGUESE, RUSSIAN};

    use super::*;

    fn money(raw: &str) -> Result<String, String> {
        let bounds = Decimals { digits: 9, places: 2, least: Some(0) };
        let read = amount(&RUSSIAN, raw, &bounds);
        read.map(|money| money.to_string()).map_err(std::borrow::Cow::into_owned)
    }

    #[test]
    fn amounts_are_exact_and_their_limits_told_apart() {
        for (raw, read) in [
            ("27.47", "27.47"),
            ("\"27.4\"", "27.40"),
            ("3", "3.00"),
            ("3.000", "3.00"),
            ("\" 1 \"", "1.00"),
            ("1e2", "100.00"),
            ("9999999.99", "9999999.99"),
            ("2.5e1", "25.00"),
            ("\"2_50\"", "250.00"),
            ("\"+5\"", "5.00"),
            ("\"5.\"", "5.00"),
            ("\".5\"", "0.50"),
            ("\"1e2\"", "100.00"),
        ] {
            assert_eq!(money(raw).as_deref(), Ok(read), "{raw}");
        }
        let decimals = "Убедитесь, что вы ввели не более 2 цифры после запятой.".to_owned();
        assert_eq!(money("0.001"), Err(decimals.clone()));
        assert_eq!(money("\"1.000\""), Err(decimals));
        assert_eq!(money("-0.01"), Err("Убедитесь, что это значение больше либо равно 0.".into()));
        assert_eq!(money("10000000.01"), Err("Убедитесь, что в числе не больше 9 знаков.".into()));
        assert_eq!(money("10000000"), Err("Убедитесь, что в числе не больше 7 знаков в целой части.".into()));
        assert_eq!(money(&"9".repeat(40)), Err("Убедитесь, что в числе не больше 9 знаков.".into()));
        for raw in ["\"abc\"", "true", "[]", "\"\"", "\"NaN\"", "\"Infinity\""] {
            assert_eq!(money(raw), Err(RUSSIAN.not_a_number.into()), "{raw}");
        }
        let any = Decimals { digits: 9, places: 2, least: None };
        assert_eq!(amount(&RUSSIAN, "-5.5", &any).unwrap().to_string(), "-5.50");
    }

    #[test]
    fn whole_numbers_may_be_texts_and_are_refused_in_the_language_that_is_asked_for() {
        let read =
            |raw: &str| integer(&PORTUGUESE, raw, &(1..=MAX_INTEGER)).map_err(std::borrow::Cow::into_owned);
        assert_eq!([read("2"), read("\"2\""), read("2.0"), read("\"+2\"")], [Ok(2), Ok(2), Ok(2), Ok(2)]);
        assert_eq!([read("1e2"), read("\"1_0\"")], [Ok(100), Ok(10)]);
        assert_eq!(read("0"), Err(PORTUGUESE.too_small.with(1).into()));
        assert!(read("2147483648").unwrap_err().contains("inferior ou igual a 2147483647"));
        for raw in ["2.5", "\"x\"", "true", "null", "{}", "\"1e2\"", "\"_1\"", "\"1__0\"", "\"\""] {
            assert_eq!(read(raw), Err("Um número inteiro válido é exigido.".into()), "{raw}");
        }
    }

    #[test]
    fn times_without_a_zone_are_of_the_contracts() {
        let expected: DateTime<Utc> = "2024-02-07T09:34:56Z".parse().unwrap();
        for text in [
            "2024-02-07T12:34:56",
            "2024-02-07 12:34:56",
            "2024-02-07T09:34:56Z",
            "2024-02-07T10:34:56+01:00",
            "2024-02-07T09:34:56.000000Z",
        ] {
            assert_eq!(instant(text, Tz::Europe__Moscow), Some(expected), "{text}");
        }
        let read = instant("2024-02-07T12:34", Tz::Europe__Moscow).unwrap();
        assert_eq!(read.to_rfc3339(), "2024-02-07T09:34:00+00:00");
        assert_eq!(instant("2024-02-07T06:34:56", Tz::America__Maceio), Some(expected));
        for text in [
            "07.02.2024",
            "2024-02-07",
            "0001-01-01T00:00:00",
            "0000-06-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "-0001-01-01T00:00:00Z",
            "-9999-01-01T00:00:00",
            "+12024-02-07T12:34:56Z",
            "",
        ] {
            assert_eq!(instant(text, Tz::Europe__Moscow), None, "{text}");
        }
    }
}
