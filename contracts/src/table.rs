//! What the services share of the drop-in contracts: which there are, and of each its words, its answers and its tokens.
//! docs/contracts.md says how each is served.

pub mod journal;
pub mod receipts;

use axum::response::Response;

/// The contracts `TILL_CONTRACTS` may name.
pub const NAMES: [&str; 1] = ["receipts"];

/// An answer that no route has given, in the shape of the contract that the path belongs to.
pub async fn in_shape_of(path: &str, response: Response) -> Response {
    if path.starts_with("/contracts/receipts/") {
        receipts::answers::in_its_shape(response).await
    } else {
        response
    }
}
