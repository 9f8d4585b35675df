//! Everything contract 003 says, as its original said it: Django's and Django REST framework's Russian.

use std::borrow::Cow;

/// A message; most are fixed.
pub type Message = Cow<'static, str>;

/// A field is missing.
pub const REQUIRED: &str = "Обязательное поле.";
/// A text without characters, or null.
pub const BLANK: &str = "Это поле не может быть пустым.";
/// Not a text.
pub const NOT_A_TEXT: &str = "Не является строкой.";
/// U+0000 in a text.
pub const NUL: &str = "Символы с нулевым кодом не допускаются.";
/// Characters in a text that nobody sees.
pub const FORMAT_CHARACTERS: &str = "Невидимые символы форматирования не допускаются.";
/// An id that no URL leads to.
pub const DOTS: &str = "Значение не может быть «.» или «..».";
/// Not a number.
pub const NOT_A_NUMBER: &str = "Требуется численное значение.";
/// Not a whole number.
pub const NOT_AN_INTEGER: &str = "Требуется целочисленное значение.";
/// A number with more characters than anybody means.
pub const TOO_LONG: &str = "Слишком длинное значение.";
/// Not a date and time.
pub const NOT_A_MOMENT: &str = "Неправильный формат datetime. Используйте один из этих форматов:  YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].";
/// More than a day after the present.
pub const TOO_FAR_AHEAD: &str = "Убедитесь, что это время не позже текущего более чем на сутки.";
/// The transaction id is another check's.
pub const DUPLICATE_TRANSACTION: &str = "Транзакция с таким transaction_id уже существует.";
/// The name is another account's.
pub const DUPLICATE_USERNAME: &str = "Пользователь с таким именем уже существует.";
/// Characters a name may not have.
pub const BAD_USERNAME: &str =
    "Введите правильное имя пользователя. Оно может содержать только буквы, цифры и знаки @/./+/-/_.";
/// The two passwords differ.
pub const PASSWORDS_DIFFER: &str = "Пароли не совпадают.";
/// Name or password is wrong.
pub const LOGIN_REFUSED: &str = "Невозможно войти в систему с указанными учётными данными.";
/// No token.
pub const NO_CREDENTIALS: &str = "Учетные данные не были предоставлены.";
/// The scheme without a token.
pub const EMPTY_TOKEN: &str = "Недопустимый заголовок токена. Не предоставлены учетные данные.";
/// More than one word after the scheme.
pub const SPACES_IN_TOKEN: &str = "Недопустимый заголовок токена. Токен не должен содержать пробелов.";
/// Bytes that no token has.
pub const UNREADABLE_TOKEN: &str =
    "Недопустимый заголовок токена. Токен не должен содержать недопустимые символы.";
/// Nobody's token.
pub const BAD_TOKEN: &str = "Недопустимый токен.";
/// The account is no analyst.
pub const NO_ACCESS: &str = "Пользователь не имеет доступа";
/// Nothing under the path.
pub const NOT_FOUND: &str = "Не найдено.";
/// The token was given back.
pub const LOGGED_OUT: &str = "Успешно вышли из системы.";
/// The password is another one now.
pub const PASSWORD_CHANGED: &str = "Новый пароль сохранён.";
/// The key was used with another body.
pub const KEY_REUSED: &str = "Этот Idempotency-Key уже использован с другим телом запроса.";
/// The key cannot be read.
pub const BAD_KEY: &str = "Idempotency-Key должен содержать от 1 до 255 символов ASCII.";

/// A text with too many characters.
#[must_use]
pub fn too_many_characters(most: usize) -> Message {
    format!("Убедитесь, что это значение содержит не более {most} символов.").into()
}

/// A number below its bound.
#[must_use]
pub fn too_small(least: i64) -> Message {
    format!("Убедитесь, что это значение больше либо равно {least}.").into()
}

/// A number above its bound.
#[must_use]
pub fn too_great(most: i64) -> Message {
    format!("Убедитесь, что это значение меньше либо равно {most}.").into()
}

/// A number with too many digits.
#[must_use]
pub fn too_many_digits(most: usize) -> Message {
    format!("Убедитесь, что в числе не больше {most} знаков.").into()
}

/// A number with too many digits after the point.
#[must_use]
pub fn too_many_decimals(most: usize) -> Message {
    format!("Убедитесь, что вы ввели не более {most} цифры после запятой.").into()
}

/// A number with too many digits before the point.
#[must_use]
pub fn too_many_whole_digits(most: usize) -> Message {
    format!("Убедитесь, что в числе не больше {most} знаков в целой части.").into()
}

/// A list with too many elements.
#[must_use]
pub fn too_many_elements(most: usize) -> Message {
    format!("Убедитесь, что в этом поле не больше {most} элементов.").into()
}

/// Something else where a list belongs; types have Python's names.
#[must_use]
pub fn not_a_list(found: &str) -> Message {
    format!("Ожидался list со значениями, но был получен \"{found}\".").into()
}

/// Something else where an object belongs.
#[must_use]
pub fn not_an_object(found: &str) -> Message {
    format!("Недопустимые данные. Ожидался dictionary, но был получен {found}.").into()
}

/// A body that is not JSON; where it cannot be read.
#[must_use]
pub fn malformed(line: usize, column: usize) -> Message {
    format!("JSON parse error - Expecting value: line {line} column {column}").into()
}

/// A method the path is not served for.
#[must_use]
pub fn method_not_allowed(method: &str) -> Message {
    let method: String = method.chars().take(20).collect();
    format!("Метод \"{method}\" не разрешен.").into()
}

/// A password with too few characters.
#[must_use]
pub fn short_password(least: usize) -> Message {
    format!("Введённый пароль слишком короткий. Он должен содержать как минимум {least} символов.").into()
}

/// The producer's journal: a check was recorded.
#[must_use]
pub fn check_recorded(now: &str, transaction_id: &str, at: &str, items: usize) -> String {
    format!(
        "Записана транзакция, время: {now}, id чека: {transaction_id}, время по чеку: {at}, всего наименований товаров: {items}"
    )
}

/// The consumer's journal: a window's figures were worked out.
#[must_use]
pub fn figures_computed(now: &str) -> String {
    format!("Выполнен расчет аналитических данных, время: {now}")
}
