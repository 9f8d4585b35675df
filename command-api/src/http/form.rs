//! Reads JSON fields one by one, so that everything wrong with a body is told at once.

use std::fmt::Write;

use axum::http::StatusCode;
use runtime::Problem;
use runtime::problem::FieldError;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A field as it stands in the body; `None` where it is missing or null.
pub type Field<'b> = Option<&'b RawValue>;

/// A body's object, or 400 where it is no JSON and 422 where it is no object.
pub fn object<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            return Problem::invalid(vec![FieldError {
                pointer: String::new(),
                detail: format!("must be an object with each field at most once: {error}").into(),
            }]);
        }
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
            .kind("urn:till:malformed", "Malformed JSON")
    })
}

/// Collects what is wrong.
#[derive(Default)]
pub struct Form {
    errors: Vec<FieldError>,
    /// Where the fields read are: `/items/0` for those of an item.
    prefix: String,
}

impl Form {
    /// From here on fields are of item `index` of `list`.
    pub fn enter(&mut self, list: &str, index: usize) {
        self.prefix.clear();
        let _ = write!(self.prefix, "/{list}/{index}");
    }

    /// From here on fields are the body's own.
    pub fn leave(&mut self) {
        self.prefix.clear();
    }

    /// A text that a rule accepts.
    pub fn text<T: Default>(
        &mut self,
        name: &str,
        field: Field<'_>,
        rule: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> T {
        self.read(name, field, |raw| rule(&text(raw)?))
    }

    /// A number, or the text of one, that a rule accepts; the rule sees its digits as they were sent.
    pub fn decimal<T: Default>(
        &mut self,
        name: &str,
        field: Field<'_>,
        rule: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> T {
        self.read(name, field, |raw| if raw.starts_with('"') { rule(&text(raw)?) } else { rule(raw) })
    }

    /// As [`Self::decimal`]; `T::default()` where it is missing.
    pub fn decimal_or_default<T: Default>(
        &mut self,
        name: &str,
        field: Field<'_>,
        rule: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> T {
        if field.is_none() { T::default() } else { self.decimal(name, field, rule) }
    }

    /// A whole number that a rule accepts.
    pub fn integer<T: Default>(
        &mut self,
        name: &str,
        field: Field<'_>,
        rule: impl FnOnce(i64) -> Result<T, &'static str>,
    ) -> T {
        self.read(name, field, |raw| rule(raw.parse().map_err(|_| "must be a whole number")?))
    }

    /// A list of texts; missing is empty.
    pub fn texts(&mut self, name: &str, field: Field<'_>) -> Vec<String> {
        if field.is_none() {
            return Vec::new();
        }
        self.read(name, field, |raw| serde_json::from_str(raw).map_err(|_| "must be a list of texts"))
    }

    /// A list of objects, not longer than `limit`.
    pub fn list<'b, T: Deserialize<'b>>(&mut self, name: &str, field: Field<'b>, limit: usize) -> Vec<T> {
        let Some(list) = self.read(name, field, |raw| elements(raw).map(Some)) else { return Vec::new() };
        if list.is_empty() || list.len() > limit {
            self.wrong(name, format!("must have 1 to {limit} elements"));
            return Vec::new();
        }
        let mut objects = Vec::with_capacity(list.len());
        for (index, element) in list.iter().enumerate() {
            match serde_json::from_str(element.get()) {
                Ok(object) => objects.push(object),
                Err(_) => self.wrong(
                    &format!("{name}/{index}"),
                    "must be an object with each field at most once".to_owned(),
                ),
            }
        }
        objects
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, name: &str, detail: String) {
        self.errors.push(FieldError { pointer: format!("{}/{name}", self.prefix), detail: detail.into() });
    }

    /// Whether a field under one of these pointers is wrong.
    pub fn has_wrong(&self, pointers: &[&str]) -> bool {
        self.errors.iter().any(|error| pointers.iter().any(|pointer| error.pointer.starts_with(pointer)))
    }

    /// What was read, if nothing was wrong.
    pub fn finish<T>(self, value: T) -> Result<T, Problem> {
        if self.errors.is_empty() { Ok(value) } else { Err(Problem::invalid(self.errors)) }
    }

    fn read<'b, T: Default>(
        &mut self,
        name: &str,
        field: Field<'b>,
        rule: impl FnOnce(&'b str) -> Result<T, &'static str>,
    ) -> T {
        let result = match field {
            None => Err("is required"),
            Some(raw) => rule(raw.get()),
        };
        result.unwrap_or_else(|detail| {
            self.wrong(name, detail.to_owned());
            T::default()
        })
    }
}

fn text(raw: &str) -> Result<String, &'static str> {
    serde_json::from_str(raw).map_err(|_| "must be a text")
}

fn elements(raw: &str) -> Result<Vec<&RawValue>, &'static str> {
    serde_json::from_str(raw).map_err(|_| "must be a list")
}
