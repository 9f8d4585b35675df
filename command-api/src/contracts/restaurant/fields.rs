//! Reads JSON fields as pydantic does, by which FastAPI checks bodies: a number may be a text, and a text a number. Everything that is
//! wrong is told at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::RESTAURANT;
use contracts::answers::Refused;
use contracts::restaurant::fastapi::{
    MISSING, Message, NO_DATETIME, NO_FLAG, NO_FLOAT, NO_INTEGER, NO_JSON, NO_LIST, NO_OBJECT, NO_TEXT, NULL,
    Wrong, unprocessable,
};
use runtime::problem::MAX_ERRORS;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::contracts::django::instant;
use crate::http::form::without_byte_order_mark;

/// A number of seconds above this one is of milliseconds.
const MOST_SECONDS: u64 = 20_000_000_000;

/// Whether a field must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It may be missing, or null.
    Optional,
    /// It must be there, and may be null.
    Nullable,
    /// It must be there, and not be null.
    Required,
}

/// An object's fields, and what was found wrong with them.
pub struct Fields<'b> {
    values: BTreeMap<String, &'b RawValue>,
    /// Where the object stands.
    at: Vec<Value>,
    wrong: Vec<Wrong>,
}

impl<'b> Fields<'b> {
    /// The fields of a body: 422 where it is no JSON object.
    pub fn parse(body: &'b [u8]) -> Result<Self, Refused> {
        let (body, at) = (without_byte_order_mark(body), vec![json!("body")]);
        if body.trim_ascii().is_empty() {
            return Err(unprocessable(&[Wrong::new(at, MISSING)]).into());
        }
        let raw: &RawValue = serde_json::from_slice(body).map_err(|error| {
            let loc = vec![json!("body"), json!(offset(body, &error))];
            unprocessable(&[Wrong::new(loc, NO_JSON)])
        })?;
        Self::of(raw, at).map_err(|wrong| unprocessable(&[wrong]).into())
    }

    fn of(raw: &'b RawValue, at: Vec<Value>) -> Result<Self, Wrong> {
        match serde_json::from_str(raw.get()) {
            Ok(values) => Ok(Self { values, at, wrong: Vec::new() }),
            Err(_) => Err(Wrong::new(at, NO_OBJECT)),
        }
    }

    /// What was read, if nothing was wrong; else 422.
    pub fn finish<T>(self, value: T) -> Result<T, Refused> {
        if self.wrong.is_empty() { Ok(value) } else { Err(unprocessable(&self.wrong).into()) }
    }

    /// A text.
    pub fn text(&mut self, name: &str, need: Need) -> Option<String> {
        self.read(name, need, text)
    }

    /// A whole number; what stands behind its point is cut off.
    pub fn integer(&mut self, name: &str, need: Need) -> Option<i64> {
        self.read(name, need, integer)
    }

    /// A number, exactly as it was written.
    pub fn float(&mut self, name: &str, need: Need) -> Option<Decimal> {
        self.read(name, need, float)
    }

    /// True or false.
    pub fn flag(&mut self, name: &str, need: Need) -> Option<bool> {
        self.read(name, need, flag)
    }

    /// A date and time, in whole microseconds; one without a zone is of the contract's.
    pub fn datetime(&mut self, name: &str, need: Need) -> Option<DateTime<Utc>> {
        self.read(name, need, datetime)
    }

    /// A list of objects, each read by `element`. It ends with the element that has one error too many.
    pub fn list<T>(&mut self, name: &str, need: Need, element: impl Fn(&mut Fields<'b>) -> T) -> Vec<T> {
        let Some(list) = self.read(name, need, elements) else { return Vec::new() };
        let mut read = Vec::with_capacity(list.len());
        for (index, raw) in list.into_iter().enumerate() {
            if self.wrong.len() > MAX_ERRORS {
                break;
            }
            match Self::of(raw, [self.at.as_slice(), &[json!(name), json!(index)]].concat()) {
                Ok(mut fields) => {
                    read.push(element(&mut fields));
                    self.wrong.append(&mut fields.wrong);
                }
                Err(wrong) => self.wrong.push(wrong),
            }
        }
        read
    }

    fn read<T>(
        &mut self,
        name: &str,
        need: Need,
        rule: impl FnOnce(&'b str) -> Result<T, Message>,
    ) -> Option<T> {
        let message = match self.values.get(name).map(|raw| raw.get()) {
            None if need == Need::Optional => return None,
            None => MISSING,
            Some("null") if need != Need::Required => return None,
            Some("null") => NULL,
            Some(raw) => match rule(raw) {
                Ok(value) => return Some(value),
                Err(message) => message,
            },
        };
        self.wrong.push(Wrong::new([self.at.as_slice(), &[json!(name)]].concat(), message));
        None
    }
}

/// The byte at which a body cannot be read, counted from 0.
fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let lines = body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1)
}

/// The text of a JSON text, without blanks around it; else the JSON itself.
fn unquoted(raw: &str) -> Option<String> {
    if raw.starts_with('"') {
        Some(serde_json::from_str::<String>(raw).ok()?.trim().to_owned())
    } else {
        Some(raw.to_owned())
    }
}

