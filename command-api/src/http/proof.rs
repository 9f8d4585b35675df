//! The proof that a caller is the person itself: the password of its account, asked for before what cannot be undone.

use axum::http::HeaderMap;
use domain::account::{REALM, Rejection};

use super::client_address::ClientAddress;
use super::credentials::{numbered, rejected};
use super::form::Form;
use super::login::{known_password, try_password};
use super::object::fields;
use super::prefer::Handling;
use super::{ApiError, App};
use crate::shard::Origin;

/// Why somebody is erased.
pub const BY_THE_PERSON: &str = "asked for by the person";
pub const BY_AN_ADMIN: &str = "asked for by an admin";

fields! {
    /// The password of the caller's account. An admin need not send it.
    pub struct Proof {
        #[schema(format = Password, example = "correct horse")]
        password: Option<String>,
    }
}

/// Refuses a caller whose body has not the password of its account: 422, and 429 after too many tries.
pub async fn prove(
    app: &App,
    number: i64,
    address: ClientAddress,
    handling: Handling,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), ApiError> {
    let mut form = Form::new(handling);
    let body: Proof<'_> = form.body(body)?;
    let password = form.text("password", body.password, known_password);
    let password = form.finish(password)?;
    app.shards.served_here(REALM).await?;
    let account = numbered(app, number)?.ok_or_else(|| rejected(Rejection::Closed))?;
    let origin = Origin::of(headers);
    if try_password(app, account.username(), address, password, Some(&account), origin).await? {
        return Ok(());
    }
    let mut form = Form::new(handling);
    form.wrong("password", "is not the account's");
    Ok(form.finish(())?)
}
