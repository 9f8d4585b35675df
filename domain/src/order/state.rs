//! What is kept of an order.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use schemas::orders::{Buyer, Line, Payment, Share, Times};
use schemas::{Head, Money, Position, Qty, Ref, Topic};
use serde::{Deserialize, Serialize};

use super::rejection::Rejection;
use super::rules::{Fulfilment, PaymentStatus, Rules, Stage, rules};
use crate::states::{load as read, save as write};
use crate::{Asked, Recorded, States, TodoKey, asked};

/// The state of an order, under `o`, its home and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    /// The revision that the order is at, from 1.
    pub revision: i32,
    /// Whose order it is: `v1`, or a contract's own scope.
    pub scope: String,
    /// The name of the rule set that it follows.
    pub rules: String,
    /// How far it has come.
    pub stage: Stage,
    /// Who it is for.
    pub buyer: Option<Buyer>,
    /// How the buyer gets it.
    pub fulfilment: Fulfilment,
    /// The deployment's currency, three letters.
    pub currency: String,
    /// What was ordered.
    pub lines: Vec<LineState>,
    /// The sum of the lines' amounts.
    pub total: Money,
    /// How it is paid.
    pub payment: Option<PaymentState>,
    /// What its contract shows of the payment, where that was corrected by hand.
    pub shown: Shown,
    /// When the kitchen took each step.
    pub times: Times,
    /// The instant at which it was placed.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub placed_at: DateTime<Utc>,
    /// The instant of the last change.
    #[serde(with = "chrono::serde::ts_microseconds")]
    pub updated_at: DateTime<Utc>,
    /// The position of the last event. A command that changes nothing is answered with it.
    pub changed_at: Position,
    /// The to-dos that reserve lines, with those lines, while they are open.
    pub(super) reserving: Vec<(Vec<i32>, TodoKey)>,
    /// The to-dos that give reservations back, with their lines, while they are open.
    pub(super) releasing: Vec<(Vec<i32>, TodoKey)>,
    /// The to-do that cancels the order where it is not settled in time.
    pub(super) deadline: Option<TodoKey>,
}

/// What is kept of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineState {
    /// The line within its order, from 1.
    pub line: i32,
    /// The line's number within its home, 0 without one.
    pub number: i64,
    /// The product.
    pub product: Ref,
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
    /// What it costs.
    pub amount: Money,
    /// The buyer's wish.
    pub note: Option<String>,
    /// Whether its product is reserved.
    pub hold: Hold,
}

/// How far the reservation of a line has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// The product's stock is not counted.
    Uncounted,
    /// The stock was not heard yet.
    Asked,
    /// It is reserved.
    Held,
    /// There was too little.
    Refused,
    /// It is given back, or is about to be.
    Released,
}

/// What is kept of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentState {
    /// Ours.
    pub id: String,
    /// The payment's at its provider.
    pub provider_id: Option<String>,
    /// A word such as `cash`.
    pub method: String,
    /// What is asked for.
    pub amount: Money,
    /// How far it has come.
    pub status: PaymentStatus,
    /// The newest time that a source has told of it.
    #[serde(with = "schemas::time::option")]
    pub said_at: Option<DateTime<Utc>>,
}

/// What a contract shows of a payment in place of what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shown {
    /// The payment's id, which finds the order too.
    pub id: Option<String>,
    /// The payment's status, until more becomes known of it.
    pub status: Option<PaymentStatus>,
}

impl PaymentState {
    pub(super) fn new(payment: &Payment, status: PaymentStatus) -> Self {
        let Payment { id, method, amount, .. } = payment.clone();
        Self { id, provider_id: None, method, amount, status, said_at: None }
    }
}

impl OrderState {
    /// The rule set that the order follows.
    pub(super) fn rules(&self) -> Result<&'static Rules, Rejection> {
        rules(&self.rules).ok_or(Rejection::RulesUnknown)
    }

    /// Fails where a change was made from another revision than the order's. A change that names none is made to whatever
    /// is there.
    pub(super) fn expect(&self, revision: Option<i32>) -> Result<(), Rejection> {
        if revision.is_some_and(|revision| revision != self.revision) {
            Err(Rejection::Stale)
        } else {
            Ok(())
        }
    }

    /// The line of that number within the order.
    pub(super) fn line(&mut self, line: i32) -> Option<&mut LineState> {
        self.lines.iter_mut().find(|candidate| candidate.line == line)
    }

    /// How far the payment has come; [`PaymentStatus::Unasked`] without one.
    #[must_use]
    pub fn payment_status(&self) -> PaymentStatus {
        self.payment.as_ref().map_or(PaymentStatus::Unasked, |payment| payment.status.clone())
    }

    /// The lines whose products are reserved, or may be before long.
    pub(super) fn reserved(&self) -> Vec<i32> {
        let may_be = |line: &&LineState| matches!(line.hold, Hold::Asked | Hold::Held);
        self.lines.iter().filter(may_be).map(|line| line.line).collect()
    }

    /// What the lines add to the figures when they are paid for.
    pub(super) fn approved(&self) -> Vec<Share> {
        self.lines.iter().map(|line| Share { approved: line.amount, ..self.share(line) }).collect()
    }

    /// What the lines take from the figures when they are found not to be paid for.
    pub(super) fn unapproved(&self) -> Vec<Share> {
        self.lines.iter().map(|line| Share { approved: -line.amount, ..self.share(line) }).collect()
    }

    /// What the lines take from the figures when the order ends unsold. What was paid goes back.
    pub(super) fn unsold(&self) -> Vec<Share> {
        let is_paid = self.payment_status() == PaymentStatus::Approved;
        let mut sellers = Sellers::default();
        let shares = self.lines.iter().map(|line| Share {
            orders: -sellers.first(line.seller.as_ref()),
            quantity: -line.quantity,
            sold: -line.amount,
            refunded: if is_paid { line.amount } else { Money::ZERO },
            ..self.share(line)
        });
        shares.collect()
    }

    /// The share of a line's seller and product, of nothing yet.
    fn share(&self, line: &LineState) -> Share {
        Share {
            scope: self.scope.clone(),
            seller: line.seller.clone(),
            product: line.product.clone(),
            orders: 0,
            quantity: Qty::ZERO,
            sold: Money::ZERO,
            approved: Money::ZERO,
            refunded: Money::ZERO,
        }
    }
}

