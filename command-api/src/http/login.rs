//! Tries of passwords, by whatever route they come: counted by the [`super::login_guard`] before their slow hash.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use domain::Command;
use domain::account::{AccountState, LockLogin, REALM};
use runtime::Problem;

use super::accounts::find;
use super::client_address::ClientAddress;
use super::{ApiError, App};
use crate::shard::Origin;

/// How long a try waits whose name was tried too often.
const SLOWED_BY: Duration = Duration::from_secs(1);

/// The account, if the password is its own; 429 where the name was tried too often from the address.
pub async fn authenticate(
    app: &App,
    username: &str,
    address: ClientAddress,
    password: String,
    origin: Origin,
) -> Result<Option<AccountState>, ApiError> {
    app.shards.served_here(REALM).await?;
    let account = find(app, username);
    match try_password(app, username, address, password, account.as_ref()).await? {
        Tried::Right => Ok(account),
        Tried::Wrong { is_last } => {
            if is_last && account.is_some() {
                lock(app, username, origin).await?;
            }
            Ok(None)
        }
    }
}

/// What came of a password's try.
pub enum Tried {
    Right,
    /// `is_last`: tries of the name are slowed down from here on.
    Wrong {
        is_last: bool,
    },
}

/// Whether the password is the account's: counted before it is looked at, given back where it was right.
pub async fn try_password(
    app: &App,
    username: &str,
    ClientAddress(address): ClientAddress,
    password: String,
    account: Option<&AccountState>,
) -> Result<Tried, ApiError> {
    let attempt = app.login_guard.reserve(username, address).await.map_err(locked)?;
    if attempt.is_slowed() || account.is_some_and(is_locked) {
        tokio::time::sleep(SLOWED_BY).await;
    }
    let hash = account.map(|account| account.password_hash.clone());
    match app.passwords.verify(password, hash).await {
        Ok(true) => {
            attempt.right();
            Ok(Tried::Right)
        }
        Ok(false) => Ok(Tried::Wrong { is_last: attempt.wrong() }),
        Err(busy) => {
            attempt.not_looked_at();
            Err(busy.into())
        }
    }
}

async fn lock(app: &App, username: &str, origin: Origin) -> Result<(), ApiError> {
    let until = Utc::now() + TimeDelta::seconds(app.own.login_lock_s);
    let command = LockLogin { realm: REALM.to_owned(), username: username.to_owned(), until };
    app.shards.submit(Command::LockLogin(command), origin).await?;
    Ok(())
}

fn is_locked(account: &AccountState) -> bool {
    account.lock.is_some_and(|lock| lock.until > Utc::now())
}

fn locked(wait_s: u32) -> Problem {
    Problem::too_many(format!("too many wrong passwords: try again in {wait_s} s"), wait_s)
}
