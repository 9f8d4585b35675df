//! Why commands to the catalogue are refused.

rejections! {
    SellerUnknown: Unknown "urn:till:seller-unknown" "No such seller",
        "there is no seller with this id";
    ProductUnknown: Unknown "urn:till:product-unknown" "No such product",
        "there is no product with this id";
    CashbackTypeUnknown: Unknown "urn:till:cashback-type-unknown" "No such cashback type",
        "there is no cashback type with this id";
    NoSeller: Conflict "urn:till:product-seller-unknown" "No such seller",
        "the seller that the product shall belong to is unknown or was removed";
    Known: Conflict "urn:till:catalogue-known" "Known",
        "there is something else with this id";
    NumberNotNext: Conflict "urn:till:number-not-next" "Not the next number",
        "the number is not the next one: what is imported must come in the order of its numbers";
    NameTaken: Conflict "urn:till:cashback-type-taken" "Name taken",
        "another cashback type has this name";
    NotCounted: Conflict "urn:till:stock-not-counted" "Stock not counted",
        "the product does not count its stock: set counts_stock first";
    Stale: Stale "urn:till:stale" "Changed meanwhile",
        "it was changed meanwhile: read it again, and send the change again with its present ETag";
    IdempotencyKeyReused: Invalid "urn:till:idempotency-key-reused" "Idempotency-Key reused",
        "this Idempotency-Key was used with another body";
}
