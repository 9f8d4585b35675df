//! Accounts: names, roles, login locks, passwords and login tokens.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An account was opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRegistered {
    /// The realm: the set of accounts that the name is unique in.
    pub realm: String,
    /// The account's name, 1 to 150 characters.
    pub username: String,
    /// The account's number: the first of a realm is 1, and none is left out.
    pub number: i64,
    /// The password's Argon2id hash, as a PHC string.
    pub password_hash: String,
    /// The roles the account begins with.
    pub roles: Vec<String>,
    /// The places whose receipts a terminal may send; empty: any place's.
    pub places: Vec<String>,
    /// UUIDv5 of caller, route and `Idempotency-Key`. It is `None` where the client sent no such header.
    pub idempotency_id: Option<Uuid>,
}

/// An account's roles and places were replaced, all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesAssigned {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// All roles of the account from here on.
    pub roles: Vec<String>,
    /// All places of the account from here on; empty: a terminal may send any place's receipts.
    pub places: Vec<String>,
    /// The name of the admin who assigned them.
    pub assigned_by: String,
}

/// An account's login was locked, because of too many wrong passwords.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLocked {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The instant at which the lock ends.
    #[serde(with = "crate::time")]
    pub until: DateTime<Utc>,
}

/// An account's login lock ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginUnlocked {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
}

/// An account was given a login token, which is good until it is revoked or replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenIssued {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// How many of the account's tokens were revoked before this one: it is made of this number.
    pub generation: i64,
    /// The SHA-256 of the token. The token itself is in no event.
    #[serde(with = "super::bytes")]
    pub token_hash: Vec<u8>,
}

/// An account's login token was revoked: it is worth nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenRevoked {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The generation of the token that was revoked. The next token's is one more.
    pub generation: i64,
}

/// An account has another password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// The realm of the account.
    pub realm: String,
    /// The name of the account.
    pub username: String,
    /// The new password's Argon2id hash, as a PHC string.
    pub password_hash: String,
}

impl fmt::Debug for AccountRegistered {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRegistered")
            .field("realm", &self.realm)
            .field("username", &self.username)
            .field("number", &self.number)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PasswordChanged {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordChanged").field("username", &self.username).finish_non_exhaustive()
    }
}

stream! { Accounts keyed by (realm), named (username);
    AccountRegistered: "account_registered/v1";
    RolesAssigned: "roles_assigned/v1";
    LoginLocked: "login_locked/v1";
    LoginUnlocked: "login_unlocked/v1";
    LoginTokenIssued: "login_token_issued/v1";
    LoginTokenRevoked: "login_token_revoked/v1";
    PasswordChanged: "password_changed/v1";
}
