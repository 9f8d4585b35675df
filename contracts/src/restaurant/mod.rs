//! Contract 004, `restaurant`: clients, a menu and a kitchen's orders, as a service written with FastAPI answered them, in
//! Portuguese.

pub mod fastapi;
pub mod shown;
pub mod words;

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Utc};

use crate::RESTAURANT;

/// The home of everything that comes through it.
pub const HOME: &str = RESTAURANT.services[0].realm;
/// Whose all of it is.
pub const SCOPE: &str = RESTAURANT.services[0].scope;
/// Who has asked for it, as events say.
pub const BY: &str = "contract:restaurant";

/// Every path there is.
pub const PATHS: [&str; 21] = [
    "/clientes/",
    "/clientes/{id}",
    "/clientes/{id}/pedidos/",
    "/produtos/",
    "/produtos/{id}",
    "/lanches/",
    "/acompanhamentos/",
    "/bebidas/",
    "/sobremesas/",
    "/pedidos/",
    "/pedidos/{id}",
    "/pedidos/{id}/status_pagamento/",
    "/pedidos/checkout/",
    "/pedidos/status_pagamento/",
    "/pedidos/recebidos/",
    "/pedidos/empreparacao/",
    "/pedidos/prontos/",
    "/pedidos/finalizados/",
    "/pedidos/fila/",
    "/openapi.json",
    "/",
];

/// The sections of the menu, as events and tables name them. A section's number is one more than its index.
const SECTIONS: [&str; 4] = ["lanches", "acompanhamentos", "bebidas", "sobremesas"];
/// The stages of an order. A stage's number is one more than its index.
const STAGES: [&str; 4] = ["received", "preparing", "ready", "finished"];
/// What the word for any other number begins with: the contract's clients may set any.
const OTHER: &str = "other:";
/// Words for a payment that nothing has become of yet.
const WAITING: [&str; 5] = ["none", "requested", "sending", "sent", "unknown"];

/// Whether a path is answered by a route although it is none of [`PATHS`]: one below `/pedidos/` without a slash at its end reads
/// as an order's id.
#[must_use]
pub fn is_routed(path: &str) -> bool {
    let last = path.strip_prefix("/pedidos/").unwrap_or_default();
    path.is_empty() || path == "/openapi.json/" || (!last.is_empty() && !last.contains('/'))
}

/// The section of a category's number.
#[must_use]
pub fn section(category: i64) -> Option<&'static str> {
    named(&SECTIONS, category)
}

/// The number of a section's category; 0 where it is none of the four.
#[must_use]
pub fn category(section: &str) -> i64 {
    number(&SECTIONS, section).unwrap_or_default()
}

/// The stage of a status's number, as events have it.
#[must_use]
pub fn stage(status: i64) -> String {
    named(&STAGES, status).map_or_else(|| format!("{OTHER}{status}"), str::to_owned)
}

/// The number of an order's stage.
#[must_use]
pub fn stage_number(stage: &str) -> i64 {
    number(&STAGES, stage).or_else(|| other(stage)).unwrap_or_default()
}

/// The payment's status of a number, as events have it.
#[must_use]
pub fn payment_status(number: i64) -> String {
    match number {
        1 => "none".to_owned(),
        2 => "approved".to_owned(),
        3 => "refused".to_owned(),
        _ => format!("{OTHER}{number}"),
    }
}

/// The number of a payment's status: 1 while it is waited for, 2 approved, 3 ended without money.
#[must_use]
pub fn payment_number(status: &str) -> i64 {
    match status {
        "approved" => 2,
        waiting if WAITING.contains(&waiting) => 1,
        ended => other(ended).unwrap_or(3),
    }
}

