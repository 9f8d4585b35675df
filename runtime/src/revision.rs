//! Revisions of aggregates in answers.

use axum::http::{HeaderName, header};

/// The header `ETag` of what is at a revision. A change that sends it back in `If-Match` is made to that revision alone.
#[must_use]
pub fn etag(revision: i32) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{revision}\""))]
}
