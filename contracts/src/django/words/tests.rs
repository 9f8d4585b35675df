//! What the contracts' documents quote.

use super::*;
use crate::django::{ENGLISH, PORTUGUESE, RUSSIAN};

#[test]
fn a_value_that_looks_like_a_gap_stays_as_it_is() {
    assert_eq!(Template::new("got \"{}\"").with("{}"), "got \"{}\"");
}

#[test]
fn the_documents_quote_these_words() {
    assert_eq!(RUSSIAN.required, "Обязательное поле.");
    assert_eq!(RUSSIAN.too_small.with(1), "Убедитесь, что это значение больше либо равно 1.");
    assert_eq!(RUSSIAN.too_many_decimals.with(2), "Убедитесь, что вы ввели не более 2 цифры после запятой.");
    assert_eq!(RUSSIAN.not_a_list.with("dict"), "Ожидался list со значениями, но был получен \"dict\".");
    assert_eq!(PORTUGUESE.required, "Este campo é obrigatório.");
    assert_eq!(PORTUGUESE.not_an_integer, "Um número inteiro válido é exigido.");
    assert_eq!(PORTUGUESE.no_credentials, "As credenciais de autenticação não foram fornecidas.");
    assert_eq!(ENGLISH.required, "This field is required.");
    assert_eq!(ENGLISH.null, "This field may not be null.");
    assert_eq!(ENGLISH.too_many_characters.with(11), "Ensure this field has no more than 11 characters.");
    assert_eq!(ENGLISH.method_not_allowed.with("PATCH"), "Method \"PATCH\" not allowed.");
}
