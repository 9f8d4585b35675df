//! The words of contract 000.

use super::words::{Template, Words};

/// Django REST framework's Brazilian Portuguese, and Till's own words in it. What stands in English here is not translated there,
/// and the slip in `too_small` is its own: clients may compare texts.
pub static PORTUGUESE: Words = Words {
    language: "pt-br",
    required: "Este campo é obrigatório.",
    null: "Este campo não pode ser nulo.",
    blank: "Este campo não pode ser em branco.",
    not_a_text: "Not a valid string.",
    nul: "Null characters are not allowed.",
    format_characters: "Caracteres de formatação invisíveis não são permitidos.",
    dots: "Este campo não pode ser \".\" nem \"..\".",
    too_many_characters: Template::new("Certifique-se de que este campo não tenha mais de {} caracteres."),
    not_a_number: "Um número válido é necessário.",
    not_an_integer: "Um número inteiro válido é exigido.",
    too_long: "Valor da string é muito grande.",
    too_small: Template::new("Certifque-se de que este valor seja maior ou igual a {}."),
    too_great: Template::new("Certifique-se de que este valor seja inferior ou igual a {}."),
    too_many_digits: Template::new("Certifique-se de que não haja mais de {} dígitos no total."),
    too_many_decimals: Template::new("Certifique-se de que não haja mais de {} casas decimais."),
    too_many_whole_digits: Template::new(
        "Certifique-se de que não haja mais de {} dígitos antes do ponto decimal.",
    ),
    not_a_datetime: "Formato inválido para data e hora. Use um dos formatos a seguir: YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].",
    too_many_elements: Template::new("Ensure this field has no more than {} elements."),
    not_a_list: Template::new("Necessário uma lista de itens, mas recebeu tipo \"{}\"."),
    not_an_object: Template::new("Dado inválido. Necessário um dicionário mas recebeu {}."),
    no_credentials: "As credenciais de autenticação não foram fornecidas.",
    not_found: "Não encontrado.",
    method_not_allowed: Template::new("Método \"{}\" não é permitido."),
};
