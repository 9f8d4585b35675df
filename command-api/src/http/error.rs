//! The one error type of this service's handlers: use [`Problem`] for what the request did wrong, and `?`
//! on a [`Refusal`] for what its shard said.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::Rejection;
use runtime::Problem;
use schemas::ShardAnnounced;

use crate::shard::Refusal;

#[derive(Debug)]
pub enum ApiError {
    Problem(Problem),
    /// Another replica can answer: [`super::forward`] asks it.
    Elsewhere(ShardAnnounced),
    /// Nobody serves the shard: nothing happened.
    Moving,
}

/// Marks a response to a request that nobody took: nothing happened.
#[derive(Clone)]
pub struct NotTaken;

/// Marks a response that the owner of the shard must give.
#[derive(Clone)]
pub struct Elsewhere(pub ShardAnnounced);

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Elsewhere(owner) => Self::Elsewhere(owner),
            Refusal::Rejected(rejection) => Self::Problem(rejected(rejection)),
            Refusal::Overloaded => Self::Problem(overloaded()),
            Refusal::Moving => Self::Moving,
            Refusal::Unknown => Self::Problem(
                Problem::unavailable("the outcome is unknown: send the same request again, with the same id or Idempotency-Key; it counts once", 1)
                    .kind("urn:till:unknown", "Outcome unknown"),
            ),
        }
    }
}

impl ApiError {
    /// The problem alone, where nobody can be asked instead.
    pub fn into_problem(self) -> Problem {
        match self {
            Self::Problem(problem) => problem,
            Self::Elsewhere(_) | Self::Moving => moving(),
        }
    }
}

fn moving() -> Problem {
    let detail = "the shard of this request is moving between replicas: nothing happened, try again";
    Problem::unavailable(detail, 1).kind("urn:till:moving", "Shard is moving")
}

/// 503: more waits than this replica takes.
pub fn overloaded() -> Problem {
    Problem::unavailable("too many requests are waiting: nothing happened, try again", 1)
        .kind("urn:till:overloaded", "Overloaded")
}

fn rejected(rejection: Rejection) -> Problem {
    let (status, kind, title) = match rejection {
        Rejection::ReceiptConflict => {
            (StatusCode::CONFLICT, "urn:till:receipt-conflict", "Another receipt has this id")
        }
        Rejection::VoidConflict => (StatusCode::CONFLICT, "urn:till:void-conflict", "Voided before"),
        Rejection::LastAdmin => (StatusCode::CONFLICT, "urn:till:last-admin", "Last admin"),
        Rejection::UsernameTaken => (StatusCode::CONFLICT, "urn:till:username-taken", "Username taken"),
        Rejection::IdempotencyKeyReused => {
            (StatusCode::UNPROCESSABLE_ENTITY, "urn:till:idempotency-key-reused", "Idempotency-Key reused")
        }
        Rejection::ReceiptUnknown => (StatusCode::NOT_FOUND, "urn:till:receipt-unknown", "No such receipt"),
        Rejection::LoginTokenOutdated => {
            (StatusCode::CONFLICT, "urn:till:login-token-outdated", "Logged out meanwhile")
        }
        Rejection::AccountUnknown => (StatusCode::NOT_FOUND, "urn:till:account-unknown", "No such account"),
    };
    Problem::new(status, rejection.to_string()).kind(kind, title)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Elsewhere(owner) => {
                let mut response = Self::Moving.into_response();
                response.extensions_mut().insert(Elsewhere(owner));
                response
            }
            Self::Moving => {
                let mut response = moving().into_response();
                response.extensions_mut().insert(NotTaken);
                response
            }
        }
    }
}
