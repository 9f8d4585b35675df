//! The consumer's `/auth/`: registration, login, logout, another password. Its users are `/v1`'s accounts.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use contracts::answers::{Refused, json};
use contracts::django::detail;
use contracts::receipts::token::{digest, presented};
use contracts::receipts::words::{
    BAD_TOKEN, BAD_USERNAME, DUPLICATE_USERNAME, LOGGED_OUT, LOGIN_REFUSED, PASSWORD_CHANGED,
    PASSWORDS_DIFFER, short_password,
};
use contracts::receipts::{DIALECT, REALM};
use domain::account::token::{self, IssueLoginToken, RevokeLoginToken};
use domain::account::{self, AccountState, ChangePassword};
use runtime::auth::Role;
use serde::Serialize;

use super::check::MAX_CHARS;
use super::contract::Contract;
use crate::contracts::django::{Fields, NON_FIELD};
use crate::http::ApiError;
use crate::http::accounts::open;
use crate::http::client_address::ClientAddress;
use crate::http::login::authenticate;
use crate::shard::{Origin, Refusal};

/// The document registers with "secret".
const MIN_PASSWORD_CHARS: usize = 6;
const MAX_PASSWORD_CHARS: usize = 200;
/// A token revoked while it was made is made anew, so often.
const ATTEMPTS: usize = 3;

#[derive(Serialize)]
struct Key {
    key: String,
}

/// Opens an account with the role `customer`: 204 without a body. An e-mail address is not kept.
pub async fn register(
    State(contract): State<Contract>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let app = &contract.app;
    app.shards.served_here(REALM).await?;
    let mut fields = Fields::parse(&DIALECT, &body)?;
    let username = fields.text("username", MAX_CHARS);
    let is_allowed = |character: char| character.is_alphanumeric() || "_@.+-".contains(character);
    if !username.chars().all(is_allowed) || domain::names::is_dots(&username) {
        fields.wrong("username", BAD_USERNAME);
    }
    let password = new_password(&mut fields, "password1", "password2");
    // A known name alone is refused after the hash, as an unknown one is opened: the time does not tell.
    let is_known = || account::load(&app.store.as_ref(), REALM, &username).is_some();
    if fields.are_wrong() && !username.is_empty() && is_known() {
        fields.wrong("username", DUPLICATE_USERNAME);
    }
    let (username, password) = fields.finish((username, password))?;
    let roles = vec![Role::Customer.name().to_owned()];
    match open(app, &username, password, roles, None, Origin::of(&headers)).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        // Somebody was faster.
        Err(ApiError::Problem(problem)) if problem.status() == StatusCode::CONFLICT => {
            let mut fields = Fields::none(&DIALECT);
            fields.wrong("username", DUPLICATE_USERNAME);
            Err(fields.refuse())
        }
        Err(error) => Err(error.into()),
    }
}

/// The account's token: the same one until it is revoked.
pub async fn login(
    State(contract): State<Contract>,
    address: ClientAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let mut fields = Fields::parse(&DIALECT, &body)?;
    let username = fields.text("username", MAX_CHARS);
    let password = fields.password("password", MAX_PASSWORD_CHARS);
    let (username, password) = fields.finish((username, password))?;
    let account = authenticate(&contract.app, &username, address, password, Origin::of(&headers)).await?;
    if account.is_none() {
        let mut fields = Fields::none(&DIALECT);
        fields.wrong(NON_FIELD, LOGIN_REFUSED);
        return Err(fields.refuse());
    }
    let key = issue(&contract, &username, &headers).await?;
    Ok(json(StatusCode::OK, &Key { key }))
}

/// Ends the caller's token; who sends none has nothing to end.
pub async fn logout(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    if presented(&headers) != Err(DIALECT.words.no_credentials) {
        let (username, account) = caller(&contract, &headers).await?;
        let command =
            RevokeLoginToken { realm: REALM.to_owned(), username, generation: account.token_generation };
        contract.app.shards.submit(command, Origin::of(&headers)).await?;
    }
    Ok(detail(StatusCode::OK, LOGGED_OUT))
}

/// Gives the caller another password; its token stays.
pub async fn change_password(
    State(contract): State<Contract>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let (username, _) = caller(&contract, &headers).await?;
    let mut fields = Fields::parse(&DIALECT, &body)?;
    let password = new_password(&mut fields, "new_password1", "new_password2");
    let password = fields.finish(password)?;
    let password_hash = contract.app.passwords.hash(password).await?;
    let command = ChangePassword { realm: REALM.to_owned(), username, password_hash };
    contract.app.shards.submit(command, Origin::of(&headers)).await?;
    Ok(detail(StatusCode::OK, PASSWORD_CHANGED))
}

/// A password that was typed twice.
fn new_password(fields: &mut Fields, name: &str, again: &str) -> String {
    let password = fields.password(name, MAX_PASSWORD_CHARS);
    let repeated = fields.password(again, MAX_PASSWORD_CHARS);
    if !password.is_empty() && password.chars().count() < MIN_PASSWORD_CHARS {
        fields.wrong(name, short_password(MIN_PASSWORD_CHARS));
    }
    // Only where each field by itself is right.
    if !fields.are_wrong() && password != repeated {
        fields.wrong(NON_FIELD, PASSWORDS_DIFFER);
    }
    password
}

async fn issue(contract: &Contract, username: &str, headers: &HeaderMap) -> Result<String, Refused> {
    let mut outcome = Err(Refusal::Rejected(account::Rejection::LoginTokenOutdated.into()));
    for _ in 0..ATTEMPTS {
        let account = account::load(&contract.app.store.as_ref(), REALM, username);
        let generation = account.map_or(0, |account| account.token_generation);
        let key = contract.tokens.make(REALM, username, generation);
        let command = IssueLoginToken {
            realm: REALM.to_owned(),
            username: username.to_owned(),
            generation,
            token_hash: digest(&key),
        };
        let submitted = contract.app.shards.submit(command, Origin::of(headers)).await;
        outcome = submitted.map(|_| key);
        if outcome != Err(Refusal::Rejected(account::Rejection::LoginTokenOutdated.into())) {
            break;
        }
    }
    Ok(outcome?)
}

/// The account whose token was sent.
async fn caller(contract: &Contract, headers: &HeaderMap) -> Result<(String, AccountState), Refused> {
    let token = presented(headers).map_err(|text| DIALECT.unauthorized(text))?;
    contract.app.shards.served_here(REALM).await?;
    let found = token::find(&contract.app.store.as_ref(), REALM, &digest(token));
    let is_of = |(username, account): &(String, AccountState)| {
        contract.tokens.is_of(token, REALM, username, account.token_generation)
    };
    Ok(found.filter(is_of).ok_or_else(|| DIALECT.unauthorized(BAD_TOKEN))?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_users_are_v1s_accounts() {
        assert_eq!(contracts::receipts::REALM, domain::account::REALM);
    }
}