/// The sellers of an order that were met already.
#[derive(Default)]
struct Sellers<'o>(HashSet<Option<&'o Ref>>);

impl<'o> Sellers<'o> {
    /// 1 where the seller is met for the first time, else 0.
    fn first(&mut self, seller: Option<&'o Ref>) -> i32 {
        self.0.insert(seller).into()
    }
}

/// What lines add to the figures when they are ordered; `is_paid`: and paid for.
pub(super) fn sold(scope: &str, lines: &[Line], is_paid: bool) -> Vec<Share> {
    let mut sellers = Sellers::default();
    let shares = lines.iter().map(|line| Share {
        scope: scope.to_owned(),
        seller: line.seller.clone(),
        product: line.product.clone(),
        orders: sellers.first(line.seller.as_ref()),
        quantity: line.quantity,
        sold: line.amount,
        approved: if is_paid { line.amount } else { Money::ZERO },
        refunded: Money::ZERO,
    });
    shares.collect()
}

/// The order, also one that was removed.
pub fn load(states: &impl States, order: &Ref) -> Option<OrderState> {
    read(states, &order_key(order))
}

/// The state with the event's revision and time, and its idempotency id noted.
pub(super) fn changed(
    states: &mut impl States,
    order: &Ref,
    head: &Head,
    recorded: &Recorded,
) -> Option<OrderState> {
    let mut state = load(states, order)?;
    state.revision = head.revision;
    state.updated_at = head.at;
    state.changed_at = recorded.position;
    asked::note(states, &order.home, head, recorded);
    Some(state)
}

pub(super) fn save(states: &mut impl States, order: &Ref, state: &OrderState) {
    write(states, order_key(order), state);
}

/// The order of a home of many that has a payment, found by our id of it or by its provider's.
pub fn paid_by(states: &impl States, home: &str, payment_id: &str) -> Option<Ref> {
    let id = read(states, &payment_key(home, payment_id))?;
    Some(Ref { home: home.to_owned(), id })
}

/// Lets the order be found by an id of its payment. The id of an order with a home of its own names that home, and needs
/// no index.
pub(super) fn find_by(states: &mut impl States, order: &Ref, payment_id: &str) {
    if !order.id.is_empty() {
        write(states, payment_key(&order.home, payment_id), &order.id);
    }
}

/// Whether a customer of the home has orders that were not removed.
pub(crate) fn has_orders(states: &impl States, home: &str, customer: &str) -> bool {
    count_of(states, home, customer) > 0
}

/// Counts an order of a buyer, or, with -1, takes it off. Only buyers of the order's own home are counted: it is they who
/// are asked for there.
pub(super) fn count(states: &mut impl States, order: &Ref, buyer: Option<&Buyer>, change: i64) {
    let Some(customer) = buyer.map(|buyer| &buyer.party).filter(|party| party.home == order.home) else {
        return;
    };
    let orders = count_of(states, &order.home, &customer.id) + change;
    write(states, customer_key(&order.home, &customer.id), &orders);
}

fn count_of(states: &impl States, home: &str, customer: &str) -> i64 {
    read(states, &customer_key(home, customer)).unwrap_or_default()
}

/// The position of the event that was recorded under the same idempotency id; `None` where the id is new.
pub(super) fn before(states: &impl States, home: &str, asked: &Asked) -> Result<Option<Position>, Rejection> {
    asked::before(states, Topic::Orders, home, asked).map_err(|asked::Reused| Rejection::IdempotencyKeyReused)
}

fn order_key(order: &Ref) -> Vec<u8> {
    [b"o", order.home.as_bytes(), &[0], order.id.as_bytes()].concat()
}

fn payment_key(home: &str, payment_id: &str) -> Vec<u8> {
    [b"x", home.as_bytes(), &[0], payment_id.as_bytes()].concat()
}

fn customer_key(home: &str, customer: &str) -> Vec<u8> {
    [b"z", home.as_bytes(), &[0], customer.as_bytes()].concat()
}

pub(super) fn number_key(home: &str) -> Vec<u8> {
    [b"no", home.as_bytes()].concat()
}
