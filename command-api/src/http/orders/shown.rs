//! An order in an answer, and a quote.

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::order::{self, Hold, LineState, OrderState, PaymentState, Rejection};
use runtime::{etag, openapi};
use schemas::orders::{self, Line};
use schemas::{Money, Qty, Ref, place};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{ApiError, App};
use crate::shard::{Answer, Refusal};

/// An order, as it is now.
#[derive(Serialize, ToSchema)]
pub struct Order {
    #[schema(example = "ad29a06d-f80b-5868-ab38-9265eaada00f")]
    id: String,
    /// Whose order it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    scope: String,
    /// How far it has come: `placed`, `refused`, `cancelled`; `received`, `preparing`, `ready`, `finished`; `confirmed`, `dispatched`,
    /// `delivered`.
    #[schema(example = "received")]
    stage: String,
    buyer: Option<Buyer>,
    #[schema(example = "kitchen")]
    fulfilment: String,
    #[schema(example = "BRL")]
    currency: String,
    lines: Vec<OrderLine>,
    #[schema(value_type = openapi::Money)]
    total: Money,
    payment: Option<Payment>,
    received_at: Option<DateTime<Utc>>,
    preparing_at: Option<DateTime<Utc>>,
    ready_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    placed_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Counts the order's changes; also its `ETag`.
    revision: i32,
}

/// Who an order is for.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderBuyer)]
struct Buyer {
    /// `customer`, or `account` where no customer was named.
    #[schema(example = "customer")]
    kind: String,
    #[schema(example = "42c45e41-5062-5665-92d9-63d7ab695d59")]
    id: String,
}

/// What is ordered of one product.
#[derive(Serialize, ToSchema)]
struct OrderLine {
    /// From 1.
    line: i32,
    product: String,
    seller: Option<String>,
    title: String,
    section: String,
    #[schema(value_type = openapi::Quantity)]
    quantity: Qty,
    #[schema(value_type = openapi::Money)]
    unit_price: Money,
    #[schema(value_type = openapi::Money)]
    amount: Money,
    note: Option<String>,
    /// How far its reservation has come: `uncounted`, `asked`, `held`, `refused`, `released`.
    #[schema(example = "held")]
    hold: &'static str,
}

/// How an order is paid.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderPayment)]
struct Payment {
    #[schema(example = "ad29a06d-f80b-5868-ab38-9265eaada00f_1")]
    id: String,
    #[schema(example = "cash")]
    method: String,
    #[schema(value_type = openapi::Money)]
    amount: Money,
    /// `none`, `approved`, `refused`, `cancelled`, `expired`, `refunded`.
    #[schema(example = "approved")]
    status: String,
}

/// What an order would be.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderQuote)]
pub struct Quote {
    lines: Vec<QuotedLine>,
    #[schema(value_type = openapi::Money)]
    total: Money,
    #[schema(example = "BRL")]
    currency: String,
}

/// What a line would be.
#[derive(Serialize, ToSchema)]
struct QuotedLine {
    /// From 1.
    line: i32,
    product: String,
    seller: Option<String>,
    title: String,
    section: String,
    #[schema(value_type = openapi::Quantity)]
    quantity: Qty,
    #[schema(value_type = openapi::Money)]
    unit_price: Money,
    #[schema(value_type = openapi::Money)]
    amount: Money,
    note: Option<String>,
    /// Whether it would be reserved, and refused where there is too little.
    counts_stock: bool,
}

/// The answer that shows the order.
pub fn shown(app: &App, answer: &Answer, order: &Ref) -> Result<Response, ApiError> {
    let unknown = || Refusal::Rejected(Rejection::Unknown.into());
    let state = order::load(&app.store.as_ref(), order).ok_or_else(unknown)?;
    let body = Order::of(order, state);
    Ok((etag(body.revision), answer, Json(body)).into_response())
}

impl Order {
    fn of(order: &Ref, state: OrderState) -> Self {
        let orders::Times { received_at, preparing_at, ready_at, finished_at } = state.times;
        Self {
            id: place::text(order),
            scope: state.scope,
            stage: state.stage.into(),
            buyer: state.buyer.map(|buyer| Buyer { id: place::text(&buyer.party), kind: buyer.kind }),
            fulfilment: state.fulfilment.into(),
            currency: state.currency,
            lines: state.lines.into_iter().map(OrderLine::of).collect(),
            total: state.total,
            payment: state.payment.map(Payment::of),
            received_at,
            preparing_at,
            ready_at,
            finished_at,
            placed_at: state.placed_at,
            updated_at: state.updated_at,
            revision: state.revision,
        }
    }
}

impl OrderLine {
    fn of(line: LineState) -> Self {
        Self {
            line: line.line,
            product: place::text(&line.product),
            seller: line.seller.as_ref().map(place::text),
            title: line.title,
            section: line.section,
            quantity: line.quantity,
            unit_price: line.unit_price,
            amount: line.amount,
            note: line.note,
            hold: match line.hold {
                Hold::Uncounted => "uncounted",
                Hold::Asked => "asked",
                Hold::Held => "held",
                Hold::Refused => "refused",
                Hold::Released => "released",
            },
        }
    }
}

impl Payment {
    fn of(payment: PaymentState) -> Self {
        let PaymentState { id, method, amount, status, .. } = payment;
        Self { id, method, amount, status: status.into() }
    }
}

impl Quote {
    pub fn of(lines: Vec<Line>, total: Money, currency: String) -> Self {
        let line = |line: Line| QuotedLine {
            line: line.line,
            product: place::text(&line.product),
            seller: line.seller.as_ref().map(place::text),
            title: line.title,
            section: line.section,
            quantity: line.quantity,
            unit_price: line.unit_price,
            amount: line.amount,
            note: line.note,
            counts_stock: line.counts_stock,
        };
        Self { lines: lines.into_iter().map(line).collect(), total, currency }
    }
}