/// An instant as the contract writes it: `2024-02-07T12:34:56`, in its zone.
#[must_use]
pub fn local_time(instant: DateTime<Utc>) -> String {
    instant.with_timezone(&RESTAURANT.zone).format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// An exact amount, written with digits, as the floating-point number that the contract shows.
#[must_use]
pub fn float(amount: &str) -> f64 {
    amount.parse().unwrap_or_default()
}

/// An error that no route has made, in its shape.
#[must_use]
pub fn error(status: StatusCode, text: &str) -> Response {
    fastapi::detail(status, text)
}

fn named(words: &[&'static str], number: i64) -> Option<&'static str> {
    words.get(usize::try_from(number.checked_sub(1)?).ok()?).copied()
}

fn number(words: &[&str], word: &str) -> Option<i64> {
    (1..).zip(words).find(|(_, known)| **known == word).map(|(number, _)| number)
}

fn other(word: &str) -> Option<i64> {
    word.strip_prefix(OTHER)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, header};
    use axum::routing::{MethodRouter, get};
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn its_home_is_the_one_by_which_v1_names_it() {
        assert_eq!(schemas::place::home_of(SCOPE), Some(HOME));
    }

    #[test]
    fn numbers_and_words_lead_to_each_other() {
        for number in -1..7 {
            assert_eq!(stage_number(&stage(number)), number);
            assert_eq!(payment_number(&payment_status(number)), number);
        }
        assert_eq!(
            [1, 2, 3, 4, 5, 0].map(section).map(|section| section.map_or(0, category)),
            [1, 2, 3, 4, 0, 0]
        );
        let shown = ["none", "sent", "approved", "cancelled", "expired", "refunded"].map(payment_number);
        assert_eq!(shown, [1, 1, 2, 3, 3, 3]);
    }

    #[test]
    fn amounts_and_times_are_shown_as_there() {
        assert_eq!(serde_json::to_string(&[float("25.50"), float("194.00")]).unwrap(), "[25.5,194.0]");
        assert_eq!(local_time("2015-03-25T10:04:58.9Z".parse().unwrap()), "2015-03-25T10:04:58");
    }

    async fn answered(method: &str, path: &str) -> (u16, String, String) {
        let routes: Vec<(_, MethodRouter)> = vec![
            ("/pedidos/", get(async || "list")),
            ("/pedidos/{id}", get(async |fastapi::Id(id): fastapi::Id| id.to_string())),
        ];
        let router = fastapi::complete(&RESTAURANT, Router::new(), &PATHS, is_routed, routes);
        let uri = format!("{}{path}", RESTAURANT.prefix);
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let location = response.headers().get(header::LOCATION).map_or("", |value| value.to_str().unwrap());
        let (status, location) = (response.status().as_u16(), location.to_owned());
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        (status, location, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_no_route_serves_is_answered_as_fastapi_does() {
        let integer = r#"{"detail":[{"loc":["path","id"],"msg":"value is not a valid integer","type":"type_error.integer"}]}"#;
        let (not_found, not_allowed) = (r#"{"detail":"Not Found"}"#, r#"{"detail":"Method Not Allowed"}"#);
        for (method, path, status, location, body) in [
            ("GET", "/pedidos/", 200, "", "list"),
            ("GET", "/pedidos/7", 200, "", "7"),
            ("GET", "/pedidos?a=1", 307, "/contracts/restaurant/pedidos/?a=1", ""),
            ("GET", "/pedidos/7/", 307, "/contracts/restaurant/pedidos/7", ""),
            ("GET", "/clientes/7/pedidos", 307, "/contracts/restaurant/clientes/7/pedidos/", ""),
            ("GET", "/pedidos/fila", 422, "", integer),
            ("GET", "/pedidos/9223372036854775808", 422, "", integer),
            ("POST", "/pedidos/checkout", 405, "", not_allowed),
            ("POST", "/pedidos/", 405, "", not_allowed),
            ("POST", "/lanches/", 405, "", not_allowed),
            ("POST", "/token", 404, "", not_found),
            ("GET", "/nothing/at/all", 404, "", not_found),
        ] {
            let expected = (status, location.to_owned(), body.to_owned());
            assert_eq!(answered(method, path).await, expected, "{method} {path}");
        }
    }
}
