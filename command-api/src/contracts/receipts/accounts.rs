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
    PASSWORDS_DIFFER, WRONG_OLD_PASSWORD, short_password,
};
use contracts::receipts::{DIALECT, REALM};
use domain::account::token;
use domain::account::{self, AccountState, IssueLoginToken, RevokeLoginToken};
use runtime::auth::Role;
use schemas::{Clear, Personal};
use serde::Serialize;

use super::check::MAX_CHARS;
use super::contract::Contract;
use crate::contracts::django::{Fields, NON_FIELD};
use crate::http::ApiError;
use crate::http::accounts::{open, personal};
use crate::http::client_address::ClientAddress;
use crate::http::credentials::{Known, named, numbered};
use crate::http::login::{authenticate, try_password};
use crate::http::sessions::set_password;
use crate::shard::{Origin, Refusal};

/// The document registers with "secret".
const MIN_PASSWORD_CHARS: usize = 6;
const MAX_PASSWORD_CHARS: usize = 200;
/// As Django's `EmailField`.
const MAX_EMAIL_CHARS: usize = 254;
/// The roles of the contract's own users.
const OF_USERS: [&str; 2] = [Role::Customer.name(), Role::Analyst.name()];
/// A token revoked while it was made is made anew, so often.
const ATTEMPTS: usize = 3;

#[derive(Serialize)]
struct Key {
    key: String,
}

/// Opens an account with the role `customer`: 204 without a body. An e-mail address that is sent is kept, sealed.
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
    let email = fields.text_if_any("email", MAX_EMAIL_CHARS);
    let password = new_password(&mut fields, "password1", "password2");
    // A known name alone is refused after the hash, as an unknown one is opened: the time does not tell.
    if fields.are_wrong() && !username.is_empty() && named(app, &username)?.is_some() {
        fields.wrong("username", DUPLICATE_USERNAME);
    }
    let (username, email, password) = fields.finish((username, email, password))?;
    let roles = vec![Role::Customer.name().to_owned()];
    let password_hash = app.passwords.hash(password).await?;
    let personal = Personal { email: email.map(Clear::from), ..personal(&username, password_hash) };
    match open(app, &personal, roles, None, Origin::of(&headers)).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT.into_response()),
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
    let Some(account) = account.filter(|account| !account.state.is_disabled) else {
        let mut fields = Fields::none(&DIALECT);
        fields.wrong(NON_FIELD, LOGIN_REFUSED);
        return Err(fields.refuse());
    };
    let key = issue(&contract, &account, &headers).await?;
    Ok(json(StatusCode::OK, &Key { key }))
}

/// Ends the caller's token; who sends none has nothing to end.
pub async fn logout(State(contract): State<Contract>, headers: HeaderMap) -> Result<Response, Refused> {
    if presented(&headers) != Err(DIALECT.words.no_credentials) {
        let Known { number, state, .. } = caller(&contract, &headers).await?;
        let command = RevokeLoginToken { realm: REALM.to_owned(), number, generation: state.generation };
        contract.app.shards.submit(command, Origin::of(&headers)).await?;
    }
    Ok(detail(StatusCode::OK, LOGGED_OUT))
}

/// Gives the caller another password; its token stays. Whose account is more than a customer's or an
/// analyst's sends the former password too: the token alone, which may have been seen, is not enough for it.
pub async fn change_password(
    State(contract): State<Contract>,
    address: ClientAddress,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let app = &contract.app;
    let account = caller(&contract, &headers).await?;
    let mut fields = Fields::parse(&DIALECT, &body)?;
    let needs_old = account.state.roles.iter().any(|role| !OF_USERS.contains(&role.as_str()));
    let old = if needs_old { fields.password("old_password", MAX_PASSWORD_CHARS) } else { String::new() };
    let password = new_password(&mut fields, "new_password1", "new_password2");
    let (old, password) = fields.finish((old, password))?;
    let origin = Origin::of(&headers);
    if needs_old && !try_password(app, account.username(), address, old, Some(&account), origin).await? {
        let mut fields = Fields::none(&DIALECT);
        fields.wrong("old_password", WRONG_OLD_PASSWORD);
        return Err(fields.refuse());
    }
    let password_hash = app.passwords.hash(password).await?;
    // The original keeps the token across a change of the password.
    set_password(app, account, password_hash, false, &headers).await?;
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

async fn issue(contract: &Contract, account: &Known, headers: &HeaderMap) -> Result<String, Refused> {
    let outdated = Refusal::Rejected(account::Rejection::LoginTokenOutdated.into());
    let mut outcome = Err(outdated.clone());
    for _ in 0..ATTEMPTS {
        let state = account::load(&contract.app.store.as_ref(), REALM, account.number);
        let Some(state) = state else { break };
        let key = token_of(contract, account, &state);
        let command = IssueLoginToken {
            realm: REALM.to_owned(),
            number: account.number,
            generation: state.generation,
            token_hash: digest(&key),
        };
        let submitted = contract.app.shards.submit(command, Origin::of(headers)).await;
        outcome = submitted.map(|_| key);
        if outcome.as_ref().err() != Some(&outdated) {
            break;
        }
    }
    Ok(outcome?)
}

/// The account's token: one that was made of its name is handed out as long as the account keeps it.
fn token_of(contract: &Contract, account: &Known, state: &AccountState) -> String {
    let by_name = contract.tokens.make_by_name(REALM, account.username(), state.generation);
    match &state.token_hash {
        Some(kept) if kept.0 == digest(&by_name) => by_name,
        _ => contract.tokens.make(REALM, account.number, state.generation),
    }
}

/// The account whose token was sent.
async fn caller(contract: &Contract, headers: &HeaderMap) -> Result<Known, Refused> {
    let token = presented(headers).map_err(|text| DIALECT.unauthorized(text))?;
    let app = &contract.app;
    app.shards.served_here(REALM).await?;
    let found = token::find(&app.store.as_ref(), REALM, &digest(token));
    let account = match found {
        Some((number, _)) => numbered(app, number)?,
        None => None,
    };
    let is_of = |account: &Known| {
        let (number, generation) = (account.number, account.state.generation);
        contract.tokens.is_of(token, REALM, number, generation)
            || contract.tokens.is_of_name(token, REALM, account.username(), generation)
    };
    Ok(account.filter(is_of).ok_or_else(|| DIALECT.unauthorized(BAD_TOKEN))?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn its_users_are_v1s_accounts() {
        assert_eq!(contracts::receipts::REALM, domain::account::REALM);
    }
}
