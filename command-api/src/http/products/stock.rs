//! `POST /v1/products/{id}/stock`: a count of what there is, or a difference to what was known.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use domain::Command;
use domain::catalogue::{ChangeProduct, ProductChange};
use domain::stock::AdjustStock;
use runtime::Problem;
use runtime::auth::Caller;
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, Stale};
use schemas::{Qty, Ref};

use super::require_manager_of;
use super::shown::{Product, shown};
use crate::http::amount::{self, Count};
use crate::http::asked::asked;
use crate::http::form::{Form, is_missing};
use crate::http::idempotency::idempotency_id;
use crate::http::object::fields;
use crate::http::prefer::{CommandPreferences, Handling};
use crate::http::revision::expected_revision;
use crate::http::{ApiError, App, Named, texts};
use crate::shard::Origin;

fields! {
    /// What a stock has: either `available`, or `change` with its `reason`.
    #[schema(as = StockFields, example = json!({"available": "12"}))]
    struct StockBody {
        /// What was counted: so much can be reserved from here on.
        available: Option<Count>,
        /// What came, or went where it is negative.
        change: Option<Count>,
        /// Why it came or went.
        #[schema(min_length = 1, max_length = 200, example = "broken")]
        reason: Option<String>,
    }
}

/// What is said of a stock.
enum Said {
    Counted(Qty),
    Changed(Qty, String),
}

/// Sets what there is of a product, or adds to it: 200.
#[utoipa::path(
    post,
    path = "/v1/products/{id}/stock",
    tag = "Catalogue",
    operation_id = "setStock",
    params(
        ("id" = String, Path, example = "abe9998d-a9fa-5989-a9f6-93b468432d62"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, example = "5d2a91c7",
            description = "Makes a retry of this request answer alike. ASCII. Without one, a difference that is sent twice counts twice."),
        ("If-Match" = Option<String>, Header, example = "*",
            description = "The product's `ETag` that a count was made at: another one is 412."),
        Origin,
        CommandPreferences,
    ),
    request_body = StockBody,
    responses(
        (status = 200, description = "The product, as it is now. The stock is told a count a moment later; `Prefer: wait` waits for that.",
            body = Product,
            headers(
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 404, description = "There is no such product.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:product-unknown", "title": "No such product", "status": 404,
                "detail": "there is no product with this id"})),
        (status = 409, description = "The stock has less than is to be taken away, or is not counted.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:stock-short", "title": "Too little stock", "status": 409,
                "detail": "the stock has less than is to be taken away"})),
        (status = 412, response = Stale),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn set(
    State(app): State<App>,
    caller: Caller,
    Named(product): Named,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    require_manager_of(&app, &caller, &product).await?;
    let revision = expected_revision(&headers)?;
    let key = idempotency_id(&headers, "stock", &caller.account())?;
    let Ref { home, id } = product.clone();
    let command: Command = match read(handling, &body)? {
        Said::Counted(available) => {
            let (change, count) = (ProductChange::default(), Some(available));
            ChangeProduct { home, id, revision, change, count, asked: asked(&caller, key, &available) }.into()
        }
        Said::Changed(change, reason) => {
            let asked = asked(&caller, key, &(change, &reason));
            AdjustStock { home, id, change, reason, asked }.into()
        }
    };
    let answer = app.submit(command, &headers).await?;
    shown(&app, &answer, &product)
}

fn read(handling: Handling, body: &[u8]) -> Result<Said, Problem> {
    let mut form = Form::new(handling);
    let body: StockBody<'_> = form.body(body)?;
    if is_missing(body.available) {
        let change = form.decimal("change", body.change, amount::difference);
        let reason = form.text("reason", body.reason, texts::note);
        return form.finish(Said::Changed(change, reason));
    }
    let available = form.decimal("available", body.available, amount::stock);
    for (name, field) in [("change", body.change), ("reason", body.reason)] {
        if !is_missing(field) {
            form.wrong(name, "must be left out beside available");
        }
    }
    form.finish(Said::Counted(available))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_is_counted_or_changed_for_a_reason() {
        let read = |body: &str| read(Handling::Strict, body.as_bytes());
        assert!(matches!(read(r#"{"available": "12"}"#), Ok(Said::Counted(_))));
        assert!(matches!(read(r#"{"change": "-1", "reason": "broken"}"#), Ok(Said::Changed(..))));
        for wrong in [
            r"{}",
            r#"{"available": "-1"}"#,
            r#"{"change": "-1"}"#,
            r#"{"change": 0, "reason": "nothing"}"#,
            r#"{"available": 1, "change": 1, "reason": "both"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
