//! Looks at passwords. Whatever route a try comes by, the [`super::login_guard`] counts it before its slow hash.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::account::{AccountState, LockLogin, REALM};
use runtime::Problem;
use runtime::auth::PASSWORD_CHARS;

use super::client_address::ClientAddress;
use super::credentials::{Known, named};
use super::{ApiError, App};
use crate::shard::Origin;

/// How long a try waits where its name was tried too often.
const SLOWED_BY: Duration = Duration::from_secs(1);

/// The account, where the password is its own; 429 where the name was tried too often from the address.
pub async fn authenticate(
    app: &App,
    username: &str,
    address: ClientAddress,
    password: String,
    origin: Origin,
) -> Result<Option<Known>, ApiError> {
    app.shards.served_here(REALM).await?;
    let account = named(app, username)?;
    let is_right = try_password(app, username, address, password, account.as_ref(), origin).await?;
    Ok(account.filter(|_| is_right))
}

/// Whether the password is the account's. The try counts as wrong before the password is looked at, and no longer does where it
/// was right.
pub async fn try_password(
    app: &App,
    username: &str,
    ClientAddress(address): ClientAddress,
    password: String,
    account: Option<&Known>,
    origin: Origin,
) -> Result<bool, ApiError> {
    let attempt = app.login_guard.reserve(username, address).await.map_err(locked)?;
    if attempt.is_slowed() || account.is_some_and(|account| is_locked(&account.state)) {
        tokio::time::sleep(SLOWED_BY).await;
    }
    let turn = app.passwords.turn().await?;
    let app = app.clone();
    let (number, hash) = (account.map(|account| account.number), account.and_then(Known::password_hash));
    // A client that hangs up ends its request but not this task, so that every password that was looked at is counted.
    let looked_at = tokio::spawn(async move {
        if turn.verify(password, hash).await {
            attempt.right();
            return Ok(true);
        }
        if let (true, Some(number)) = (attempt.wrong(), number) {
            lock(&app, number, origin).await?;
        }
        Ok(false)
    });
    looked_at.await.expect("a look at a password does not panic")
}

async fn lock(app: &App, number: i64, origin: Origin) -> Result<(), ApiError> {
    let until = Utc::now() + TimeDelta::seconds(app.own.login_lock_s);
    let command = LockLogin { realm: REALM.to_owned(), number, until };
    app.shards.submit(command, origin).await?;
    Ok(())
}

fn is_locked(account: &AccountState) -> bool {
    account.lock.is_some_and(|lock| lock.until > Utc::now())
}

fn locked(wait_s: u32) -> Problem {
    Problem::too_many(format!("too many wrong passwords: try again in {wait_s} s"), wait_s)
}

/// A password that a login may try. No account has a longer one, and the longer a text is, the longer its hash takes.
pub fn known_password(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > *PASSWORD_CHARS.end() {
        return Err("must have at most 200 characters");
    }
    Ok(text.to_owned())
}
