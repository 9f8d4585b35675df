//! Accounts: names, roles, login locks, passwords and login tokens.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An account was opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRegistered {
    /// The user store the name is unique in.
    pub realm: String,
    /// The name.
    pub username: String,
    /// Dense within the realm, from 1.
    pub number: i64,
    /// Argon2id, PHC string.
    pub password_hash: String,
    /// What the account may do.
    pub roles: Vec<String>,
    /// The places a terminal is bound to; empty: not bound.
    pub places: Vec<String>,
    /// UUIDv5 of caller, route and `Idempotency-Key`.
    pub idempotency_id: Option<Uuid>,
}

/// An account's roles were replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesAssigned {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// Its roles from here on.
    pub roles: Vec<String>,
    /// Its places from here on.
    pub places: Vec<String>,
    /// The admin.
    pub assigned_by: String,
}

/// Too many wrong passwords: logins are slowed down until `until`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLocked {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// When the lock ends.
    #[serde(with = "crate::time")]
    pub until: DateTime<Utc>,
}

/// A login lock ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginUnlocked {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
}

/// A token that stays until it is revoked was given to who logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenIssued {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// How many of its tokens were revoked before.
    pub generation: i64,
    /// SHA-256 of the token.
    #[serde(with = "super::bytes")]
    pub token_hash: Vec<u8>,
}

/// The account's token is worth nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenRevoked {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// The token's.
    pub generation: i64,
}

/// The account has another password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// Argon2id, PHC string.
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
