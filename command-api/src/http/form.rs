//! Reads the fields of a JSON body one by one and collects what is wrong, so that a client is told of all of it at once.

use std::borrow::Cow;
use std::fmt::Write;

use axum::http::StatusCode;
use runtime::Problem;
use runtime::problem::{FieldError, MAX_ERRORS};
use rust_decimal::prelude::ToPrimitive;
use serde_json::value::RawValue;

use super::object::{Field, Fields, Object, nearest};
use super::prefer::Handling;

const NO_OBJECT: &str = "must be a JSON object";
/// UTF-8's byte order mark: some systems begin files with it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A body without the byte order mark before it.
pub fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// Reads the fields of one body and collects what is wrong with them. A wrong field is read as the default of its type, which
/// nobody sees: [`Self::finish`] then refuses the body.
#[derive(Default)]
pub struct Form {
    handling: Handling,
    /// The first [`MAX_ERRORS`] of them.
    errors: Vec<FieldError>,
    /// How many fields are wrong, those without a place in `errors` included.
    found: usize,
    /// JSON pointer of the object whose fields are read: empty for the body's own, `/items/0` within its first item.
    prefix: String,
}

impl Form {
    pub fn new(handling: Handling) -> Self {
        Self { handling, ..Self::default() }
    }

    /// Splits a body into its fields, and notes unknown and repeated ones: 400 where it is no JSON, 422 where it is no object.
    pub fn body<'b, F: Fields<'b>>(&mut self, body: &'b [u8]) -> Result<F, Problem> {
        let body = without_byte_order_mark(body);
        match serde_json::from_slice::<Object<F>>(body) {
            Ok(object) => Ok(self.fields_of(object)),
            Err(error) if error.is_data() => {
                let (pointer, detail) = (String::new(), NO_OBJECT.into());
                Err(Problem::invalid(vec![FieldError { pointer, detail }]))
            }
            Err(_) if body.trim_ascii().is_empty() => {
                Err(malformed("the body is empty: send a JSON object".to_owned()))
            }
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(malformed(format!("the body is not JSON: see line {line}, column {column}")))
            }
        }
    }

    /// The fields that are read next belong to element `index` of `list`.
    pub fn enter(&mut self, list: &str, index: usize) {
        self.prefix.clear();
        let _ = write!(self.prefix, "/{list}/{index}");
    }

    /// The fields that are read next are the body's own.
    pub fn leave(&mut self) {
        self.prefix.clear();
    }

    /// Reads a text. `rule` gives its value, or what is wrong with it.
    pub fn text<T: Default, E: Detail>(
        &mut self,
        name: &str,
        field: Field<'_>,
        rule: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.read(name, field, |raw| rule(&text(raw)?))
    }

    /// Reads a number, or a text that holds one. `rule` sees its digits as they were sent, so that nothing is rounded before.
    pub fn decimal<T: Default, E: Detail>(
        &mut self,
        name: &str,
        field: Field<'_>,
        rule: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.read(name, field, |raw| if raw.starts_with('"') { rule(&text(raw)?) } else { rule(raw) })
    }

    /// Reads a whole number, which may be written as 2.0. `rule` gives its value, or what is wrong with it.
    pub fn integer<T: Default>(
        &mut self,
        name: &str,
        field: Field<'_>,
        rule: impl FnOnce(i64) -> Result<T, &'static str>,
    ) -> T {
        self.read(name, field, |raw| rule(whole(raw).ok_or("must be a whole number")?))
    }

    /// Reads `true` or `false`; `None` where the field is missing.
    pub fn flag(&mut self, name: &str, field: Field<'_>) -> Option<bool> {
        if is_missing(field) {
            return None;
        }
        Some(self.read(name, field, |raw| raw.parse().map_err(|_| "must be true or false")))
    }

    /// Reads a list of texts. It is empty where the field is missing.
    pub fn texts(&mut self, name: &str, field: Field<'_>) -> Vec<String> {
        if is_missing(field) {
            return Vec::new();
        }
        self.read(name, field, |raw| serde_json::from_str(raw).map_err(|_| "must be a list of texts"))
    }

    /// Reads a list of whole numbers. It is empty where the field is missing.
    pub fn integers(&mut self, name: &str, field: Field<'_>) -> Vec<i64> {
        if is_missing(field) {
            return Vec::new();
        }
        self.read(name, field, |raw| serde_json::from_str(raw).map_err(|_| "must be a list of whole numbers"))
    }

    /// Reads a list of 1 to `limit` objects. An element that is no object is noted and left out.
    pub fn list<'b, F: Fields<'b>>(&mut self, name: &str, field: Field<'b>, limit: usize) -> Vec<F> {
        let Some(list) = self.read(name, field, |raw| elements(raw).map(Some)) else { return Vec::new() };
        if list.is_empty() || list.len() > limit {
            self.wrong(name, format!("must have 1 to {limit} elements"));
            return Vec::new();
        }
        let mut objects = Vec::with_capacity(list.len());
        for (index, element) in list.iter().enumerate() {
            match serde_json::from_str::<Object<F>>(element.get()) {
                Ok(object) => {
                    self.enter(name, index);
                    objects.push(self.fields_of(object));
                    self.leave();
                }
                Err(_) => self.wrong(&format!("{name}/{index}"), NO_OBJECT),
            }
        }
        objects
    }

    /// Reads an object, whose fields are read next: [`Self::leave`] then goes back to the body's own.
    pub fn object<'b, F: Fields<'b>>(&mut self, name: &str, field: Field<'b>) -> F {
        let object = self.read(name, field, |raw| match serde_json::from_str::<Object<F>>(raw) {
            Ok(object) => Ok(Some(object)),
            Err(_) => Err(NO_OBJECT),
        });
        self.prefix = format!("/{name}");
        object.map(|object| self.fields_of(object)).unwrap_or_default()
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, name: &str, detail: impl Into<Cow<'static, str>>) {
        self.wrong_with(name, || detail.into());
    }

    /// As [`Self::wrong`], for a detail that is costly to make: it is made only where it is kept.
    fn wrong_with(&mut self, name: &str, detail: impl FnOnce() -> Cow<'static, str>) {
        self.found += 1;
        if self.errors.len() < MAX_ERRORS {
            let pointer = format!("{}/{name}", self.prefix);
            self.errors.push(FieldError { pointer, detail: detail() });
        }
    }

    /// Whether a field under one of these pointers is wrong. It is always true once there are more errors than are kept,
    /// because one of the others might be.
    pub fn has_wrong(&self, pointers: &[&str]) -> bool {
        let is_under = |error: &FieldError| pointers.iter().any(|pointer| error.pointer.starts_with(pointer));
        self.found > self.errors.len() || self.errors.iter().any(is_under)
    }

    /// Gives `value` where no field was wrong, else 422 with every error that was kept.
    pub fn finish<T>(self, value: T) -> Result<T, Problem> {
        if self.found == 0 { Ok(value) } else { Err(Problem::invalid_of(self.found, self.errors)) }
    }

    fn fields_of<'b, F: Fields<'b>>(&mut self, object: Object<F>) -> F {
        for name in &object.repeated {
            self.wrong(&in_pointer(name), "is given more than once");
        }
        if self.handling == Handling::Strict {
            for name in &object.unknown {
                self.wrong_with(&in_pointer(name), || unknown(name, F::NAMES).into());
            }
        }
        object.fields
    }

    fn read<'b, T: Default, E: Detail>(
        &mut self,
        name: &str,
        field: Field<'b>,
        rule: impl FnOnce(&'b str) -> Result<T, E>,
    ) -> T {
        let result = match field {
            Some(raw) if !is_missing(field) => rule(raw.get()),
            _ => Err("is required".into()),
        };
        result.unwrap_or_else(|detail| {
            self.wrong(name, detail);
            T::default()
        })
    }
}

