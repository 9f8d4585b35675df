//! Ids and names that clients choose: what a new one may be like. Each rule says what would be right.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Characters of an id or name, at most.
pub const MAX_CHARS: usize = 150;
/// Joiners that some scripts and emoji are written with, although they are format characters.
pub const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];

/// What any id or name is like that was ever taken: 1 to 150 characters, none of them U+0000 (Postgres cannot store it). For
/// look-ups: the rules of new ones came later.
///
/// # Errors
/// The rule.
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

/// A new id: as [`known`], without format characters, which make two ids that differ look alike, and neither `.` nor `..`, which
/// a URL's path cannot have as a segment.
///
/// # Errors
/// The rule.
pub fn identifier(text: &str) -> Result<String, &'static str> {
    if has_format_characters(text, &[]) {
        return Err("must not contain invisible format characters");
    }
    if is_dots(text) {
        return Err("must not be . or .., which no URL leads to");
    }
    known(text)
}

/// A new name that people read: as [`known`], without format characters but for joiners.
///
/// # Errors
/// The rule.
pub fn label(text: &str) -> Result<String, &'static str> {
    if has_format_characters(text, &JOINERS) {
        return Err("must not contain invisible format characters");
    }
    known(text)
}

/// A new account's name: as [`identifier`], without white space, control characters and `/`.
///
/// # Errors
/// The rule.
pub fn username(text: &str) -> Result<String, &'static str> {
    if text.chars().any(|character| character.is_control() || character.is_whitespace() || character == '/') {
        return Err("must not contain spaces, control characters or '/'");
    }
    identifier(text)
}

/// As `rule`, and more than spaces.
///
/// # Errors
/// The rule.
pub fn not_blank(
    text: &str,
    rule: impl FnOnce(&str) -> Result<String, &'static str>,
) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("must not be empty") } else { rule(text) }
}

/// Whether it is `.` or `..`.
#[must_use]
pub fn is_dots(text: &str) -> bool {
    matches!(text, "." | "..")
}

/// Whether it has characters of Unicode's category Cf, but for those of `but`: zero-width characters, marks that turn the
/// direction of text, and others that nobody sees.
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
