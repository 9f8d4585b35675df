//! Why commands to customers and to persons are refused.

rejections! {
    DocumentTaken: Conflict "urn:till:document-taken" "Document taken",
        "another customer has this document";
    EmailTaken: Conflict "urn:till:email-taken" "E-mail taken",
        "another customer has this e-mail address";
    NumberTaken: Conflict "urn:till:customer-known" "Customer known",
        "there is a customer with this id";
    Unknown: Unknown "urn:till:customer-unknown" "No such customer",
        "there is no customer with this id";
    AccountUnknown: Unknown "urn:till:account-unknown" "No such account",
        "there is no account with this number";
    NoAccount: Conflict "urn:till:customer-account-unknown" "No such account",
        "the account that the customer shall log in with is unknown, closed or erased";
    NotSealed: Conflict "urn:till:account-not-sealed" "Not sealed yet",
        "what an earlier Till kept of this account is being sealed: send the request again in a minute";
    LastAdmin: Conflict "urn:till:last-admin" "Last admin",
        "this is the last account with the role admin: give the role to another one first";
    Erased: Conflict "urn:till:erased" "Erased",
        "this person was erased: nothing of it can be changed";
    HasOrders: Conflict "urn:till:customer-has-orders" "Has orders",
        "this customer has orders in the customer's own home: remove those first";
    Stale: Stale "urn:till:stale" "Changed meanwhile",
        "it was changed meanwhile: read it again, and send the change again with its present ETag";
    IdempotencyKeyReused: Invalid "urn:till:idempotency-key-reused" "Idempotency-Key reused",
        "this Idempotency-Key was used with another body";
    KeyMovedOn: Conflict "urn:till:key-moved-on" "Key moved on",
        "this key was rewritten or forgotten meanwhile";
}