fn text(raw: &str) -> Result<String, Message> {
    match raw {
        "true" => Ok("True".to_owned()),
        "false" => Ok("False".to_owned()),
        _ if raw.starts_with('"') => serde_json::from_str(raw).map_err(|_| NO_TEXT),
        _ if raw.starts_with(['[', '{']) => Err(NO_TEXT),
        number => Ok(number.to_owned()),
    }
}

fn integer(raw: &str) -> Result<i64, Message> {
    let cut = || float(raw).ok().filter(|_| !raw.starts_with('"'))?.trunc().to_i64();
    match raw {
        "true" => Ok(1),
        "false" => Ok(0),
        _ => unquoted(raw).and_then(|text| text.parse().ok()).or_else(cut).ok_or(NO_INTEGER),
    }
}

fn float(raw: &str) -> Result<Decimal, Message> {
    match raw {
        "true" => Ok(Decimal::ONE),
        "false" => Ok(Decimal::ZERO),
        _ => unquoted(raw).and_then(|text| schemas::exact(&text).ok()).ok_or(NO_FLOAT),
    }
}

fn flag(raw: &str) -> Result<bool, Message> {
    let text = unquoted(raw).unwrap_or_default().to_lowercase();
    match text.as_str() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Ok(false),
        _ => Err(NO_FLAG),
    }
}

fn datetime(raw: &str) -> Result<DateTime<Utc>, Message> {
    let text = unquoted(raw).ok_or(NO_DATETIME)?;
    let seconds = text.parse::<i64>().ok();
    let counted = seconds.and_then(|number| match number.unsigned_abs() > MOST_SECONDS {
        true => DateTime::from_timestamp_millis(number),
        false => DateTime::from_timestamp(number, 0),
    });
    let is_writable = |instant: &DateTime<Utc>| domain::receipt::has_writable_year(instant);
    counted.filter(is_writable).or_else(|| said_at(&text)).ok_or(NO_DATETIME)
}

fn elements(raw: &str) -> Result<Vec<&RawValue>, Message> {
    serde_json::from_str(raw).map_err(|_| NO_LIST)
}

/// The instant that a text says; `None` where it cannot be read.
pub fn said_at(text: &str) -> Option<DateTime<Utc>> {
    instant(text.trim(), RESTAURANT.zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_texts_and_texts_numbers() {
        assert_eq!(
            [integer("3"), integer("\" 3 \""), integer("3.9"), integer("true"), integer("-1")],
            [Ok(3), Ok(3), Ok(3), Ok(1), Ok(-1)]
        );
        for raw in ["\"3.9\"", "\"x\"", "[]", "{}", "1e30", "\"\""] {
            assert_eq!(integer(raw), Err(NO_INTEGER), "{raw}");
        }
        assert_eq!([float("25.5"), float("\"25.5\""), float("255e-1")], [Ok(Decimal::new(255, 1)); 3]);
        assert_eq!(float("\"NaN\""), Err(NO_FLOAT));
        assert_eq!(
            [text("5.50").as_deref(), text("\" a\"").as_deref(), text("true").as_deref()],
            [Ok("5.50"), Ok(" a"), Ok("True")]
        );
        assert_eq!([text("[]"), text("{}")], [Err(NO_TEXT), Err(NO_TEXT)]);
        assert_eq!(
            [flag("true"), flag("\"no\""), flag("1"), flag("2")],
            [Ok(true), Ok(false), Ok(true), Err(NO_FLAG)]
        );
    }

    #[test]
    fn times_are_iso_texts_or_counted_from_1970() {
        let expected: DateTime<Utc> = "2015-03-25T10:04:58Z".parse().unwrap();
        for raw in [
            "\"2015-03-25 10:04:58\"",
            "\"2015-03-25T07:04:58-03:00\"",
            "1427277898",
            "1427277898000",
            "\"1427277898\"",
        ] {
            assert_eq!(datetime(raw), Ok(expected), "{raw}");
        }
        for raw in ["\"yesterday\"", "[]", "9223372036854775807", "-9223372036854775808", "\"\""] {
            assert_eq!(datetime(raw), Err(NO_DATETIME), "{raw}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_place() {
        let body = br#"{"a": null, "b": [{"c": "x"}, 7], "d": null}"#;
        let Ok(mut fields) = Fields::parse(body) else { panic!("it is an object") };
        let _ = (
            fields.text("a", Need::Required),
            fields.text("d", Need::Nullable),
            fields.text("e", Need::Nullable),
        );
        let _ = fields.list("b", Need::Required, |fields| fields.integer("c", Need::Required));
        let found =
            fields.wrong.iter().map(|wrong| (Value::from(wrong.loc.clone()), wrong.msg)).collect::<Vec<_>>();
        let expected = [
            (json!(["body", "a"]), NULL.0),
            (json!(["body", "e"]), MISSING.0),
            (json!(["body", "b", 0, "c"]), NO_INTEGER.0),
            (json!(["body", "b", 1]), NO_OBJECT.0),
        ];
        assert_eq!(found, expected);
    }
}
