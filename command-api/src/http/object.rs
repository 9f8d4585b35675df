//! Reads a JSON object into fields whose names are known. Of a member with another name it keeps the name, so that it can be
//! refused: a misspelt `tips` would otherwise be money that vanishes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A field as it stands in the body; `None` where it is missing.
pub type Field<'b> = Option<&'b RawValue>;

/// Names of unknown members that are kept of an object, at most.
const MAX_UNKNOWN: usize = 100;
/// Characters that are kept of such a name, at most.
const MAX_NAME_CHARS: usize = 100;
/// The least similarity (Jaro-Winkler, 0 to 1) at which an unknown name is taken for a misspelt known one.
const NEAR: f64 = 0.75;

/// The fields that a kind of object has: made by [`fields!`].
pub trait Fields<'b>: Default {
    /// The names of the fields, in their order.
    const NAMES: &'static [&'static str];

    /// The field that a member of this name is read into; a field may go by two names.
    fn field(&mut self, name: &str) -> Option<&mut Field<'b>>;
}

/// A struct of [`Field`]s, each read from the object's member of the same name, or of one behind `|`. A field holds raw JSON,
/// which the handler reads with a [`super::form::Form`]; the type given here is what the schema says of it.
macro_rules! fields {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field:ident $(| $other:literal)? : $type:ty),+ $(,)?
        }
    ) => {
        // The form refuses unknown fields: serde's attribute is for the schema alone.
        #[derive(Default, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$meta])*
        $vis struct $name<'b> {
            $($(#[$field_meta])* #[schema(value_type = $type)] $field: $crate::http::object::Field<'b>),+
        }

        impl<'b> $crate::http::object::Fields<'b> for $name<'b> {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];

            fn field(&mut self, name: &str) -> Option<&mut $crate::http::object::Field<'b>> {
                match name {
                    $(stringify!($field) $(| $other)? => Some(&mut self.$field),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use fields;

/// An object's fields, and the names that it should not have had.
pub struct Object<F> {
    pub fields: F,
    /// Names of members that are no fields.
    pub unknown: Vec<String>,
    /// Names of fields that the object gave more than once.
    pub repeated: Vec<String>,
}

impl<'de, F: Fields<'de>> Deserialize<'de> for Object<F> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// A member's name, which is copied only where it is written with escapes.
#[derive(Deserialize)]
struct Name<'b>(#[serde(borrow)] Cow<'b, str>);

/// Visits an object and nothing else; what serde derives for a struct would take an array too.
struct Members<F>(PhantomData<F>);

impl<'de, F: Fields<'de>> Visitor<'de> for Members<F> {
    type Value = Object<F>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object<F>, A::Error> {
        let mut object = Object { fields: F::default(), unknown: Vec::new(), repeated: Vec::new() };
        while let Some(Name(name)) = members.next_key()? {
            let value: &RawValue = members.next_value()?;
            match object.fields.field(&name) {
                Some(field) if field.is_none() => *field = Some(value),
                Some(_) => note(&mut object.repeated, &name),
                None => note(&mut object.unknown, &name),
            }
        }
        Ok(object)
    }
}

fn note(names: &mut Vec<String>, name: &str) {
    if names.len() < MAX_UNKNOWN {
        names.push(name.chars().take(MAX_NAME_CHARS).collect());
    }
}

/// The known name that an unknown one seems to mean.
pub fn nearest(unknown: &str, known: &[&'static str]) -> Option<&'static str> {
    let nearness = |name: &&'static str| strsim::jaro_winkler(&unknown.to_lowercase(), name);
    let nearest = known.iter().copied().max_by(|a, b| nearness(a).total_cmp(&nearness(b)))?;
    (nearness(&nearest) >= NEAR).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fields! {
        #[derive(Debug)]
        struct Sample { tips_amount: i64, tax_amount | "nds_amount": i64, items: Vec<i64> }
    }

    fn read(text: &str) -> Object<Sample<'_>> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn members_are_known_unknown_or_repeated() {
        let object = read(r#"{"tips_amount":null,"tips":1,"nds_amount":"2","tax_amount":3,"\u0069tems":[]}"#);
        assert_eq!(object.unknown, ["tips"]);
        assert_eq!(object.repeated, ["tax_amount"]);
        assert_eq!(object.fields.tips_amount.map(RawValue::get), Some("null"));
        assert_eq!(object.fields.tax_amount.map(RawValue::get), Some("\"2\""));
        assert_eq!(object.fields.items.map(RawValue::get), Some("[]"));
    }

    #[test]
    fn nothing_but_an_object_is_one() {
        for other in ["[1,2,3]", "[]", "\"x\"", "5", "null", "true"] {
            assert!(
                serde_json::from_str::<Object<Sample<'_>>>(other).is_err_and(|error| error.is_data()),
                "{other}"
            );
        }
    }

    #[test]
    fn what_is_kept_of_unknown_names_is_bounded() {
        let members: Vec<String> = (0..5_000).map(|n| format!("\"{n}{}\":0", "é".repeat(1_000))).collect();
        let text = format!("{{{}}}", members.join(","));
        let object = read(&text);
        assert_eq!(object.unknown.len(), MAX_UNKNOWN);
        assert!(object.unknown.iter().all(|name| name.chars().count() <= MAX_NAME_CHARS));
    }

    #[test]
    fn the_name_that_was_meant_is_found() {
        let known = [
            "transaction_id",
            "timestamp",
            "items",
            "total_amount",
            "tax_amount",
            "tips_amount",
            "place_id",
            "place_name",
        ];
        for (unknown, meant) in [
            ("tips", "tips_amount"),
            ("Tips_Amount", "tips_amount"),
            ("tip_amount", "tips_amount"),
            ("total", "total_amount"),
            ("transactionId", "transaction_id"),
            ("item", "items"),
            ("place", "place_id"),
        ] {
            assert_eq!(nearest(unknown, &known), Some(meant), "{unknown}");
        }
        for unknown in ["currency", "cashier", "x", ""] {
            assert_eq!(nearest(unknown, &known), None, "{unknown}");
        }
    }
}
