//! The words of contract 002.

use super::words::{Template, Words};

/// Django REST framework's English, and Till's own words in English.
pub static ENGLISH: Words = Words {
    language: "en-us",
    required: "This field is required.",
    null: "This field may not be null.",
    blank: "This field may not be blank.",
    not_a_text: "Not a valid string.",
    nul: "Null characters are not allowed.",
    format_characters: "Invisible format characters are not allowed.",
    dots: "This field may not be \".\" or \"..\".",
    too_many_characters: Template::new("Ensure this field has no more than {} characters."),
    not_a_number: "A valid number is required.",
    not_an_integer: "A valid integer is required.",
    too_long: "String value too large.",
    too_small: Template::new("Ensure this value is greater than or equal to {}."),
    too_great: Template::new("Ensure this value is less than or equal to {}."),
    too_many_digits: Template::new("Ensure that there are no more than {} digits in total."),
    too_many_decimals: Template::new("Ensure that there are no more than {} decimal places."),
    too_many_whole_digits: Template::new(
        "Ensure that there are no more than {} digits before the decimal point.",
    ),
    not_a_datetime: "Datetime has wrong format. Use one of these formats instead: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
    too_many_elements: Template::new("Ensure this field has no more than {} elements."),
    not_a_list: Template::new("Expected a list of items but got type \"{}\"."),
    not_an_object: Template::new("Invalid data. Expected a dictionary, but got {}."),
    no_credentials: "Authentication credentials were not provided.",
    not_found: "Not found.",
    method_not_allowed: Template::new("Method \"{}\" not allowed."),
};
