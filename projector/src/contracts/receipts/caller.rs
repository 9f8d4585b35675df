//! The caller: the account of a login token as it is now; and `GET /auth/user/`, which shows it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contracts::answers::{Refused, json};
use contracts::receipts::token::{digest, presented};
use contracts::receipts::words::{BAD_TOKEN, NO_ACCESS};
use contracts::receipts::{DIALECT, REALM};
use runtime::Problem;
use runtime::auth::Role;
use serde::Serialize;

use super::contract::Contract;
use crate::projections::ACCOUNTS;
use crate::read::{Snapshot, failed};

/// The caller whose turns it takes to look up a token that is of no account in what is folded.
const STRANGERS: &str = "bearers of unknown tokens of the receipts contract";

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
    /// The account of `Authorization: Token <token>` as it is now; 401 if there is none.
    ///
    /// Each look-up takes a turn of a caller, and anyone may send tokens. So the token is first looked up in what is folded, which may be
    /// old. That only decides whose turn the look-up that counts takes: with unknown tokens nobody takes the turns of an account.
    pub async fn of(contract: &Contract, headers: &HeaderMap) -> Result<Self, Refused> {
        let token = presented(headers).map_err(|text| DIALECT.unauthorized(text))?;
        let folded = contract.eventual_snapshot(&[ACCOUNTS], STRANGERS).await?;
        let turn =
            Self::find(contract, folded, token).await?.map_or_else(|| STRANGERS.to_owned(), |of| of.turn());
        let newest = contract.snapshot(&[ACCOUNTS], &turn).await?;
        Ok(Self::find(contract, newest, token).await?.ok_or_else(|| DIALECT.unauthorized(BAD_TOKEN))?)
    }

    async fn find(contract: &Contract, mut snapshot: Snapshot, token: &str) -> Result<Option<Self>, Problem> {
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
        Ok(found.filter(is_of))
    }

    /// The caller whose turns its reads take. Accounts of other realms may have the same name, so it names the realm.
    pub fn turn(&self) -> String {
        format!("{REALM}/{}", self.username)
    }

    /// As [`Self::of`], but 401 if it is no analyst. An admin is not one without that role.
    pub async fn analyst(contract: &Contract, headers: &HeaderMap) -> Result<Self, Refused> {
        let caller = Self::of(contract, headers).await?;
        if caller.roles.iter().any(|role| role == Role::Analyst.name()) {
            return Ok(caller);
        }
        Err(DIALECT.unauthorized(NO_ACCESS).into())
    }
}

/// `GET /auth/user/`: the caller's own account.
pub async fn user(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    let Caller { number, username, .. } = Caller::of(&contract, &headers).await?;
    let user = User { pk: number, username, email: "", first_name: "", last_name: "" };
    Ok(json(StatusCode::OK, &user))
}
