//! The variable part of a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use runtime::Problem;
use schemas::Ref;
use uuid::Uuid;

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

/// The aggregate that the path's one variable segment names; 404 where it names none.
pub struct Named(pub Ref);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Segment(text) = Segment::from_request_parts(parts, state).await?;
        let place = schemas::place::parse(&text);
        place.map(Self).ok_or_else(|| {
            Problem::not_found("there is nothing of this id: ids are UUIDs, or such as restaurant-15")
        })
    }
}

/// The number of an account, as the path's one variable segment; 404 where no account can have it.
pub struct Number(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let number = Path::<i64>::from_request_parts(parts, state).await;
        number.map(|Path(number)| Self(number)).map_err(|_| no_account())
    }
}

/// An account and one of its keys, as the path's two variable segments; 404 where there can be no such key.
pub struct AccountKey(pub i64, pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for AccountKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = Path::<(i64, Uuid)>::from_request_parts(parts, state).await;
        found.map(|Path((number, key))| Self(number, key)).map_err(|_| no_account())
    }
}

fn no_account() -> Problem {
    Problem::not_found("there is nothing of this number: accounts are numbered from 1")
}
