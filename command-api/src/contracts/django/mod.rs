//! Reads JSON fields as Django REST framework's serializers do, and says what is wrong in a contract's words, all at once.

mod values;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use contracts::answers::Refused;
use contracts::django::{Dialect, Message, Words, malformed, wrong_fields};
use runtime::problem::MAX_ERRORS;
use schemas::Money;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::http::form::without_byte_order_mark;
pub use values::{Decimals, MAX_INTEGER, instant};

/// Errors that belong to no field.
pub const NON_FIELD: &str = "non_field_errors";

/// An object's fields, and what was found wrong with them.
pub struct Fields<'b> {
    dialect: &'static Dialect,
    values: BTreeMap<String, &'b RawValue>,
    errors: Map<String, Value>,
}

impl<'b> Fields<'b> {
    /// No fields: for an error that is not found by reading.
    pub fn none(dialect: &'static Dialect) -> Self {
        Self { dialect, values: BTreeMap::new(), errors: Map::new() }
    }

    /// The fields of a body; a body without bytes has none.
    pub fn parse(dialect: &'static Dialect, body: &'b [u8]) -> Result<Self, Refused> {
        let body = without_byte_order_mark(body);
        if body.is_empty() {
            return Ok(Self::none(dialect));
        }
        let raw: &RawValue = serde_json::from_slice(body)
            .map_err(|error: serde_json::Error| malformed(error.line(), error.column()))?;
        Self::of(dialect, raw).map_err(|errors| wrong_fields(&errors).into())
    }

    /// The fields of an object; what it is instead as errors.
    fn of(dialect: &'static Dialect, raw: &'b RawValue) -> Result<Self, Map<String, Value>> {
        match serde_json::from_str(raw.get()) {
            Ok(values) => Ok(Self { values, ..Self::none(dialect) }),
            Err(_) => Err(non_field(&dialect.words.not_an_object.with(values::python_type(raw.get())))),
        }
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, name: &str, message: impl Into<Message>) {
        self.errors.insert(name.to_owned(), json!([message.into()]));
    }

