//! Reads JSON fields as Django REST framework's serializers do, and says what is wrong in its words, all at once.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use domain::{names, receipt};
use runtime::contracts::receipts::ZONE;
use runtime::contracts::receipts::answers::{Refused, detail, wrong_fields};
use runtime::contracts::receipts::messages::{self, Message};
use runtime::problem::MAX_ERRORS;
use rust_decimal::Decimal;
use schemas::{Money, MoneyError};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use axum::http::StatusCode;

use crate::http::form::without_byte_order_mark;

/// The greatest integer its columns held.
pub const MAX_INTEGER: i64 = 2_147_483_647;
/// Digits of an amount, and how many of them stand after the point: `decimal(9, 2)`.
const MAX_DIGITS: usize = 9;
const MAX_DECIMALS: usize = 2;
/// Characters of a number, at most.
const MAX_NUMBER_CHARS: usize = 1000;
/// Errors that belong to no field.
pub const NON_FIELD: &str = "non_field_errors";

/// An object's fields, and what was found wrong with them.
#[derive(Default)]
pub struct Fields<'b> {
    values: BTreeMap<String, &'b RawValue>,
    errors: Map<String, Value>,
}

impl<'b> Fields<'b> {
    /// The fields of a body; no body has none.
    pub fn parse(body: &'b [u8]) -> Result<Self, Refused> {
        let body = without_byte_order_mark(body);
        if body.is_empty() {
            return Ok(Self::default());
        }
        let malformed = |error: serde_json::Error| {
            let text = messages::malformed(error.line(), error.column());
            Refused::from(detail(StatusCode::BAD_REQUEST, text))
        };
        let raw: &RawValue = serde_json::from_slice(body).map_err(malformed)?;
        Self::of(raw).map_err(|errors| wrong_fields(&errors).into())
    }

    /// The fields of an object; what it is instead as errors.
    fn of(raw: &'b RawValue) -> Result<Self, Map<String, Value>> {
        match serde_json::from_str(raw.get()) {
            Ok(values) => Ok(Self { values, errors: Map::new() }),
            Err(_) => Err(non_field(&messages::not_an_object(python_type(raw.get())))),
        }
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, name: &str, message: impl Into<Message>) {
        self.errors.insert(name.to_owned(), json!([message.into()]));
    }

    /// Whether any field is.
    pub fn are_wrong(&self) -> bool {
        !self.errors.is_empty()
    }

    /// 400 with what is wrong.
    pub fn refuse(self) -> Refused {
        wrong_fields(&self.errors).into()
    }

    /// What was read, if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Refused> {
        if self.are_wrong() { Err(self.refuse()) } else { Ok(value) }
    }

    /// A text that is more than spaces, without those around it; a number is its digits.
    pub fn text(&mut self, name: &str, most_chars: usize) -> String {
        self.read(name, |raw| trimmed(raw, most_chars))
    }

    /// As [`Self::text`], for an id: without format characters, and neither `.` nor `..`.
    pub fn identifier(&mut self, name: &str, most_chars: usize) -> String {
        self.read(name, |raw| {
            let text = trimmed(raw, most_chars)?;
            if names::is_dots(&text) { Err(messages::DOTS.into()) } else { visible(text, &[]) }
        })
    }

    /// As [`Self::text`], for a name that people read: without format characters but for joiners.
    pub fn label(&mut self, name: &str, most_chars: usize) -> String {
        self.read(name, |raw| visible(trimmed(raw, most_chars)?, &names::JOINERS))
    }

    /// A text as it was sent, spaces and all.
    pub fn password(&mut self, name: &str, most_chars: usize) -> String {
        self.read(name, |raw| {
            let text = text(raw)?;
            if text.is_empty() { Err(messages::BLANK.into()) } else { within(text, most_chars) }
        })
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, name: &str, bounds: RangeInclusive<i64>) -> i64 {
        self.read(name, |raw| integer(raw, &bounds))
    }

    /// An amount of `decimal(9, 2)`, not below `least`.
    pub fn amount(&mut self, name: &str, least: Option<i64>) -> Money {
        self.read(name, |raw| amount(raw, least))
    }

    /// As [`Self::amount`]; `None` where it is missing or null.
    pub fn optional_amount(&mut self, name: &str, least: Option<i64>) -> Option<Money> {
        let is_there = self.values.get(name).is_some_and(|raw| raw.get() != "null");
        is_there.then(|| self.amount(name, least))
    }

    /// A date and time, at most a day ahead; one without zone is read in Moscow.
    pub fn moment(&mut self, name: &str) -> DateTime<Utc> {
        self.read(name, |raw| {
            let text: String = serde_json::from_str(raw).map_err(|_| messages::NOT_A_MOMENT)?;
            let instant = moment(text.trim()).ok_or(messages::NOT_A_MOMENT)?;
            if receipt::is_too_far_ahead(instant, Utc::now()) {
                return Err(messages::TOO_FAR_AHEAD.into());
            }
            Ok(instant)
        })
    }

    /// A list of objects, each read by `element`; errors stand in the list where their elements do. It ends with the element
    /// that has one error too many.
    pub fn list<T>(&mut self, name: &str, most: usize, element: impl Fn(&mut Fields<'b>) -> T) -> Vec<T> {
        let Some(raw) = self.present(name) else { return Vec::new() };
        let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
            let errors = non_field(&messages::not_a_list(python_type(raw)));
            self.errors.insert(name.to_owned(), errors.into());
            return Vec::new();
        };
        if list.len() > most {
            self.errors.insert(name.to_owned(), non_field(&messages::too_many_elements(most)).into());
            return Vec::new();
        }
        let (mut read, mut errors) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
        let mut found = 0;
        for raw in list {
            if found > MAX_ERRORS {
                break;
            }
            match Fields::of(raw) {
                Ok(mut fields) => {
                    read.push(element(&mut fields));
                    errors.push(fields.errors);
                }
                Err(wrong) => errors.push(wrong),
            }
            found += errors.last().map_or(0, Map::len);
        }
        if errors.iter().any(|errors| !errors.is_empty()) {
            self.errors.insert(name.to_owned(), errors.into());
        }
        read
    }

    /// A field's JSON; missing and null are noted as wrong.
    fn present(&mut self, name: &str) -> Option<&'b str> {
        match self.values.get(name).map(|raw| raw.get()) {
            None => self.wrong(name, messages::REQUIRED),
            Some("null") => self.wrong(name, messages::BLANK),
            found => return found,
        }
        None
    }

    fn read<T: Default>(&mut self, name: &str, rule: impl FnOnce(&'b str) -> Result<T, Message>) -> T {
        let Some(raw) = self.present(name) else { return T::default() };
        rule(raw).unwrap_or_else(|message| {
            self.wrong(name, message);
            T::default()
        })
    }
}

