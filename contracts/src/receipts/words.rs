//! What contract 003 says besides the words of its dialect, as its original said it, in Russian.

use crate::django::Message;

/// A check's time lies more than a day after the present. Till's own rule.
pub const TOO_FAR_AHEAD: &str = "Убедитесь, что это время не позже текущего более чем на сутки.";
/// The transaction id is another check's.
pub const DUPLICATE_TRANSACTION: &str = "Транзакция с таким transaction_id уже существует.";
/// The name is another account's.
pub const DUPLICATE_USERNAME: &str = "Пользователь с таким именем уже существует.";
/// A name has characters that no name may have.
pub const BAD_USERNAME: &str =
    "Введите правильное имя пользователя. Оно может содержать только буквы, цифры и знаки @/./+/-/_.";
/// The two passwords differ.
pub const PASSWORDS_DIFFER: &str = "Пароли не совпадают.";
/// Name or password is wrong.
pub const LOGIN_REFUSED: &str = "Невозможно войти в систему с указанными учётными данными.";
/// The header has the scheme without a token.
pub const EMPTY_TOKEN: &str = "Недопустимый заголовок токена. Не предоставлены учетные данные.";
/// The header has more than one word after the scheme.
pub const SPACES_IN_TOKEN: &str = "Недопустимый заголовок токена. Токен не должен содержать пробелов.";
/// The header has bytes that no token has.
pub const UNREADABLE_TOKEN: &str =
    "Недопустимый заголовок токена. Токен не должен содержать недопустимые символы.";
/// The token is nobody's.
pub const BAD_TOKEN: &str = "Недопустимый токен.";
/// The account has not the role `analyst`.
pub const NO_ACCESS: &str = "Пользователь не имеет доступа";
/// The token was given back.
pub const LOGGED_OUT: &str = "Успешно вышли из системы.";
/// The former password is another one.
pub const WRONG_OLD_PASSWORD: &str = "Ваш старый пароль введён неправильно. Пожалуйста, введите его снова.";
/// The password is another one now.
pub const PASSWORD_CHANGED: &str = "Новый пароль сохранён.";
/// The `Idempotency-Key` was used with another body.
pub const KEY_REUSED: &str = "Этот Idempotency-Key уже использован с другим телом запроса.";
/// The `Idempotency-Key` cannot be read.
pub const BAD_KEY: &str = "Idempotency-Key должен содержать от 1 до 255 символов ASCII.";

/// A password has fewer characters than `least`.
#[must_use]
pub fn short_password(least: usize) -> Message {
    format!("Введённый пароль слишком короткий. Он должен содержать как минимум {least} символов.").into()
}

/// The line of the producer's journal for a check that was recorded; times are as the contract writes them.
#[must_use]
pub fn check_recorded(now: &str, transaction_id: &str, at: &str, items: usize) -> String {
    format!(
        "Записана транзакция, время: {now}, id чека: {transaction_id}, время по чеку: {at}, всего наименований товаров: {items}"
    )
}

/// The line of the consumer's journal for a window whose figures were worked out.
#[must_use]
pub fn figures_computed(now: &str) -> String {
    format!("Выполнен расчет аналитических данных, время: {now}")
}