/// What is wrong with a field, in words for the client.
pub trait Detail: From<&'static str> + Into<Cow<'static, str>> {}

impl Detail for &'static str {}
impl Detail for String {}

/// What a field of a change says: `None` where it is missing, so that all stays as it is, and `Some(None)` where `null` clears
/// it.
pub fn clearable<'b, T>(field: Field<'b>, read: impl FnOnce(Field<'b>) -> T) -> Option<Option<T>> {
    field.map(|_| (!is_missing(field)).then(|| read(field)))
}

/// Whether a field has no value: `null` says the same as leaving it out.
pub fn is_missing(field: Field<'_>) -> bool {
    field.is_none_or(|raw| raw.get() == "null")
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail).kind("urn:till:malformed", "Malformed JSON")
}

fn unknown(name: &str, known: &[&'static str]) -> String {
    match nearest(name, known) {
        Some(meant) => format!("is no field here: did you mean {meant}?"),
        None => format!("is no field here; there are: {}", known.join(", ")),
    }
}

/// A name as a part of a JSON pointer (RFC 6901).
fn in_pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn text(raw: &str) -> Result<String, &'static str> {
    serde_json::from_str(raw).map_err(|_| "must be a text")
}

fn whole(raw: &str) -> Option<i64> {
    let exact = || schemas::exact(raw).ok().filter(rust_decimal::Decimal::is_integer)?.to_i64();
    raw.parse().ok().or_else(exact)
}

