//! Contract 003, `receipts`: a producer that takes checks and a consumer that reads figures, as two services written with
//! Django REST framework answered them, in Russian.

pub mod token;
pub mod words;

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};

use crate::RECEIPTS;
use crate::django::{Dialect, RUSSIAN};

/// The realm its accounts are in: `/v1`'s own.
pub const REALM: &str = RECEIPTS.services[0].realm;
/// Who recorded what came through the producer. No username has a `/`.
pub const PRODUCER: &str = "contracts/receipts";
/// Who recorded what came through the consumer's `add_checks`.
pub const CONSUMER: &str = "contracts/receipts/consumer";

/// How it speaks Django REST framework's dialect.
pub static DIALECT: Dialect = Dialect { words: &RUSSIAN, zone: RECEIPTS.zone, challenge: "Token" };

/// An error that no route has made, in its shape.
#[must_use]
pub fn error(status: StatusCode, text: &str) -> Response {
    DIALECT.error(status, text)
}

/// An instant as it writes them: `07.02.2024 12:34:56`, in Moscow.
#[must_use]
pub fn local_time(instant: DateTime<Utc>) -> String {
    instant.with_timezone(&RECEIPTS.zone).format("%d.%m.%Y %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_line_of_the_table_agrees_with_its_folder() {
        assert_eq!(RECEIPTS.language, DIALECT.words.language);
        assert!(
            RECEIPTS.services.iter().all(|service| service.realm == REALM),
            "both sides have one user store"
        );
        assert_eq!(
            [PRODUCER, CONSUMER].map(|by| format!("/{by}")),
            [0, 1].map(|at| RECEIPTS.services[at].prefix)
        );
    }

    #[test]
    fn times_are_moscows() {
        let instant = "2024-02-07T09:34:56.789Z".parse().unwrap();
        assert_eq!(local_time(instant), "07.02.2024 12:34:56");
    }
}
