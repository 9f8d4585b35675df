//! The problems that clients are told of when a read cannot be answered.

use axum::http::StatusCode;
use runtime::Problem;

use super::turns::NoTurn;
use crate::projections::definition::Projection;
use crate::tables::generation::GenerationError;

/// 400, with what is wrong in words.
pub fn bad_request(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// What a failed query is to the client: 503 if it may go well later, else 500. It is logged here, and nowhere else.
#[must_use]
#[allow(clippy::needless_pass_by_value, reason = "the form `map_err` wants")]
pub fn failed(error: sqlx::Error) -> Problem {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
    if code == "57014" {
        return Problem::unavailable("the read took too long; ask for less", 5);
    }
    let is_away = match &error {
        // SQLSTATE classes: connections, resources, interventions such as a shutdown, and rolled back transactions.
        sqlx::Error::Database(_) => ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class)),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        _ => false,
    };
    tracing::warn!(%error, "a read failed");
    if is_away {
        return Problem::unavailable("Postgres cannot be read at the moment", 1);
    }
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the read failed; the projector's log says why")
}

pub fn unreadable(projection: Projection, error: GenerationError) -> Problem {
    match error {
        GenerationError::Database(error) => failed(error),
        other => Problem::unavailable(format!("{}: {other}", projection.name), 10),
    }
}

pub fn no_turn_to_wait(reason: NoTurn) -> Problem {
    match reason {
        NoTurn::OfCaller(most) => Problem::too_many(
            format!(
                "{most} reads of this caller wait already for what they must have seen; send the next one when one is answered, or read without Till-Position and Till-Consistency"
            ),
            1,
        ),
        NoTurn::OfAll => Problem::unavailable("too many reads wait for a position already", 1),
    }
}

pub fn no_turn_to_read(reason: NoTurn) -> Problem {
    match reason {
        NoTurn::OfCaller(most) => Problem::too_many(
            format!(
                "{most} reads of this caller are under way and take long; send the next one when one is answered"
            ),
            1,
        ),
        NoTurn::OfAll => Problem::unavailable("too many reads are under way and take long", 1),
    }
}

pub fn never() -> Problem {
    Problem::unavailable("the process is stopping", 1)
}
