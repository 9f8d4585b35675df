//! Errors that many routes answer with, each described once; and the groups that routes of a kind have in common.

#![allow(dead_code, reason = "they are described here, and made where a problem is")]

use utoipa::{IntoResponses, ToResponse};

use crate::Problem;

/// The body is not JSON, or a parameter or header cannot be read.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "urn:till:malformed", "title": "Malformed JSON", "status": 400,
        "detail": "the body is not JSON: see line 1, column 18"})
)]
pub struct BadRequest(Problem);

/// No token, or one that is wrong or has expired.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    headers(("WWW-Authenticate" = String, description = "`Bearer`.")),
    example = json!({"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "the token has expired: log in again"})
)]
pub struct Unauthorized(Problem);

/// The caller lacks the role, or is a terminal that is bound to other places.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "about:blank", "title": "Forbidden", "status": 403,
        "detail": "this needs one of the roles: admin; an admin assigns roles, and after a change log in again"})
)]
pub struct Forbidden(Problem);

/// The body came too slowly.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "about:blank", "title": "Request Timeout", "status": 408,
        "detail": "the body came too slowly: send at least 16 KiB a second, and never nothing for 10 s"})
)]
pub struct BodyTooSlow(Problem);

/// The body is above its limit.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "urn:till:too-large", "title": "Body too large", "status": 413,
        "detail": "a request's body may have at most 1 MiB here"})
)]
pub struct BodyTooLarge(Problem);

/// Fields are missing or wrong; `errors` names all of them.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "urn:till:invalid", "title": "Invalid request", "status": 422,
        "detail": "1 field(s) are missing or wrong; `errors` names each",
        "errors": [{"pointer": "/total_amount", "detail": "must be the sum of price x quantity, which is 5.00"}]})
)]
pub struct Invalid(Problem);

/// `If-Match` names a revision that the thing is not at any more.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "urn:till:stale", "title": "Changed meanwhile", "status": 412,
        "detail": "it was changed meanwhile: read it again, and send the change again with its present ETag"})
)]
pub struct Stale(Problem);

/// There is no such account.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "urn:till:account-unknown", "title": "No such account", "status": 404,
        "detail": "there is no account with this number"})
)]
pub struct AccountUnknown(Problem);

/// The caller has too many reads already that wait or are under way.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    headers(("Retry-After" = u32, description = "Seconds to wait before the same request is sent again.")),
    example = json!({"type": "about:blank", "title": "Too Many Requests", "status": 429,
        "detail": "200 reads of this caller wait already for what they must have seen; send the next one when one is answered, or read without Till-Position and Till-Consistency"})
)]
pub struct TooManyReads(Problem);

/// A read failed for a reason of its own; the service's log says why.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    example = json!({"type": "about:blank", "title": "Internal Server Error", "status": 500,
        "detail": "the read failed; the projector's log says why"})
)]
pub struct Failed(Problem);

/// Not now: starting, too much waits, a shard is moving, Kafka or Postgres is away, or a read is not far
/// enough in time.
#[derive(ToResponse)]
#[response(
    content_type = "application/problem+json",
    headers(("Retry-After" = u32, description = "Seconds to wait before the same request is sent again.")),
    example = json!({"type": "urn:till:moving", "title": "Shard is moving", "status": 503,
        "detail": "the shard of this request is moving between replicas: nothing happened, try again"})
)]
pub struct Unavailable(Problem);

/// What a request with a body, read as a whole, may be answered.
#[derive(IntoResponses)]
pub enum OfBodies {
    /// 400: the body or a header cannot be read.
    #[response(status = 400)]
    BadRequest(#[ref_response] BadRequest),
    /// 408: the body came too slowly.
    #[response(status = 408)]
    TooSlow(#[ref_response] BodyTooSlow),
    /// 413: the body is above its limit.
    #[response(status = 413)]
    TooLarge(#[ref_response] BodyTooLarge),
    /// 503: the service cannot take it at the moment.
    #[response(status = 503)]
    Unavailable(#[ref_response] Unavailable),
}

/// What a request that needs a role may be answered.
#[derive(IntoResponses)]
pub enum OfCallers {
    /// 401: the token is missing, wrong or expired.
    #[response(status = 401)]
    Unauthorized(#[ref_response] Unauthorized),
    /// 403: the token's account may not do it.
    #[response(status = 403)]
    Forbidden(#[ref_response] Forbidden),
}

/// What any read may be answered, besides [`OfCallers`].
#[derive(IntoResponses)]
pub enum OfReads {
    /// 400: a parameter or header cannot be read.
    #[response(status = 400)]
    BadRequest(#[ref_response] BadRequest),
    /// 429: the caller has too many reads under way.
    #[response(status = 429)]
    TooMany(#[ref_response] TooManyReads),
    /// 500: the read failed; the log says why.
    #[response(status = 500)]
    Failed(#[ref_response] Failed),
    /// 503: the service is not ready, or not far enough in time.
    #[response(status = 503)]
    Unavailable(#[ref_response] Unavailable),
}
