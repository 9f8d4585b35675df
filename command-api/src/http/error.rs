//! The errors of handlers, and when to use which.
//!
//! - [`Problem`] is what a client is answered (RFC 9457): a status, a kind, and what to change. Return it where the answer is
//!   known without a shard: a field is wrong, the caller lacks a role, a body is too large, too much waits already.
//! - [`Refusal`] is what a shard says instead of an answer, and knows no HTTP. Return it where nothing else can go wrong, and
//!   match it only where one of its cases is no error: a batch forwards the receipt whose shard is `Elsewhere`. Its status is
//!   decided in this file alone.
//! - [`ApiError`] is what a handler returns, and any function on the way that meets both: `?` makes it of either. It is more than
//!   a problem because some refusals are no answer yet. It marks the response with [`Elsewhere`] or [`NotTaken`], and
//!   [`super::forward`] then asks the shard's owner or tries again.
//! - [`ApiError::into_problem`] is for answers that nobody can give instead, such as a line of a batch.
//!
//! None of them carries a cause. A cause that only the operator understands is logged where the error is made of it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::{Class, Rejection};
use runtime::Problem;
use schemas::shards::ShardAnnounced;

use crate::shard::Refusal;
use crate::shard::barrier::Behind;

#[derive(Debug)]
pub enum ApiError {
    Problem(Problem),
    /// Another replica serves the shard, so that it can answer: [`super::forward`] asks it.
    Elsewhere(ShardAnnounced),
    /// No replica serves the shard at the moment, so that nothing happened.
    Moving,
}

/// An extension of a response: nobody took the request, so that nothing happened.
#[derive(Clone)]
pub struct NotTaken;

/// An extension of a response: the replica that announced the shard must answer in its place.
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

impl From<Behind> for ApiError {
    fn from(Behind: Behind) -> Self {
        let detail =
            "this replica has not read all that the others have recorded: nothing happened, try again";
        Self::Problem(Problem::unavailable(detail, 1).kind("urn:till:catalogue-behind", "Catalogue behind"))
    }
}

impl ApiError {
    /// The same with what `more` adds to its problem, where it has one.
    pub fn tell(self, more: impl FnOnce(Problem) -> Problem) -> Self {
        match self {
            Self::Problem(problem) => Self::Problem(more(problem)),
            Self::Elsewhere(_) | Self::Moving => self,
        }
    }

    /// The answer where no other replica can be asked: a shard that is elsewhere is then one that moves.
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

/// 503: as much waits already as this replica takes.
pub fn overloaded() -> Problem {
    Problem::unavailable("too many requests are waiting: nothing happened, try again", 1)
        .kind("urn:till:overloaded", "Overloaded")
}

/// 421: another replica serves the shard of a told command.
pub fn misdirected() -> Problem {
    let detail = "the shard of this command is served by another replica: nothing happened";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
}

/// 501: this binary does not know a told command; a newer one does.
pub fn unknown_command() -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "this replica knows no command of this name with these fields")
}

/// The answer to a command that a rule rejects. The rejection's class alone decides the status, so that a new aggregate
/// changes nothing here.
fn rejected(rejection: Rejection) -> Problem {
    let status = match rejection.class() {
        Class::Unknown => StatusCode::NOT_FOUND,
        Class::Conflict => StatusCode::CONFLICT,
        Class::Forbidden => StatusCode::FORBIDDEN,
        Class::Stale => StatusCode::PRECONDITION_FAILED,
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
