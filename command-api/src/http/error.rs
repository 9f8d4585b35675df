//! The one error type of this service's handlers: use [`Problem`] for what the request did wrong, and `?`
//! on a [`Refusal`] for what its shard said.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::{Class, Rejection};
use runtime::Problem;
use schemas::shards::ShardAnnounced;

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

/// 421: the shard of a told command is elsewhere.
pub fn misdirected() -> Problem {
    let detail = "the shard of this command is served by another replica: nothing happened";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
}

/// 501: a newer replica knows the command.
pub fn unknown_command() -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "this replica knows no command of this name with these fields")
}

/// A rule's no: its class says the status, so that an aggregate adds nothing here.
fn rejected(rejection: Rejection) -> Problem {
    let status = match rejection.class() {
        Class::Unknown => StatusCode::NOT_FOUND,
        Class::Conflict => StatusCode::CONFLICT,
        Class::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, rejection.to_string()).kind(rejection.code(), rejection.title())
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
