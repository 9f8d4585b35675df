//! A handler that panics answers: its connection stays open, and nginx does not take the whole replica for failed.

use std::any::Any;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::Problem;

/// Turns a panic of any handler of the router into a 500. The panic's own words are in the log, where its hook writes them;
/// they may repeat what a client sent, so that the answer has none of them.
pub fn caught<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.layer(CatchPanicLayer::custom(answer))
}

#[allow(clippy::needless_pass_by_value, reason = "the layer hands the panic's payload over")]
fn answer(_: Box<dyn Any + Send>) -> Response {
    let detail = "the service failed on this request; its log says why. Whether a write happened is unknown: with the same id \
        or Idempotency-Key it counts once";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_handler_is_answered_as_a_problem_without_its_words() {
        let panics = async || -> StatusCode { panic!("a client's text") };
        let router = caught(Router::<()>::new().route("/", get(panics)));
        let answer = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body = axum::body::to_bytes(answer.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("a client's text"));
    }
}
