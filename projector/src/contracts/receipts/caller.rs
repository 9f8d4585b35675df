//! Who calls: the account a login token is of, as it is now, and `GET /auth/user/`.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use runtime::auth::Role;
use runtime::contracts::receipts::REALM;
use runtime::contracts::receipts::answers::{Refused, json, unauthorized};
use runtime::contracts::receipts::messages::{BAD_TOKEN, NO_ACCESS};
use runtime::contracts::receipts::token::{digest, presented};
use serde::Serialize;

use super::Contract;
use crate::projection::Projection;
use crate::reads::failed;

/// Whose turn a look at a token takes: who sends it is not known before.
const TOKEN_BEARERS: &str = "bearers of the receipts contract's tokens";

/// An account whose token was sent.
pub struct Caller {
    number: i64,
    username: String,
    roles: Vec<String>,
    token_generation: i64,
}

/// An account as `GET /auth/user/` shows it. Till keeps no e-mail address and no other name.
#[derive(Serialize)]
struct User {
    pk: i64,
    username: String,
    email: &'static str,
    first_name: &'static str,
    last_name: &'static str,
}

impl Caller {
    /// The account of `Authorization: Token <token>`; 401 where there is none.
    pub async fn of(contract: &Contract, headers: &HeaderMap) -> Result<Self, Refused> {
        let token = presented(headers).map_err(unauthorized)?;
        let mut snapshot = contract.snapshot(&[Projection::Accounts], TOKEN_BEARERS).await?;
        let found = sqlx::query_as!(
            Self,
            "SELECT number, username, roles, token_generation FROM accounts WHERE realm = $1 AND token_hash = $2",
            REALM,
            digest(token)
        )
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(failed)?;
        let is_of =
            |caller: &Self| contract.tokens.is_of(token, REALM, &caller.username, caller.token_generation);
        Ok(found.filter(is_of).ok_or_else(|| unauthorized(BAD_TOKEN))?)
    }

    /// Whose turns its reads take: the realms of accounts have names of their own.
    pub fn turn(&self) -> String {
        format!("{REALM}/{}", self.username)
    }

    /// As [`Self::of`], and an analyst: not even an admin is one by itself.
    pub async fn analyst(contract: &Contract, headers: &HeaderMap) -> Result<Self, Refused> {
        let caller = Self::of(contract, headers).await?;
        if caller.roles.iter().any(|role| role == Role::Analyst.name()) {
            return Ok(caller);
        }
        Err(unauthorized(NO_ACCESS).into())
    }
}

/// `GET /auth/user/`
pub async fn user(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    let Caller { number, username, .. } = Caller::of(&contract, &headers).await?;
    let user = User { pk: number, username, email: "", first_name: "", last_name: "" };
    Ok(json(StatusCode::OK, &user))
}
