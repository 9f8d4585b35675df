//! Orders that go on: `POST /v1/orders/{id}/move` and `/cancel`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use domain::order::{self, CancelOrder, MoveOrder, Rejection, Stage, Who};
use runtime::Problem;
use runtime::auth::Caller;
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, Stale};
use schemas::Ref;

use super::buyer::is_buyer;
use super::shown::{Order, shown};
use super::told;
use crate::http::asked::asked;
use crate::http::form::{Form, is_missing};
use crate::http::managers::KEEPERS;
use crate::http::object::fields;
use crate::http::prefer::{CommandPreferences, Handling};
use crate::http::revision::expected_revision;
use crate::http::{ApiError, App, Named, texts};
use crate::shard::{Origin, Refusal};

/// The stages that people send orders to.
const STAGES: [Stage; 6] =
    [Stage::Received, Stage::Preparing, Stage::Ready, Stage::Finished, Stage::Dispatched, Stage::Delivered];

fields! {
    /// Where an order goes.
    #[schema(as = MoveFields)]
    struct MoveBody {
        /// The next stage: of the kitchen `preparing`, `ready`, `finished`; of what is sent `dispatched`, `delivered`.
        #[schema(example = "preparing")]
        stage: String,
    }
}

fields! {
    /// Why an order is called off.
    #[schema(as = CancelFields)]
    struct CancelBody {
        #[schema(min_length = 1, max_length = 200, example = "changed my mind")]
        note: Option<String>,
    }
}

/// Sends an order to its next stage: 200, also where it is there already.
#[utoipa::path(
    post,
    path = "/v1/orders/{id}/move",
    tag = "Orders",
    operation_id = "moveOrder",
    params(
        ("id" = String, Path, example = "ad29a06d-f80b-5868-ab38-9265eaada00f"),
        ("If-Match" = Option<String>, Header, example = "*",
            description = "The `ETag` that the order must be at: another one is 412."),
        Origin,
        CommandPreferences,
    ),
    request_body = MoveBody,
    responses(
        (status = 200, description = "The order, as it is now.", body = Order,
            headers(
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 404, description = "There is no such order.", body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:order-unknown", "title": "No such order", "status": 404,
                "detail": "there is no order with this id"})),
        (status = 409, description = "It cannot go there: `allowed` names the stages that it can go to.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:stage-not-allowed", "title": "Stage not allowed", "status": 409,
                "detail": "the order cannot go to this stage from the one that it is in", "stage": "received", "allowed": ["preparing"]})),
        (status = 412, response = Stale),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn go(
    State(app): State<App>,
    caller: Caller,
    Named(order): Named,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&KEEPERS)?;
    let revision = expected_revision(&headers)?;
    let mut form = Form::new(handling);
    let body: MoveBody<'_> = form.body(&body)?;
    let to = form.text("stage", body.stage, |text| stage(text).map(Some));
    let to = form.finish(to)?.unwrap_or(Stage::Other(String::new()));
    let Ref { home, id } = order.clone();
    let asked = asked(&caller, None, &());
    let answer = app.submit(MoveOrder { home, id, to, who: Who::Staff, revision, asked }, &headers).await;
    let answer =
        answer.map_err(|refusal| told::of_stage(refusal, order::load(&app.store.as_ref(), &order)))?;
    shown(&app, &answer, &order)
}

/// Calls an order off: 200, also where it was before. Its buyer may until its preparation begins, staff until it is handed over.
#[utoipa::path(
    post,
    path = "/v1/orders/{id}/cancel",
    tag = "Orders",
    operation_id = "cancelOrder",
    params(
        ("id" = String, Path, example = "ad29a06d-f80b-5868-ab38-9265eaada00f"),
        ("If-Match" = Option<String>, Header, example = "*",
            description = "The `ETag` that the order must be at: another one is 412."),
        Origin,
        CommandPreferences,
    ),
    request_body(content = Option<CancelBody>),
    responses(
        (status = 200, description = "The order, as it is now.", body = Order,
            headers(
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 404, description = "There is no such order, or it is another buyer's.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:order-unknown", "title": "No such order", "status": 404,
                "detail": "there is no order with this id"})),
        (status = 409, description = "It is too late, or orders of its kind are not called off.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:stage-not-allowed", "title": "Stage not allowed", "status": 409,
                "detail": "the order cannot go to this stage from the one that it is in", "stage": "finished", "allowed": []})),
        (status = 412, response = Stale),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Named(order): Named,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    // Whose order it is its own shard knows, and a follower may not yet.
    app.shards.found_here(&order.home).await?;
    let who = if caller.require(&KEEPERS).is_ok() { Who::Staff } else { Who::Buyer };
    let state = order::load(&app.store.as_ref(), &order);
    let may_know = who == Who::Staff || state.is_some_and(|state| is_buyer(&app, &caller, &state));
    if !may_know {
        return Err(Refusal::Rejected(Rejection::Unknown.into()).into());
    }
    let revision = expected_revision(&headers)?;
    let note = note(handling, &body)?;
    let Ref { home, id } = order.clone();
    let asked = asked(&caller, None, &());
    let command = CancelOrder { home, id, who: Some(who), note, revision, asked };
    let answer = app.submit(command, &headers).await;
    let answer =
        answer.map_err(|refusal| told::of_stage(refusal, order::load(&app.store.as_ref(), &order)))?;
    shown(&app, &answer, &order)
}

/// The note of a body, which may be empty.
fn note(handling: Handling, body: &[u8]) -> Result<Option<String>, Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let mut form = Form::new(handling);
    let body: CancelBody<'_> = form.body(body)?;
    let note = (!is_missing(body.note)).then(|| form.text("note", body.note, texts::note));
    form.finish(note)
}

fn stage(text: &str) -> Result<Stage, &'static str> {
    let stage = Stage::from(text);
    if STAGES.contains(&stage) {
        Ok(stage)
    } else {
        Err(
            "must be preparing, ready, finished, dispatched or delivered; an order of a contract may also go to received",
        )
    }
}
