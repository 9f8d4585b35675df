//! The variable part of a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use runtime::Problem;

/// The one variable segment of the path, decoded; 404 where no id can read like that.
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let segment = Path::<String>::from_request_parts(parts, state).await;
        let refused = |_| Problem::new(StatusCode::BAD_REQUEST, "the path must be UTF-8, percent-encoded");
        let Path(text) = segment.map_err(refused)?;
        match domain::names::known(&text) {
            Ok(text) => Ok(Self(text)),
            Err(_) => Err(Problem::not_found("there is nothing of this id: ids have 1 to 150 characters")),
        }
    }
}
