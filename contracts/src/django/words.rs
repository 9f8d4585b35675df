//! What Django REST framework says, as one table a language. A text that it does not translate stands in English in every table.

use std::borrow::Cow;
use std::fmt::Display;

/// What is said of a field or a request; most messages are fixed.
pub type Message = Cow<'static, str>;

/// A message with one gap, written `{}`.
#[derive(Clone, Copy, Debug)]
pub struct Template(&'static str);

impl Template {
    /// A template.
    ///
    /// # Panics
    /// Where the text has not exactly one gap: in a table, which is a constant, that does not compile.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        let (mut gaps, mut at) = (0, 1);
        while at < bytes.len() {
            if bytes[at - 1] == b'{' && bytes[at] == b'}' {
                gaps += 1;
            }
            at += 1;
        }
        assert!(gaps == 1, "a template has one gap");
        Self(text)
    }

    /// The message with a value in the gap.
    #[must_use]
    pub fn with(self, value: impl Display) -> Message {
        self.0.replacen("{}", &value.to_string(), 1).into()
    }
}

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// The language, an IETF tag in lower case.
    pub language: &'static str,
    /// A field is missing.
    pub required: &'static str,
    /// A field is null.
    pub null: &'static str,
    /// A text has no characters but spaces.
    pub blank: &'static str,
    /// A value is not a text.
    pub not_a_text: &'static str,
    /// A text has U+0000.
    pub nul: &'static str,
    /// A text has format characters, which nobody sees. Till's own rule.
    pub format_characters: &'static str,
    /// An id is `.` or `..`, to which no URL leads. Till's own rule.
    pub dots: &'static str,
    /// A text has more characters than the gap says.
    pub too_many_characters: Template,
    /// A value is not a number.
    pub not_a_number: &'static str,
    /// A value is not a whole number.
    pub not_an_integer: &'static str,
    /// A number is written with more characters than anybody means.
    pub too_long: &'static str,
    /// A number is below the gap.
    pub too_small: Template,
    /// A number is above the gap.
    pub too_great: Template,
    /// A number has more digits than the gap says.
    pub too_many_digits: Template,
    /// A number has more digits after the point than the gap says.
    pub too_many_decimals: Template,
    /// A number has more digits before the point than the gap says.
    pub too_many_whole_digits: Template,
    /// A value is not a date and time.
    pub not_a_datetime: &'static str,
    /// A list has more elements than the gap says.
    pub too_many_elements: Template,
    /// A value is not a list but what the gap says, by Python's name of the type.
    pub not_a_list: Template,
    /// A value is not an object but what the gap says, by Python's name of the type.
    pub not_an_object: Template,
    /// A request has no credentials.
    pub no_credentials: &'static str,
    /// Nothing lies under a path.
    pub not_found: &'static str,
    /// A path is not served for the method in the gap.
    pub method_not_allowed: Template,
}

#[cfg(test)]
mod tests;
