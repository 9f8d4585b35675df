//! The caller: the account of a login token as it is now; and `GET /auth/user/`, which shows it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contracts::answers::{Refused, json};
use contracts::receipts::token::{digest, presented};
use contracts::receipts::words::{BAD_TOKEN, NO_ACCESS};
use contracts::receipts::{DIALECT, REALM};
use runtime::Problem;
use runtime::auth::{Role, account_name};
use schemas::{Bytes, Clear, Personal, Sealed};
use serde::Serialize;
use uuid::Uuid;

use super::contract::Contract;
use crate::projections::{ACCOUNTS, CUSTOMERS, KEYS};
use crate::read::{Snapshot, Unopened, failed, opened, with_another_look};

/// The caller whose turns it takes to look up a token that is of no account in what is folded.
const STRANGERS: &str = "bearers of unknown tokens of the receipts contract";

/// An account whose token was sent.
pub struct Caller {
    number: i64,
    subject: Option<Uuid>,
    sealed: Option<Vec<u8>>,
    /// The name of an account that is not sealed yet.
    username: Option<String>,
    roles: Vec<String>,
    generation: i64,
}

/// An account as `GET /auth/user/` shows it. Till keeps no name but the one that it logs in with.
#[derive(Serialize)]
struct User {
    pk: i64,
    username: String,
    /// Empty where none was sent.
    email: String,
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
        let folded = contract.eventual_snapshot(&[ACCOUNTS, CUSTOMERS], STRANGERS).await?;
        let turn = Self::find(folded, token).await?.map_or_else(|| STRANGERS.to_owned(), |of| of.turn());
        let newest = contract.snapshot(&[ACCOUNTS, CUSTOMERS], &turn).await?;
        let caller = Self::find(newest, token).await?;
        let caller = caller.ok_or_else(|| DIALECT.unauthorized(BAD_TOKEN))?;
        if caller.is_bearer(contract, token).await? {
            Ok(caller)
        } else {
            Err(DIALECT.unauthorized(BAD_TOKEN).into())
        }
    }

    /// The account that has the token's digest, unless it is disabled, closed or erased.
    async fn find(mut snapshot: Snapshot, token: &str) -> Result<Option<Self>, Problem> {
        sqlx::query_as!(
            Self,
            "SELECT number, a.subject, sealed, username, roles, generation
             FROM accounts AS a LEFT JOIN erased AS e ON e.subject = a.subject
             WHERE realm = $1 AND token_hash = $2 AND NOT disabled AND closed_at IS NULL AND e.subject IS NULL",
            REALM,
            digest(token)
        )
        .fetch_optional(&mut *snapshot)
        .await
        .map_err(failed)
    }

    /// Whether the token was made for the account: of its number or, while accounts were told apart by their names, of its name.
    async fn is_bearer(&self, contract: &Contract, token: &str) -> Result<bool, Refused> {
        if contract.tokens.is_of(token, REALM, self.number, self.generation) {
            return Ok(true);
        }
        let username = self.personal(contract).await?.username;
        let is_of = |name: &Clear| contract.tokens.is_of_name(token, REALM, name.expose(), self.generation);
        Ok(username.as_ref().is_some_and(is_of))
    }

    /// What is personal of the account; 401 if it was erased since it was looked up.
    async fn personal(&self, contract: &Contract) -> Result<Personal, Refused> {
        let Some((subject, sealed)) = self.subject.zip(self.sealed.clone()) else {
            return Ok(Personal {
                username: self.username.as_deref().map(Clear::from),
                ..Personal::default()
            });
        };
        let sealed = Sealed { subject, sealed: Bytes(sealed) };
        let personal = with_another_look(|| self.opened(contract, &sealed)).await?;
        Ok(personal.ok_or_else(|| DIALECT.unauthorized(BAD_TOKEN))?)
    }

    /// What is in the account's box; `None` if it was erased since it was looked up.
    async fn opened(&self, contract: &Contract, sealed: &Sealed) -> Result<Option<Personal>, Unopened> {
        let mut snapshot = contract.snapshot(&[CUSTOMERS, KEYS], &self.turn()).await?;
        let is_erased = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM erased WHERE subject = $1) AS "is_erased!""#,
            sealed.subject
        )
        .fetch_one(&mut *snapshot)
        .await
        .map_err(failed)?;
        let sealed = (!is_erased).then(|| sealed.clone());
        Ok(opened(&contract.vault, &mut snapshot, &[sealed]).await?.pop().flatten())
    }

    /// The caller whose turns its reads take.
    pub fn turn(&self) -> String {
        account_name(REALM, self.number)
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

impl User {
    fn new(number: i64, personal: Personal) -> Self {
        let Personal { username, email, .. } = personal;
        let text = |field: Option<Clear>| field.map(|clear| clear.expose().to_owned()).unwrap_or_default();
        Self { pk: number, username: text(username), email: text(email), first_name: "", last_name: "" }
    }
}

/// `GET /auth/user/`: the caller's own account.
pub async fn user(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    let caller = Caller::of(&contract, &headers).await?;
    let user = User::new(caller.number, caller.personal(&contract).await?);
    Ok(json(StatusCode::OK, &user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_an_email_address_shows_an_empty_one() {
        let personal = Personal { username: Some("ann".into()), ..Personal::default() };
        let shown = serde_json::to_value(User::new(7, personal.clone())).unwrap();
        assert_eq!(
            shown,
            serde_json::json!({"pk": 7, "username": "ann", "email": "", "first_name": "", "last_name": ""})
        );
        let sent = Personal { email: Some("ann@example.com".into()), ..personal };
        assert_eq!(User::new(7, sent).email, "ann@example.com");
    }
}
