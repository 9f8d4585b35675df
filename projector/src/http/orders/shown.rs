//! An order in an answer.

use chrono::{DateTime, Utc};
use runtime::openapi::{Money, Quantity};
use schemas::{Clear, Personal, Ref, place};
use serde::Serialize;
use utoipa::ToSchema;

/// An order, without what is ordered.
#[derive(Serialize, ToSchema)]
pub struct OrderSummary {
    #[schema(example = "ad29a06d-f80b-5868-ab38-9265eaada00f")]
    pub id: String,
    /// Whose order it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    pub scope: String,
    /// How far it has come: `placed`, `refused`, `cancelled`; `received`, `preparing`, `ready`, `finished`; `confirmed`, `dispatched`,
    /// `delivered`; `removed` from its contract's lists.
    #[schema(example = "received")]
    pub stage: String,
    /// `null` where none was named.
    #[schema(required)]
    pub buyer: Option<Buyer>,
    /// `kitchen`, `shipping` or `none`.
    #[schema(example = "kitchen")]
    pub fulfilment: String,
    /// Three letters (ISO 4217).
    #[schema(example = "BRL")]
    pub currency: String,
    /// The sum of the lines' amounts.
    #[schema(value_type = Money)]
    pub total: String,
    /// The payment's; `none` until somebody was asked for money.
    #[schema(example = "approved")]
    pub payment_status: String,
    pub received_at: Option<DateTime<Utc>>,
    pub preparing_at: Option<DateTime<Utc>>,
    pub ready_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub placed_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Counts the order's changes; also its `ETag`.
    pub revision: i32,
}

/// Who an order is for.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderBuyer)]
pub struct Buyer {
    /// `customer`, or `account` where no customer was named.
    #[schema(example = "account")]
    pub kind: String,
    #[schema(example = "3")]
    pub id: String,
}

/// An order.
#[derive(Serialize, ToSchema)]
pub struct Order {
    #[serde(flatten)]
    pub summary: OrderSummary,
    pub lines: Vec<OrderLine>,
    /// `null` where the order has none.
    #[schema(required)]
    pub payment: Option<Payment>,
    /// `null` where nothing is sent, for analysts, and where the person was erased.
    #[schema(required)]
    pub ship_to: Option<ShipTo>,
}

/// What is ordered of one product.
#[derive(Serialize, ToSchema)]
pub struct OrderLine {
    /// From 1.
    pub line: i32,
    #[schema(example = "abe9998d-a9fa-5989-a9f6-93b468432d62")]
    pub product: String,
    #[schema(required)]
    pub seller: Option<String>,
    #[schema(example = "Burger")]
    pub title: String,
    #[schema(example = "burgers")]
    pub section: String,
    #[schema(value_type = Quantity)]
    pub quantity: String,
    #[schema(value_type = Money)]
    pub unit_price: String,
    #[schema(value_type = Money)]
    pub amount: String,
    /// The buyer's wish.
    #[schema(required, example = "no onions")]
    pub note: Option<String>,
    /// How far its reservation has come: `uncounted`, `asked`, `held`, `refused`, `released`.
    #[schema(example = "held")]
    pub hold: String,
}

/// How an order is paid.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderPayment)]
pub struct Payment {
    #[schema(example = "ad29a06d-f80b-5868-ab38-9265eaada00f_1")]
    pub id: String,
    #[schema(example = "cash")]
    pub method: String,
    #[schema(value_type = Money)]
    pub amount: String,
    /// What went back of it.
    #[schema(value_type = Money)]
    pub refunded: String,
    #[schema(example = "approved")]
    pub status: String,
}

/// Where an order is sent.
#[derive(Serialize, ToSchema)]
pub struct ShipTo {
    #[schema(required, example = "Ann Ohara")]
    pub recipient: Option<String>,
    #[schema(required, example = "Rua do Sol 1, Maceió")]
    pub address: Option<String>,
}

/// A row of an order.
pub struct Row {
    pub home: String,
    pub id: String,
    pub scope: String,
    pub stage: String,
    pub buyer_kind: Option<String>,
    pub buyer_home: Option<String>,
    pub buyer_id: Option<String>,
    pub fulfilment: String,
    pub currency: String,
    pub total: String,
    pub payment_id: Option<String>,
    pub payment_status: String,
    pub received_at: Option<DateTime<Utc>>,
    pub preparing_at: Option<DateTime<Utc>>,
    pub ready_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    pub placed_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub revision: i32,
    pub is_sent: bool,
}

impl From<Row> for OrderSummary {
    fn from(row: Row) -> Self {
        let buyer = row.buyer_kind.zip(row.buyer_home).zip(row.buyer_id);
        Self {
            id: place::text(&Ref { home: row.home, id: row.id }),
            scope: row.scope,
            stage: row.stage,
            buyer: buyer.map(|((kind, home), id)| Buyer { kind, id: place::text(&Ref { home, id }) }),
            fulfilment: row.fulfilment,
            currency: row.currency,
            total: row.total,
            payment_status: row.payment_status,
            received_at: row.received_at,
            preparing_at: row.preparing_at,
            ready_at: row.ready_at,
            finished_at: row.finished_at,
            placed_at: row.placed_at,
            updated_at: row.updated_at,
            revision: row.revision,
        }
    }
}

impl From<Personal> for ShipTo {
    fn from(personal: Personal) -> Self {
        let text = |field: Option<Clear>| field.map(|clear| clear.expose().to_owned());
        Self { recipient: text(personal.recipient), address: text(personal.address) }
    }
}
