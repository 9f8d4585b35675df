//! Answers that contracts have in common: JSON, a handler's refusal, and problems in a contract's shape.

use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::{BoxFuture, ready};
use runtime::Problem;
use serde::{Deserialize, Serialize};

use crate::{ALL, Contract};

/// A problem's JSON has a few hundred bytes; the limit only bounds memory.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// The part of a problem (RFC 9457) that goes into a contract's shape.
#[derive(Deserialize)]
struct Detail {
    detail: String,
}

/// An answer with a body of JSON.
#[must_use]
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("answers have text keys only");
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}

/// An answer that a handler gives in place of the one that was asked for.
pub struct Refused(Box<Response>);

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        problem.into_response().into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Puts a problem (RFC 9457) into a contract's shape, and keeps its status and its other headers; other answers pass.
pub async fn in_shape(contract: &Contract, response: Response) -> Response {
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/problem+json");
    if !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_PROBLEM_BYTES).await.unwrap_or_default();
    let text = serde_json::from_slice::<Detail>(&body).map(|problem| problem.detail).unwrap_or_default();
    let shaped = (contract.error)(parts.status, &text);
    parts.headers.remove(header::CONTENT_LENGTH);
    for (name, value) in shaped.headers() {
        parts.headers.insert(name, value.clone());
    }
    Response::from_parts(parts, shaped.into_body())
}

/// As [`in_shape`], of the contract that the path leads to; an answer of another path passes. It is a service's
/// [`Shape`](runtime::server::Shape).
#[must_use]
pub fn in_shape_of(path: &str, response: Response) -> BoxFuture<'static, Response> {
    match ALL.iter().find(|contract| contract.has(path)) {
        Some(contract) => Box::pin(in_shape(contract, response)),
        None => Box::pin(ready(response)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shaped(path: &str, problem: Problem) -> (Response, String) {
        let response = in_shape_of(path, problem.into_response()).await;
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1000).await.unwrap().to_vec()).unwrap();
        (Response::from_parts(parts, axum::body::Body::empty()), text)
    }

    #[tokio::test]
    async fn a_problem_is_answered_in_the_shape_of_the_contract_that_its_path_leads_to() {
        let (response, text) = shaped("/contracts/receipts/api/ch/", Problem::unavailable("later", 7)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(text, r#"{"detail":"later"}"#);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
        let (response, text) = shaped("/v1/receipts", Problem::unavailable("later", 7)).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(text.contains("\"status\":503"), "{text}");
    }

    #[tokio::test]
    async fn a_401_challenges_with_the_contracts_own_scheme() {
        let problem = || Problem::new(StatusCode::UNAUTHORIZED, "who?");
        let (response, _) = shaped("/contracts/receipts/consumer/auth/user/", problem()).await;
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Token");
        let (response, _) = shaped("/v1/receipts", problem()).await;
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
