//! Orders, with their payments and refunds.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Head, Ref, Sealed};
use crate::{Money, Qty};

/// Who an order is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    /// Customer, or account where it has no customer.
    pub kind: String,
    /// The customer or the account.
    #[serde(rename = "ref")]
    pub party: Ref,
    /// Whose key seals its personal data, where that is known.
    pub subject: Option<Uuid>,
}

/// What is ordered of one product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The line within its order, from 1.
    pub line: i32,
    /// The line's number within its home, where lines have numbers there; 0 until it is held.
    pub number: i64,
    /// The product.
    pub product: Ref,
    /// The product's, of which title, section and price are.
    pub revision: i32,
    /// Whose product it is.
    pub seller: Option<Ref>,
    /// The product's, as it was.
    pub title: String,
    /// The product's, as it was; empty without one.
    pub section: String,
    /// How much is ordered.
    pub quantity: Qty,
    /// The product's price, as it was.
    pub unit_price: Money,
    /// What is taken off the line as a whole.
    pub discount: Money,
    /// The price times quantity, rounded half away from zero, less discount.
    pub amount: Money,
    /// The buyer's wish, such as: no onions.
    pub note: Option<String>,
    /// Whether the product's stock is counted, so that the line is reserved.
    pub counts_stock: bool,
}

/// What an event adds to the figures of a seller and a product. All the shares ever recorded add up to the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Whose order it is of: v1, or a contract's own.
    pub scope: String,
    /// Whose product it is.
    pub seller: Option<Ref>,
    /// The product.
    pub product: Ref,
    /// 1 in the first share of a seller in an order, -1 where the seller's last sale of it is taken back, else 0.
    pub orders: i32,
    /// What is sold; negative where a sale is taken back.
    pub quantity: Qty,
    /// The amount of the sale; negative where it is taken back.
    pub sold: Money,
    /// What was paid of it; negative where that is found not to have been paid.
    pub approved: Money,
    /// What was paid back of it.
    pub refunded: Money,
}

/// A card as far as it may be known: its number and its code never are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Stands for the card at its gateway, for one payment.
    pub token: Option<String>,
    /// Such as visa; empty where it is not known.
    pub brand: String,
    /// The last four characters of the number, as they were sent.
    pub last4: String,
}

/// How an order is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Ours: the order's home, an underscore and a number, or a text of its own in a contract's home.
    pub id: String,
    /// Card, qr, cash or none.
    pub method: String,
    /// Who takes the money; empty for cash and none.
    pub provider: String,
    /// What is asked for.
    pub amount: Money,
    /// The deployment's, three letters.
    pub currency: String,
    /// The card of a payment by card.
    pub card: Option<Card>,
    /// The provider's id of it, where it has one already.
    pub provider_id: Option<String>,
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Ours, and the key of every try.
    pub id: String,
    /// The payment that it is of.
    pub payment_id: String,
    /// What goes back, above 0.
    pub amount: Money,
    /// The payment's.
    pub currency: String,
}

/// When the kitchen took each step of an order, as far as it took it.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When the order came to the kitchen.
    #[serde(with = "crate::time::option")]
    pub received_at: Option<DateTime<Utc>>,
    /// When its preparation began.
    #[serde(with = "crate::time::option")]
    pub preparing_at: Option<DateTime<Utc>>,
    /// When it was ready to be fetched.
    #[serde(with = "crate::time::option")]
    pub ready_at: Option<DateTime<Utc>>,
    /// When it was handed over.
    #[serde(with = "crate::time::option")]
    pub finished_at: Option<DateTime<Utc>>,
}

/// A line whose product is reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The line within its order.
    pub line: i32,
    /// The number that the line has from here on, 0 without one.
    pub number: i64,
}

/// A line that was refused, because there was too little of its product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Short {
    /// The line within its order.
    pub line: i32,
    /// What there was.
    pub available: Qty,
}

/// Wishes that the order be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliver {
    /// Seconds from each step of the delivery to the next; 0: no timer moves it.
    pub step_s: i32,
}

/// An order was opened without lines, which are added one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderOpened {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// Whose it is: v1, or a contract's own.
    pub scope: String,
    /// The rule set that the order follows for ever, such as v1 or restaurant.
    pub rules: String,
    /// The order's after it.
    pub stage: String,
    /// Who the order is for.
    pub buyer: Option<Buyer>,
    /// Kitchen, shipping or none.
    pub fulfilment: String,
    /// The deployment's, three letters.
    pub currency: String,
    /// Recipient and address, for shipping.
    pub ship_to: Option<Sealed>,
}

