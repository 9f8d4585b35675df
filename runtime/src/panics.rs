//! A handler that panics answers: its connection stays open, and nginx does not take the whole replica for failed.

use std::panic::AssertUnwindSafe;

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::FutureExt;

use crate::Problem;

/// A handler's answer.
///
/// # Errors
/// 500 where it panicked. The panic's own words are in the log, where its hook writes them; they may repeat what a client
/// sent, so that the problem has none of them.
pub async fn caught(answer: impl Future<Output = Response>) -> Result<Response, Problem> {
    // What a handler leaves half done behind a panic is dropped with it: services share nothing but locks, which a panic poisons.
    AssertUnwindSafe(answer).catch_unwind().await.map_err(|_| {
        let detail = "the service failed on this request; its log says why. Whether a write happened is unknown: with the same id \
            or Idempotency-Key it counts once";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_as_a_problem_without_its_words() {
        let answer = caught(async { panic!("a client's text") }).await.unwrap_err().into_response();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("a client's text"));
    }
}
