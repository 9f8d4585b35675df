//! Why commands to accounts are refused.

rejections! {
    UsernameTaken: Conflict "urn:till:username-taken" "Username taken",
        "an account with this username exists";
    IdempotencyKeyReused: Invalid "urn:till:idempotency-key-reused" "Idempotency-Key reused",
        "this Idempotency-Key was used with another body";
    LastAdmin: Conflict "urn:till:last-admin" "Last admin",
        "this is the last account with the role admin: give the role to another one first";
    Unknown: Unknown "urn:till:account-unknown" "No such account",
        "there is no account with this username";
    LoginTokenOutdated: Conflict "urn:till:login-token-outdated" "Logged out meanwhile",
        "the account's login token was revoked meanwhile";
}