fn non_field(message: &str) -> Map<String, Value> {
    Map::from_iter([(NON_FIELD.to_owned(), json!([message]))])
}

/// What Python calls a JSON value's type.
fn python_type(raw: &str) -> &'static str {
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

fn text(raw: &str) -> Result<String, Message> {
    let text = if is_number(raw) { Some(raw.to_owned()) } else { serde_json::from_str(raw).ok() };
    let text: String = text.ok_or(messages::NOT_A_TEXT)?;
    if text.contains('\0') { Err(messages::NUL.into()) } else { Ok(text) }
}

fn trimmed(raw: &str, most_chars: usize) -> Result<String, Message> {
    let text = text(raw)?.trim().to_owned();
    if text.is_empty() { Err(messages::BLANK.into()) } else { within(text, most_chars) }
}

fn visible(text: String, but: &[char]) -> Result<String, Message> {
    if names::has_format_characters(&text, but) { Err(messages::FORMAT_CHARACTERS.into()) } else { Ok(text) }
}

fn within(text: String, most_chars: usize) -> Result<String, Message> {
    if text.chars().count() > most_chars { Err(messages::too_many_characters(most_chars)) } else { Ok(text) }
}

/// A number's text, from a number or the text of one.
fn digits(raw: &str, otherwise: &'static str) -> Result<String, Message> {
    let text =
        if is_number(raw) { raw.to_owned() } else { serde_json::from_str(raw).map_err(|_| otherwise)? };
    if text.len() > MAX_NUMBER_CHARS { Err(messages::TOO_LONG.into()) } else { Ok(text.trim().to_owned()) }
}

