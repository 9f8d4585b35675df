//! Why commands to accounts are refused.

rejections! {
    UsernameTaken: Conflict "urn:till:username-taken" "Username taken",
        "an account with this username exists";
    NumberTaken: Conflict "urn:till:account-known" "Account known",
        "there is an account with this number";
    NumberSkipped: Conflict "urn:till:account-number-skipped" "Number skipped",
        "accounts are numbered from 1 without gaps: send the number that follows the newest account's";
    IdempotencyKeyReused: Invalid "urn:till:idempotency-key-reused" "Idempotency-Key reused",
        "this Idempotency-Key was used with another body";
    LastAdmin: Conflict "urn:till:last-admin" "Last admin",
        "this is the last account with the role admin: give the role to another one first";
    Unknown: Unknown "urn:till:account-unknown" "No such account",
        "there is no account with this number";
    Stale: Stale "urn:till:stale" "Changed meanwhile",
        "it was changed meanwhile: read it again, and send the change again with its present ETag";
    Disabled: Forbidden "urn:till:account-disabled" "Account disabled",
        "this account is disabled: an admin can enable it";
    Closed: Conflict "urn:till:account-closed" "Account closed",
        "this account was closed for good: open another one";
    Erased: Conflict "urn:till:erased" "Erased",
        "this person was erased: nothing of it can be changed";
    UnknownSession: Unknown "urn:till:session-ended" "Session ended",
        "this session has ended: log in again";
    UnknownKey: Unknown "urn:till:terminal-key-unknown" "No such terminal key",
        "the account has no terminal key with this id, or had it revoked";
    KeyTaken: Conflict "urn:till:terminal-key-known" "Terminal key known",
        "this terminal key is known with another content: send the request again to be given another one";
    KeysFull: Conflict "urn:till:terminal-keys-full" "Too many terminal keys",
        "the account has 100 terminal keys: revoke one that is not used any more first";
    LoginTokenOutdated: Conflict "urn:till:login-token-outdated" "Logged out meanwhile",
        "the account was logged out everywhere, or its password changed meanwhile: log in again";
}
