//! Why commands to orders are refused.

rejections! {
    Unknown: Unknown "urn:till:order-unknown" "No such order",
        "there is no order with this id";
    PaymentUnknown: Unknown "urn:till:payment-unknown" "No such payment",
        "the order has no payment with this id";
    RulesUnknown: Invalid "urn:till:rules-unknown" "No such rules",
        "there is no rule set of this name";
    Known: Conflict "urn:till:order-known" "Order known",
        "there is another order with this id";
    NumberNotNext: Conflict "urn:till:number-not-next" "Not the next number",
        "the number is not the next one: what is imported must come in the order of its numbers";
    NoProduct: Conflict "urn:till:order-product-unknown" "No such product",
        "a product that is ordered is unknown or was removed";
    NotSold: Conflict "urn:till:product-not-sold" "Not sold",
        "a product that is ordered is not sold now";
    PriceChanged: Conflict "urn:till:price-changed" "Price changed",
        "a product has another price than the unit_price that was sent";
    NoBuyer: Conflict "urn:till:buyer-unknown" "No such buyer",
        "the customer who orders is unknown, was removed, or may not order";
    NothingOrdered: Invalid "urn:till:nothing-ordered" "Nothing ordered",
        "an order has a line at least, and each line a quantity above 0";
    TooLarge: Invalid "urn:till:order-too-large" "Order too large",
        "an order has at most 500 lines, amounts below 10000000000.00, and 150 KiB of text";
    MoveNotAllowed: Conflict "urn:till:stage-not-allowed" "Stage not allowed",
        "the order cannot go to this stage from the one that it is in";
    NotYours: Forbidden "urn:till:stage-forbidden" "Stage forbidden",
        "this account may not send the order to this stage";
    NotAmendable: Conflict "urn:till:order-not-amendable" "Not amendable",
        "orders of this kind are moved, cancelled and refunded, and never corrected by hand";
    Stale: Stale "urn:till:stale" "Changed meanwhile",
        "it was changed meanwhile: read it again, and send the change again with its present ETag";
    IdempotencyKeyReused: Invalid "urn:till:idempotency-key-reused" "Idempotency-Key reused",
        "this Idempotency-Key was used with another body";
}