fn integer(raw: &str, bounds: &RangeInclusive<i64>) -> Result<i64, Message> {
    let text = digits(raw, messages::NOT_AN_INTEGER)?;
    let number: i128 = whole(raw, &text).ok_or(messages::NOT_AN_INTEGER)?;
    match i64::try_from(number) {
        Ok(number) if bounds.contains(&number) => Ok(number),
        _ if number < i128::from(*bounds.start()) => Err(messages::too_small(*bounds.start())),
        _ => Err(messages::too_great(*bounds.end())),
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

fn amount(raw: &str, least: Option<i64>) -> Result<Money, Message> {
    let text = digits(raw, messages::NOT_A_NUMBER)?;
    let mut number = schemas::exact(&as_json_number(&text)).map_err(|error| match error {
        MoneyError::NotANumber => messages::NOT_A_NUMBER.into(),
        MoneyError::TooManyDecimals | MoneyError::TooManyDigits => messages::too_many_digits(MAX_DIGITS),
    })?;
    if is_number(raw) {
        // A JSON number's zeros at the end say nothing; a text's are digits.
        number = number.normalize();
    }
    let decimals = usize::try_from(number.scale()).unwrap_or(usize::MAX);
    let significant = number.mantissa().unsigned_abs().to_string().len();
    let whole = significant.saturating_sub(decimals);
    if significant.max(decimals) > MAX_DIGITS {
        return Err(messages::too_many_digits(MAX_DIGITS));
    }
    if decimals > MAX_DECIMALS {
        return Err(messages::too_many_decimals(MAX_DECIMALS));
    }
    if whole > MAX_DIGITS - MAX_DECIMALS {
        return Err(messages::too_many_whole_digits(MAX_DIGITS - MAX_DECIMALS));
    }
    match least {
        Some(least) if number < Decimal::from(least) => Err(messages::too_small(least)),
        _ => Ok(Money::from(number)),
    }
}

/// ISO 8601 as Django reads it, in whole microseconds. Years 1 to 9999.
fn moment(text: &str) -> Option<DateTime<Utc>> {
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
        ZONE.from_local_datetime(&naive).earliest().map(|local| local.to_utc())
    })?;
    let is_writable = |instant: &DateTime<Utc>| {
        receipt::has_writable_year(instant) && receipt::has_writable_year(&instant.with_timezone(&ZONE))
    };
    DateTime::from_timestamp_micros(instant.timestamp_micros()).filter(is_writable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(raw: &str) -> Result<String, String> {
        amount(raw, Some(0)).map(|money| money.to_string()).map_err(std::borrow::Cow::into_owned)
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
            assert_eq!(money(raw), Err(messages::NOT_A_NUMBER.into()), "{raw}");
        }
        assert_eq!(amount("-5.5", None).unwrap().to_string(), "-5.50");
    }

    #[test]
    fn whole_numbers_may_be_texts() {
        let read = |raw: &str| integer(raw, &(1..=MAX_INTEGER)).map_err(std::borrow::Cow::into_owned);
        assert_eq!([read("2"), read("\"2\""), read("2.0"), read("\"+2\"")], [Ok(2), Ok(2), Ok(2), Ok(2)]);
        assert_eq!([read("1e2"), read("\"1_0\"")], [Ok(100), Ok(10)]);
        assert_eq!(read("0"), Err("Убедитесь, что это значение больше либо равно 1.".into()));
        assert!(read("2147483648").unwrap_err().contains("меньше либо равно 2147483647"));
        for raw in ["2.5", "\"x\"", "true", "null", "{}", "\"1e2\"", "\"_1\"", "\"1__0\"", "\"\""] {
            assert_eq!(read(raw), Err(messages::NOT_AN_INTEGER.into()), "{raw}");
        }
    }

    #[test]
    fn ids_and_names_that_v1_refuses_are_refused_in_the_contracts_words() {
        let body = "{\"dots\": \"..\", \"turned\": \"a\u{202E}b\", \"hidden\": \"a\u{200B}b\", \"joined\": \"👩\u{200D}🍳\"}";
        let mut fields = Fields::parse(body.as_bytes()).unwrap_or_else(|_| panic!("it is an object"));
        assert_eq!(fields.label("joined", 150), "👩\u{200D}🍳");
        assert_eq!(fields.label("dots", 150), "..");
        assert!(!fields.are_wrong());
        for (name, message) in [
            ("dots", messages::DOTS),
            ("turned", messages::FORMAT_CHARACTERS),
            ("hidden", messages::FORMAT_CHARACTERS),
            ("joined", messages::FORMAT_CHARACTERS),
        ] {
            assert_eq!(fields.identifier(name, 150), "", "{name}");
            assert_eq!(fields.errors[name], json!([message]), "{name}");
        }
        assert!(fields.label("turned", 150).is_empty() && fields.label("hidden", 150).is_empty());
    }

    #[test]
    fn what_is_answered_is_bounded_and_times_are_at_most_a_day_ahead() {
        let items = vec!["{}"; 1_000].join(",");
        let body = format!("{{\"items\": [{items}], \"a\": \"9998-01-01T00:00:00Z\"}}");
        let mut fields = Fields::parse(body.as_bytes()).unwrap_or_else(|_| panic!("it is an object"));
        let _ = fields.list("items", 1_000, |fields| fields.text("category", 150));
        assert_eq!(fields.errors["items"].as_array().map(Vec::len), Some(MAX_ERRORS + 1));
        let _ = fields.moment("a");
        assert_eq!(fields.errors["a"], json!([messages::TOO_FAR_AHEAD]));
    }

    #[test]
    fn times_without_zone_are_moscows() {
        let expected: DateTime<Utc> = "2024-02-07T09:34:56Z".parse().unwrap();
        for text in [
            "2024-02-07T12:34:56",
            "2024-02-07 12:34:56",
            "2024-02-07T09:34:56Z",
            "2024-02-07T10:34:56+01:00",
            "2024-02-07T09:34:56.000000Z",
        ] {
            assert_eq!(moment(text), Some(expected), "{text}");
        }
        assert_eq!(moment("2024-02-07T12:34").unwrap().to_rfc3339(), "2024-02-07T09:34:00+00:00");
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
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
