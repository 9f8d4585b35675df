//! The rules of ids and names that clients choose. A text that breaks a rule is answered with a sentence that says what
//! would be right.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The most characters an id or name may have. They are counted as Unicode scalar values, not bytes.
pub const MAX_CHARS: usize = 150;
/// The joiners that some scripts and emoji need. They are format characters too, so names allow them by exception.
pub const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];

/// Checks an id or name that may have been taken long ago: it has 1 to 150 characters, and none of them is U+0000,
/// which Postgres cannot store. Look-ups use this rule, because the stricter ones for new ids came later.
///
/// # Errors
/// The rule that the text breaks, in words for the client.
pub fn known(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.len() > MAX_CHARS && text.chars().count() > MAX_CHARS {
        return Err("must have at most 150 characters");
    }
    if text.contains('\0') {
        return Err("must not contain the character U+0000");
    }
    Ok(text.to_owned())
}

/// Checks a new id: it follows the rule of [`known`], has no format characters, which make two different ids look
/// alike, and is neither `.` nor `..`, which a URL's path cannot have as a segment.
///
/// # Errors
/// The rule that the text breaks, in words for the client.
pub fn identifier(text: &str) -> Result<String, &'static str> {
    if has_format_characters(text, &[]) {
        return Err("must not contain invisible format characters");
    }
    if is_dots(text) {
        return Err("must not be . or .., which no URL leads to");
    }
    known(text)
}

/// Checks a new name that people read: it follows the rule of [`known`], and has no format characters other than
/// [`JOINERS`].
///
/// # Errors
/// The rule that the text breaks, in words for the client.
pub fn label(text: &str) -> Result<String, &'static str> {
    if has_format_characters(text, &JOINERS) {
        return Err("must not contain invisible format characters");
    }
    known(text)
}

/// Checks a new account's name: it follows the rule of [`identifier`], and has no white space, no control characters
/// and no `/`.
///
/// # Errors
/// The rule that the text breaks, in words for the client.
pub fn username(text: &str) -> Result<String, &'static str> {
    if text.chars().any(|character| character.is_control() || character.is_whitespace() || character == '/') {
        return Err("must not contain spaces, control characters or '/'");
    }
    identifier(text)
}

/// Checks that a text is more than white space, and then what `rule` checks.
///
/// # Errors
/// The rule that the text breaks, in words for the client.
pub fn not_blank(
    text: &str,
    rule: impl FnOnce(&str) -> Result<String, &'static str>,
) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("must not be empty") } else { rule(text) }
}

/// Whether the text is `.` or `..`, which a URL's path cannot have as a segment.
#[must_use]
pub fn is_dots(text: &str) -> bool {
    matches!(text, "." | "..")
}

/// Whether a text has characters of Unicode's category Cf other than those of `but`: zero-width characters, marks that
/// turn the direction of text, and others that nobody sees.
#[must_use]
pub fn has_format_characters(text: &str, but: &[char]) -> bool {
    let is_format = |character: char| {
        character.general_category() == GeneralCategory::Format && !but.contains(&character)
    };
    !text.is_ascii() && text.chars().any(is_format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_refused_in_new_ids_and_found_in_old_ones() {
        for character in
            ['\u{200B}', '\u{200D}', '\u{200E}', '\u{202E}', '\u{2066}', '\u{FEFF}', '\u{AD}', '\u{E0041}']
        {
            let text = format!("cafe{character}-1");
            assert!(identifier(&text).is_err() && username(&text).is_err(), "{character:?}");
            assert!(known(&text).is_ok(), "{character:?}");
        }
        for text in ["cafe-1", "Магазин №1", "é", "咖啡", "🧾"] {
            assert!(identifier(text).is_ok() && label(text).is_ok(), "{text}");
        }
        assert!(label("می\u{200C}خواهم").is_ok() && label("👩\u{200D}🍳").is_ok());
        assert!(label("left\u{202E}right").is_err());
    }

    #[test]
    fn dots_that_a_path_cannot_have_are_no_ids() {
        for dots in [".", ".."] {
            assert!(identifier(dots).is_err() && username(dots).is_err() && known(dots).is_ok(), "{dots}");
        }
        assert!(identifier("...").is_ok() && username(".ann").is_ok());
        assert!(username("a/b").is_err() && username("a b").is_err() && username("").is_err());
        assert!(not_blank("  ", label).is_err() && not_blank(" x ", label).is_ok());
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(identifier(&"é".repeat(150)).is_ok() && identifier(&"é".repeat(151)).is_err());
        assert!(known("").is_err() && known("a\0").is_err());
    }
}