fn elements(raw: &str) -> Result<Vec<&RawValue>, &'static str> {
    serde_json::from_str(raw).map_err(|_| "must be a list")
}

#[cfg(test)]
mod tests {
    use super::super::object::fields;
    use super::*;

    fields! {
        #[derive(Debug)]
        struct Sample { tips_amount: i64, items: Vec<Line> }
    }

    fields! {
        #[derive(Debug)]
        struct Line { price: i64 }
    }

    fn errors(handling: Handling, body: &str) -> Vec<(String, String)> {
        let mut form = Form::new(handling);
        let body: Sample<'_> = form.body(body.as_bytes()).unwrap();
        let _: Vec<Line<'_>> = form.list("items", body.items, 2_000);
        form.errors.into_iter().map(|error| (error.pointer, error.detail.into_owned())).collect()
    }

    #[test]
    fn unknown_fields_are_told_by_pointer_with_the_nearest_name() {
        let body = r#"{"tips": 1, "a/b~c": 2, "items": [{"price": 1}, {"pric": 2}, [3]]}"#;
        let expected = [
            ("/tips", "is no field here: did you mean tips_amount?"),
            ("/a~1b~0c", "is no field here; there are: tips_amount, items"),
            ("/items/1/pric", "is no field here: did you mean price?"),
            ("/items/2", NO_OBJECT),
        ];
        assert_eq!(
            errors(Handling::Strict, body),
            expected.map(|(at, what)| (at.to_owned(), what.to_owned()))
        );
        assert_eq!(errors(Handling::Lenient, body).len(), 1);
        let repeated = errors(Handling::Lenient, r#"{"items": [{}], "tips_amount": null, "tips_amount": 1}"#);
        assert_eq!(repeated, [("/tips_amount".to_owned(), "is given more than once".to_owned())]);
    }

    #[test]
    fn errors_are_counted_past_their_limit_and_not_kept() {
        let body = format!("{{\"items\": [{}]}}", vec!["{\"x\": 1}"; 1_500].join(","));
        let mut form = Form::new(Handling::Strict);
        let fields: Sample<'_> = form.body(body.as_bytes()).unwrap();
        let _: Vec<Line<'_>> = form.list("items", fields.items, 2_000);
        form.wrong_with("y", || panic!("what is not kept is not worked out"));
        assert_eq!((form.errors.len(), form.found), (MAX_ERRORS, 1_501));
        assert!(form.has_wrong(&["/elsewhere"]));
    }

    #[test]
    fn what_is_no_json_is_told_by_place_without_a_parsers_words() {
        let refused = |body: &[u8]| {
            serde_json::to_value(Form::default().body::<Sample<'_>>(body).unwrap_err()).unwrap()
        };
        assert_eq!(refused(b"{\n  \"items\": x}")["detail"], "the body is not JSON: see line 2, column 12");
        assert_eq!(refused(b" \n")["detail"], "the body is empty: send a JSON object");
        assert_eq!(refused(b"[1, 2]")["errors"][0]["detail"], NO_OBJECT);
        assert!(Form::default().body::<Sample<'_>>(b"\xEF\xBB\xBF{}").is_ok());
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        let read = |raw: &str| whole(raw);
        assert_eq!([read("2"), read("2.0"), read("2e0"), read("20e-1")], [Some(2); 4]);
        assert_eq!([read("2.5"), read("true"), read("\"2\""), read("1e30"), read("{}")], [None; 5]);
    }
}
