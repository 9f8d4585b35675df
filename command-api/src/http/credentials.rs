//! Who an account is: its name and its password's hash, which stand sealed. They are opened for one request, and kept by none.

use domain::account::{self, AccountState, REALM};
use domain::vault::{self, USERNAME};
use runtime::Problem;
use runtime::vault::{PersonKey, VaultError};
use schemas::keys::BlindIndex;
use schemas::{Clear, Personal};

use super::{ApiError, App};
use crate::shard::Refusal;

/// An account that was found by its name or number, with what is personal of it.
pub struct Known {
    pub number: i64,
    pub state: AccountState,
    pub personal: Personal,
    /// The key of its person; `None` of an account that is not sealed yet.
    pub key: Option<PersonKey>,
}

impl Known {
    /// Whether the account was opened by a request with this `Idempotency-Key`.
    pub fn is_by(&self, key: Option<&str>) -> bool {
        let id = key.and_then(|key| Some(self.key.as_ref()?.id_of(key)));
        id.is_some() && id == self.state.idempotency_id
    }

    /// The name that the account logs in with.
    pub fn username(&self) -> &str {
        self.personal.username.as_ref().map_or("", Clear::expose)
    }

    /// The account's own password's hash.
    pub fn password_hash(&self) -> Option<String> {
        self.personal.password_hash.as_ref().map(|hash| hash.expose().to_owned())
    }
}

/// The blind index of a username of `/v1`'s realm.
pub fn username_index(app: &App, username: &str) -> Option<BlindIndex> {
    app.vault.index(REALM, USERNAME, username)
}

/// The account that has the name; `None` where no living account has.
pub fn named(app: &App, username: &str) -> Result<Option<Known>, ApiError> {
    let Some(index) = username_index(app, username) else { return Ok(None) };
    match account::named(&app.store.as_ref(), REALM, username, &index) {
        Some(number) => numbered(app, number),
        None => Ok(None),
    }
}

/// The account with the number, where it may still be read; `None` where it is unknown, closed or erased.
pub fn numbered(app: &App, number: i64) -> Result<Option<Known>, ApiError> {
    let states = app.store.as_ref();
    let Some(state) = account::load(&states, REALM, number).filter(|state| !state.is_closed) else {
        return Ok(None);
    };
    let Some(sealed) = &state.sealed else {
        let unsealed = account::unsealed(&states, REALM, number);
        return Ok(unsealed.map(|(personal, _)| Known { number, state, personal, key: None }));
    };
    if domain::person::is_erased(&states, sealed.subject) {
        return Ok(None);
    }
    let record = vault::key(&states, sealed.subject).ok_or_else(unreadable)?;
    let key = app.vault.open_key(&record).map_err(|error| unopened(&error))?;
    let personal = key.open(sealed).map_err(|error| unopened(&error))?;
    Ok(Some(Known { number, state, personal, key: Some(key) }))
}

/// The rejection of a command to an account, where a handler knows it before.
pub fn rejected(rejection: account::Rejection) -> ApiError {
    Refusal::Rejected(rejection.into()).into()
}

fn unopened(error: &VaultError) -> ApiError {
    tracing::error!(%error, "what is sealed cannot be opened");
    unreadable()
}

fn unreadable() -> ApiError {
    Problem::unavailable(
        "what is personal of this account cannot be opened at the moment: nothing happened",
        5,
    )
    .into()
}
