//! The rules of texts that people read in the catalogue and on orders. A text that breaks a rule is answered with a sentence
//! that says what would be right.

use domain::names::{JOINERS, has_format_characters, not_blank};

/// Characters of a title, or of a section of a menu, at most.
const MAX_TITLE_CHARS: usize = 255;
/// Characters of a description, or of where a shop is, at most.
const MAX_DESCRIPTION_CHARS: usize = 2_000;
/// Characters of a postal address, at most.
const MAX_ADDRESS_CHARS: usize = 500;
/// Characters of a note, at most.
const MAX_NOTE_CHARS: usize = 200;

/// What a field's text must be like.
pub type Rule = fn(&str) -> Result<String, &'static str>;

/// A title: more than white space, on one line.
pub fn title(text: &str) -> Result<String, &'static str> {
    not_blank(text, section)
}

/// A section of a menu or a shop, on one line; it may be empty.
pub fn section(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_control) || has_format_characters(text, &JOINERS) {
        return Err("must not contain control characters or invisible ones");
    }
    at_most(text, MAX_TITLE_CHARS, "must have at most 255 characters")
}

/// A longer text, which may have several lines and may be empty.
pub fn description(text: &str) -> Result<String, &'static str> {
    if text.contains('\0') {
        return Err("must not contain the character U+0000");
    }
    at_most(text, MAX_DESCRIPTION_CHARS, "must have at most 2000 characters")
}

/// A note of a few words.
pub fn note(text: &str) -> Result<String, &'static str> {
    if text.contains('\0') {
        return Err("must not contain the character U+0000");
    }
    not_blank(text, |text| at_most(text, MAX_NOTE_CHARS, "must have at most 200 characters"))
}

/// A postal address, which may have several lines.
pub fn address(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() || text.contains('\0') {
        return Err("must not be empty, nor contain the character U+0000");
    }
    at_most(text, MAX_ADDRESS_CHARS, "must have at most 500 characters")
}

/// A text of so many characters at most; `detail` says what is wrong with a longer one.
pub fn at_most(text: &str, most: usize, detail: &'static str) -> Result<String, &'static str> {
    if text.chars().count() > most { Err(detail) } else { Ok(text.to_owned()) }
}