/// An order was placed, with all of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// Whose it is: v1, or a contract's own.
    pub scope: String,
    /// The rule set that the order follows for ever, such as v1 or restaurant.
    pub rules: String,
    /// The order's after it.
    pub stage: String,
    /// Who the order is for.
    pub buyer: Option<Buyer>,
    /// Kitchen, shipping or none.
    pub fulfilment: String,
    /// The deployment's, three letters.
    pub currency: String,
    /// Recipient and address, for shipping.
    pub ship_to: Option<Sealed>,
    /// What is ordered.
    pub lines: Vec<Line>,
    /// The sum of the lines' amounts.
    pub total: Money,
    /// How it is to be paid.
    pub payment: Option<Payment>,
    /// The payment's: none, requested, approved ….
    pub payment_status: String,
    /// The kitchen's steps so far.
    pub times: Times,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
    /// Wishes the lines that count stock to be reserved.
    pub reserve: bool,
    /// Wishes the payment to be asked for.
    pub pay_now: bool,
    /// Wishes the order to be cancelled at this instant, where it is not settled by then.
    #[serde(with = "crate::time::option")]
    pub cancel_at: Option<DateTime<Utc>>,
}

/// A line was asked for. It is the order's once its product is reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLineRequested {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// What is asked for.
    pub line: Line,
    /// The order's after it.
    pub stage: String,
    /// Wishes the line to be reserved.
    pub reserve: bool,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
}

/// A line was taken out of its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLineRemoved {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The line within its order.
    pub line: i32,
    /// The line's number within its home, 0 without one.
    pub number: i64,
    /// The product.
    pub product: Ref,
    /// What had been ordered.
    pub quantity: Qty,
    /// The order's after it.
    pub stage: String,
    /// Wishes the line's reservation to be given back.
    pub release: bool,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
}

/// Every stock that was asked to reserve for the order has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStockSettled {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The order's after it.
    pub stage: String,
    /// The lines that are reserved.
    pub held: Vec<Held>,
    /// The lines that are not.
    pub refused: Vec<Short>,
    /// The payment's after it.
    pub payment_status: String,
    /// The kitchen's steps so far.
    pub times: Times,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
    /// Wishes the reservations of these lines to be given back.
    pub release: Vec<i32>,
    /// Wishes the payment to be asked for.
    pub pay_now: bool,
}

/// Every stock that was asked to take a reservation back has answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStockReleased {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The lines whose reservations are given back.
    pub lines: Vec<i32>,
}

/// An order went on to another stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderMoved {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The order's stage before it.
    pub from: String,
    /// The order's after it.
    pub stage: String,
    /// The kitchen's steps so far.
    pub times: Times,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
    /// Wishes the order to be delivered.
    pub deliver: Option<Deliver>,
}

/// An order was corrected by hand: all fields are as they are afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderAmended {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The order's after it.
    pub stage: String,
    /// Who the order is for.
    pub buyer: Option<Buyer>,
    /// The kitchen's steps so far.
    pub times: Times,
    /// The payment's id as its contract shows it, which finds the order too; the payment keeps its own.
    pub shown_payment_id: Option<String>,
    /// The payment's status as its contract shows it until more becomes known of the payment.
    pub shown_payment_status: Option<String>,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
}

/// An order was cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The order's stage before it.
    pub from: String,
    /// The order's after it.
    pub stage: String,
    /// Buyer, staff or deadline.
    pub reason: String,
    /// In words of whoever cancelled it.
    pub note: Option<String>,
    /// The payment's after it.
    pub payment_status: String,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
    /// Wishes the reservations of these lines to be given back.
    pub release: Vec<i32>,
    /// Wishes this payment to be cancelled at its provider.
    pub cancel_payment: Option<String>,
    /// Wishes this money to be paid back.
    pub refund: Option<Refund>,
}

/// An order was taken off its contract's lists. What it sold stays sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRemoved {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The order's stage before it.
    pub from: String,
    /// The order's after it.
    pub stage: String,
    /// The payment's after it.
    pub payment_status: String,
    /// Wishes this payment to be cancelled at its provider.
    pub cancel_payment: Option<String>,
}

/// An order has a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDeliveryLinked {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The delivery.
    pub delivery: Ref,
    /// The id of the event that wished for it.
    pub cause: Uuid,
}

/// A call to a payment provider may have gone out: it was recorded before it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSending {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The payment.
    pub payment_id: String,
    /// Create, cancel or refund.
    pub call: String,
    /// The key that every try of the call has at the provider.
    pub reference: String,
}

/// A payment provider knows of the payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSent {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The payment.
    pub payment_id: String,
    /// The provider's id of it.
    pub provider_id: String,
    /// What a QR code for it says.
    pub qr_data: Option<String>,
}

