//! The variable part of a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use runtime::Problem;

/// The one variable segment of the path, decoded.
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        let refused = |_| Problem::new(StatusCode::BAD_REQUEST, "the path must be UTF-8, percent-encoded");
        segment.map(|Path(text)| Self(text)).map_err(refused)
    }
}