    /// Whether any field is wrong.
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
        self.read(name, |raw, words| values::trimmed(words, raw, most_chars))
    }

    /// A text that the contract never asked for and that nothing depends on: `None` where it is missing, no text, blank or too
    /// long.
    pub fn text_if_any(&self, name: &str, most_chars: usize) -> Option<String> {
        let raw = self.values.get(name)?;
        values::trimmed(self.dialect.words, raw.get(), most_chars).ok().filter(|text| !text.is_empty())
    }

    /// As [`Self::text`], for an id: without format characters, and neither `.` nor `..`.
    pub fn identifier(&mut self, name: &str, most_chars: usize) -> String {
        self.read(name, |raw, words| values::identifier(words, raw, most_chars))
    }

    /// As [`Self::text`], for a name that people read: without format characters but for joiners.
    pub fn label(&mut self, name: &str, most_chars: usize) -> String {
        self.read(name, |raw, words| values::label(words, raw, most_chars))
    }

    /// A text as it was sent, spaces and all.
    pub fn password(&mut self, name: &str, most_chars: usize) -> String {
        self.read(name, |raw, words| values::password(words, raw, most_chars))
    }

    /// A whole number within bounds.
    pub fn integer(&mut self, name: &str, bounds: RangeInclusive<i64>) -> i64 {
        self.read(name, |raw, words| values::integer(words, raw, &bounds))
    }

    /// An amount of money.
    pub fn amount(&mut self, name: &str, bounds: &Decimals) -> Money {
        self.read(name, |raw, words| values::amount(words, raw, bounds))
    }

    /// As [`Self::amount`]; `None` where it is missing or null.
    pub fn optional_amount(&mut self, name: &str, bounds: &Decimals) -> Option<Money> {
        let is_there = self.values.get(name).is_some_and(|raw| raw.get() != "null");
        is_there.then(|| self.amount(name, bounds))
    }

    /// A date and time, in whole microseconds; one without a zone is of the dialect's.
    pub fn datetime(&mut self, name: &str) -> DateTime<Utc> {
        let zone = self.dialect.zone;
        self.read(name, |raw, words| values::datetime(words, raw, zone))
    }

    /// A list of objects, each read by `element`; errors stand in the list where their elements do. It ends with the element
    /// that has one error too many.
    pub fn list<T>(&mut self, name: &str, most: usize, element: impl Fn(&mut Fields<'b>) -> T) -> Vec<T> {
        let Some(raw) = self.present(name) else { return Vec::new() };
        let words = self.dialect.words;
        let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
            let errors = non_field(&words.not_a_list.with(values::python_type(raw)));
            self.errors.insert(name.to_owned(), errors.into());
            return Vec::new();
        };
        if list.len() > most {
            self.errors.insert(name.to_owned(), non_field(&words.too_many_elements.with(most)).into());
            return Vec::new();
        }
        let (mut read, mut errors) = (Vec::with_capacity(list.len()), Vec::with_capacity(list.len()));
        let mut found = 0;
        for raw in list {
            if found > MAX_ERRORS {
                break;
            }
            match Fields::of(self.dialect, raw) {
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
        let words = self.dialect.words;
        match self.values.get(name).map(|raw| raw.get()) {
            None => self.wrong(name, words.required),
            Some("null") => self.wrong(name, words.null),
            found => return found,
        }
        None
    }

    fn read<T: Default>(
        &mut self,
        name: &str,
        rule: impl FnOnce(&'b str, &'static Words) -> Result<T, Message>,
    ) -> T {
        let Some(raw) = self.present(name) else { return T::default() };
        rule(raw, self.dialect.words).unwrap_or_else(|message| {
            self.wrong(name, message);
            T::default()
        })
    }
}

fn non_field(message: &str) -> Map<String, Value> {
    Map::from_iter([(NON_FIELD.to_owned(), json!([message]))])
}

#[cfg(test)]
mod tests {
    use contracts::django::{ENGLISH, RUSSIAN};

    use super::*;

    static IN_RUSSIAN: Dialect =
        Dialect { words: &RUSSIAN, zone: chrono_tz::Tz::Europe__Moscow, challenge: "Token" };
    static IN_ENGLISH: Dialect = Dialect { words: &ENGLISH, zone: chrono_tz::Tz::UTC, challenge: "Bearer" };

    fn parsed<'b>(dialect: &'static Dialect, body: &'b str) -> Fields<'b> {
        Fields::parse(dialect, body.as_bytes()).unwrap_or_else(|_| panic!("it is an object"))
    }

    #[test]
    fn ids_and_names_that_v1_refuses_are_refused_in_the_contracts_words() {
        let body = "{\"dots\": \"..\", \"turned\": \"a\u{202E}b\", \"hidden\": \"a\u{200B}b\", \"joined\": \"👩\u{200D}🍳\"}";
        let mut fields = parsed(&IN_RUSSIAN, body);
        assert_eq!(fields.label("joined", 150), "👩\u{200D}🍳");
        assert_eq!(fields.label("dots", 150), "..");
        assert!(!fields.are_wrong());
        for (name, message) in [
            ("dots", RUSSIAN.dots),
            ("turned", RUSSIAN.format_characters),
            ("hidden", RUSSIAN.format_characters),
            ("joined", RUSSIAN.format_characters),
        ] {
            assert_eq!(fields.identifier(name, 150), "", "{name}");
            assert_eq!(fields.errors[name], json!([message]), "{name}");
        }
        assert!(fields.label("turned", 150).is_empty() && fields.label("hidden", 150).is_empty());
    }

    #[test]
    fn what_is_answered_is_bounded() {
        let items = vec!["{}"; 1_000].join(",");
        let body = format!("{{\"items\": [{items}]}}");
        let mut fields = parsed(&IN_RUSSIAN, &body);
        let _ = fields.list("items", 1_000, |fields| fields.text("category", 150));
        assert_eq!(fields.errors["items"].as_array().map(Vec::len), Some(MAX_ERRORS + 1));
    }

    #[test]
    fn one_body_is_refused_in_the_words_and_by_the_zone_of_each_dialect() {
        let body = r#"{"nothing": null, "list": {}, "at": "2024-02-07T12:00:00"}"#;
        for (dialect, at) in [(&IN_RUSSIAN, "2024-02-07T09:00:00Z"), (&IN_ENGLISH, "2024-02-07T12:00:00Z")] {
            let mut fields = parsed(dialect, body);
            assert_eq!(fields.datetime("at"), at.parse::<DateTime<Utc>>().unwrap());
            let _ = (fields.text("missing", 9), fields.text("nothing", 9));
            let _ = fields.list("list", 9, |_| ());
            let words = dialect.words;
            let list = json!({ NON_FIELD: [words.not_a_list.with("dict")] });
            let expected = json!({"missing": [words.required], "nothing": [words.null], "list": list});
            assert_eq!(Value::from(fields.errors), expected);
        }
    }
}