/// A payment came to an end, or to another one than was known: money is a fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentSettled {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The payment.
    pub payment_id: String,
    /// The provider's id of it.
    pub provider_id: Option<String>,
    /// Approved, refused, cancelled, expired, unknown or mismatch.
    pub status: String,
    /// As the source tells it.
    pub amount: Option<Money>,
    /// As the source tells it.
    pub currency: Option<String>,
    /// The provider's code of the reason, never its message, which may name a person; empty without one.
    pub code: String,
    /// Call, webhook, look-up, staff, cash or contract.
    pub source: String,
    /// When it happened, as the source tells it.
    #[serde(with = "crate::time::option")]
    pub said_at: Option<DateTime<Utc>>,
    /// Whether no other end is awaited, so that nobody asks or cancels any more.
    pub at_rest: bool,
    /// The order's after it.
    pub stage: String,
    /// The payment's after it.
    pub payment_status: String,
    /// The kitchen's steps so far.
    pub times: Times,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
    /// Wishes the reservations of these lines to be given back.
    pub release: Vec<i32>,
    /// Wishes this money to be paid back.
    pub refund: Option<Refund>,
    /// Wishes the payment to be looked up at this instant.
    #[serde(with = "crate::time::option")]
    pub check_at: Option<DateTime<Utc>>,
}

/// A payment was looked up for the last time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentChecked {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The payment.
    pub payment_id: String,
    /// The id of the event that wished for it.
    pub cause: Uuid,
    /// Whether the provider knows of it.
    pub found: bool,
    /// The order's after it.
    pub stage: String,
    /// The payment's after it.
    pub payment_status: String,
}

/// Money is to go back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// What goes back.
    pub refund: Refund,
    /// In words of whoever asked.
    pub reason: String,
    /// Wishes the refund to be asked for at the payment's provider.
    pub refund_now: bool,
}

/// A refund came to an end, or a provider took money back on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundSettled {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The order.
    pub order: Ref,
    /// The payment.
    pub payment_id: String,
    /// Ours, or the provider's where it took the money back on its own.
    pub refund_id: String,
    /// Approved, refused, unknown or charged_back.
    pub status: String,
    /// What went back, 0 where nothing did.
    pub amount: Money,
    /// The provider's id of it.
    pub provider_id: Option<String>,
    /// Call, webhook, look-up or staff.
    pub source: String,
    /// The provider's code of the reason, never its message; empty without one.
    pub code: String,
    /// The payment's after it.
    pub payment_status: String,
    /// What it adds to the figures; empty where no money moves.
    pub shares: Vec<Share>,
}

stream! { Orders keyed by home, named id;
    OrderOpened: "order_opened/v1";
    OrderPlaced: "order_placed/v1";
    OrderLineRequested: "order_line_requested/v1";
    OrderLineRemoved: "order_line_removed/v1";
    OrderStockSettled: "order_stock_settled/v1";
    OrderStockReleased: "order_stock_released/v1";
    OrderMoved: "order_moved/v1";
    OrderAmended: "order_amended/v1";
    OrderCancelled: "order_cancelled/v1";
    OrderRemoved: "order_removed/v1";
    OrderDeliveryLinked: "order_delivery_linked/v1";
    PaymentSending: "payment_sending/v1";
    PaymentSent: "payment_sent/v1";
    PaymentSettled: "payment_settled/v1";
    PaymentChecked: "payment_checked/v1";
    RefundRequested: "refund_requested/v1";
    RefundSettled: "refund_settled/v1";
}

fn home(event: &Event) -> Cow<'_, str> {
    aggregate(event).home.as_str().into()
}

fn id(event: &Event) -> Cow<'_, str> {
    aggregate(event).id.as_str().into()
}

/// The aggregate that the event belongs to.
fn aggregate(event: &Event) -> &Ref {
    match event {
        Event::OrderOpened(event) => &event.order,
        Event::OrderPlaced(event) => &event.order,
        Event::OrderLineRequested(event) => &event.order,
        Event::OrderLineRemoved(event) => &event.order,
        Event::OrderStockSettled(event) => &event.order,
        Event::OrderStockReleased(event) => &event.order,
        Event::OrderMoved(event) => &event.order,
        Event::OrderAmended(event) => &event.order,
        Event::OrderCancelled(event) => &event.order,
        Event::OrderRemoved(event) => &event.order,
        Event::OrderDeliveryLinked(event) => &event.order,
        Event::PaymentSending(event) => &event.order,
        Event::PaymentSent(event) => &event.order,
        Event::PaymentSettled(event) => &event.order,
        Event::PaymentChecked(event) => &event.order,
        Event::RefundRequested(event) => &event.order,
        Event::RefundSettled(event) => &event.order,
    }
}
