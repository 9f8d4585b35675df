//! Stock: how much of a product can still be reserved. Orders of any home reserve by telling, so that each answer is kept
//! for good: a repeated or late teller is told the first one.

use chrono::{DateTime, Utc};
use schemas::stock::{Event, StockAdjusted, StockCounted, StockRefused, StockReleased, StockReserved};
use schemas::{Position, Qty, Ref, Topic};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::catalogue::load_product;
use crate::states::{load as read, save as write};
use crate::{Act, Asked, Decision, Recorded, Sort, States, asked};

pub(crate) const FOLD_VERSION: u32 = 1;

commands! { Stock at (home);
    CountStock => count, told;
    AdjustStock => adjust;
    ReserveStock => reserve, told;
    ReleaseStock => release, told;
}

rejections! {
    Unknown: Unknown "urn:till:product-unknown" "No such product",
        "there is no product with this id";
    NotCounted: Conflict "urn:till:stock-not-counted" "Stock not counted",
        "the product does not count its stock: set counts_stock first";
    Short: Conflict "urn:till:stock-short" "Too little stock",
        "the stock has less than is to be taken away";
    TooMuch: Invalid "urn:till:stock-too-much" "Too much stock",
        "a stock has less than 10000000000";
    IdempotencyKeyReused: Invalid "urn:till:idempotency-key-reused" "Idempotency-Key reused",
        "this Idempotency-Key was used with another body";
}

/// Take a count, unless one of a newer revision of the product was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountStock {
    /// The home of the product.
    pub home: String,
    /// The product's id within it.
    pub id: String,
    /// How much can be reserved from here on.
    pub available: Qty,
    /// The product's revision that has the count.
    pub revision: i32,
    /// The instant, by the clock of whoever tells it.
    pub at: DateTime<Utc>,
}

/// Add to a stock, or take away from it.
#[derive(Clone, Debug)]
pub struct AdjustStock {
    /// The home of the product.
    pub home: String,
    /// The product's id within it.
    pub id: String,
    /// What came, or went where it is negative.
    pub change: Qty,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub asked: Asked,
}

/// Set aside what a line of an order asks for, or refuse it where there is too little.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveStock {
    /// The home of the product.
    pub home: String,
    /// The product's id within it.
    pub id: String,
    /// The order.
    pub order: Ref,
    /// The line within the order.
    pub line: i32,
    /// How much.
    pub quantity: Qty,
    /// The instant, by the clock of whoever tells it.
    pub at: DateTime<Utc>,
}

/// Take back what was set aside for a line of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseStock {
    /// The home of the product.
    pub home: String,
    /// The product's id within it.
    pub id: String,
    /// The order.
    pub order: Ref,
    /// The line within the order.
    pub line: i32,
    /// The instant, by the clock of whoever tells it.
    pub at: DateTime<Utc>,
}

/// A stock owes nothing: it only answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {}

impl Todo {
    pub(crate) const fn sort(&self) -> Sort {
        match *self {}
    }

    pub(crate) fn act(&self, _: Uuid, _: DateTime<Utc>) -> Act {
        match *self {}
    }
}

/// The state of a stock, under `q`, its product's home and id.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StockState {
    /// What can still be reserved.
    pub available: Qty,
    /// Counts the stock's events.
    revision: i32,
    /// The product's revision whose count was taken last; 0 without one.
    of_revision: i32,
}

/// What a line of an order was answered, under `h`, the product, the order and the line. It is kept for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answered {
    at: Position,
    /// What is set aside: 0 where it was refused, or taken back.
    held: Qty,
}

/// The stock of a product. One that was never counted has nothing.
pub fn load(states: &impl States, product: &Ref) -> StockState {
    read(states, &stock_key(product)).unwrap_or_default()
}

fn count(states: &impl States, command: CountStock) -> Result<Decision, Rejection> {
    let CountStock { home, id, available, revision, at } = command;
    let product = Ref { home, id };
    let stock = load(states, &product);
    // A count that is told twice, or late, would undo what was reserved since.
    if let Some(counted) =
        read::<Position>(states, &counted_key(&product)).filter(|_| revision <= stock.of_revision)
    {
        return Ok(Decision::Already(counted));
    }
    let head = Asked::by_todo(at).head(stock.revision + 1);
    Ok(Decision::append(StockCounted { head, product, available, of_revision: revision }))
}

fn adjust(states: &impl States, command: AdjustStock) -> Result<Decision, Rejection> {
    let AdjustStock { home, id, change, reason, asked } = command;
    let before = asked::before(states, Topic::Stock, &home, &asked);
    if let Some(before) = before.map_err(|asked::Reused| Rejection::IdempotencyKeyReused)? {
        return Ok(Decision::Already(before));
    }
    let product = Ref { home, id };
    let listed = load_product(states, &product).ok_or(Rejection::Unknown)?;
    if !listed.content.counts_stock {
        return Err(Rejection::NotCounted);
    }
    let stock = load(states, &product);
    let available = stock.available + change;
    if available.is_negative() {
        return Err(Rejection::Short);
    }
    if !available.is_sendable() {
        return Err(Rejection::TooMuch);
    }
    let head = asked.head(stock.revision + 1);
    Ok(Decision::append(StockAdjusted { head, product, change, available, reason }))
}

/// Reserves the whole quantity or nothing. Whatever is answered is kept, because a repeated call could find another stock, and
/// would then hold it for nobody.
fn reserve(states: &impl States, command: ReserveStock) -> Result<Decision, Rejection> {
    let ReserveStock { home, id, order, line, quantity, at } = command;
    let product = Ref { home, id };
    if let Some(answered) = answered(states, &product, &order, line) {
        return Ok(Decision::Already(answered.at));
    }
    let stock = load(states, &product);
    let head = Asked::by_todo(at).head(stock.revision + 1);
    let listed = load_product(states, &product);
    let kept = if listed.is_some_and(|listed| listed.content.keep_one) { Qty::from(1) } else { Qty::ZERO };
    if stock.available - kept < quantity {
        let available = stock.available;
        return Ok(Decision::append(StockRefused { head, product, order, line, quantity, available }));
    }
    let available = stock.available - quantity;
    Ok(Decision::append(StockReserved { head, product, order, line, quantity, available }))
}

/// Takes a reservation back. Where there was none, that is kept too: a reservation that is told late must find it.
fn release(states: &impl States, command: ReleaseStock) -> Result<Decision, Rejection> {
    let ReleaseStock { home, id, order, line, at } = command;
    let product = Ref { home, id };
    let quantity = match answered(states, &product, &order, line) {
        Some(Answered { held, at }) if held == Qty::ZERO => return Ok(Decision::Already(at)),
        Some(Answered { held, .. }) => held,
        None => Qty::ZERO,
    };
    let stock = load(states, &product);
    let head = Asked::by_todo(at).head(stock.revision + 1);
    let available = stock.available + quantity;
    Ok(Decision::append(StockReleased { head, product, order, line, quantity, available }))
}

/// What can still be reserved after an event of a stock.
pub(crate) fn available_after(event: &schemas::Event) -> Option<Qty> {
    let schemas::Event::Stock(event) = event else { return None };
    Some(match event {
        Event::StockCounted(event) => event.available,
        Event::StockAdjusted(event) => event.available,
        Event::StockReserved(event) => event.available,
        Event::StockRefused(event) => event.available,
        Event::StockReleased(event) => event.available,
    })
}

/// Whether an event of a stock says that a line is reserved, and what there still was. `None` where it is no answer to
/// [`ReserveStock`].
pub(crate) fn reserved(event: &schemas::Event) -> Option<(bool, Qty)> {
    let schemas::Event::Stock(event) = event else { return None };
    match event {
        Event::StockReserved(event) => Some((true, event.available)),
        Event::StockRefused(event) => Some((false, event.available)),
        Event::StockReleased(event) => Some((false, event.available)),
        Event::StockCounted(_) | Event::StockAdjusted(_) => None,
    }
}

pub(crate) fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
    let at = recorded.position;
    match event {
        Event::StockCounted(StockCounted { head, product, available, of_revision }) => {
            let state =
                StockState { available: *available, revision: head.revision, of_revision: *of_revision };
            write(states, stock_key(product), &state);
            write(states, counted_key(product), &at);
        }
        Event::StockAdjusted(StockAdjusted { head, product, available, .. }) => {
            set(states, product, *available, head.revision);
            asked::note(states, &product.home, head, recorded);
        }
        Event::StockReserved(StockReserved { head, product, order, line, quantity, available }) => {
            set(states, product, *available, head.revision);
            write(states, answer_key(product, order, *line), &Answered { at, held: *quantity });
        }
        Event::StockRefused(StockRefused { head, product, order, line, available, .. }) => {
            set(states, product, *available, head.revision);
            write(states, answer_key(product, order, *line), &Answered { at, held: Qty::ZERO });
        }
        Event::StockReleased(StockReleased { head, product, order, line, available, .. }) => {
            set(states, product, *available, head.revision);
            write(states, answer_key(product, order, *line), &Answered { at, held: Qty::ZERO });
        }
    }
}

fn set(states: &mut impl States, product: &Ref, available: Qty, revision: i32) {
    let former = load(states, product);
    write(states, stock_key(product), &StockState { available, revision, ..former });
}

fn answered(states: &impl States, product: &Ref, order: &Ref, line: i32) -> Option<Answered> {
    read(states, &answer_key(product, order, line))
}

fn stock_key(product: &Ref) -> Vec<u8> {
    [b"q", product.home.as_bytes(), &[0], product.id.as_bytes()].concat()
}

/// The key of the position of the last count.
fn counted_key(product: &Ref) -> Vec<u8> {
    [b"cq", product.home.as_bytes(), &[0], product.id.as_bytes()].concat()
}

fn answer_key(product: &Ref, order: &Ref, line: i32) -> Vec<u8> {
    let parts = [&product.home, &product.id, &order.home, &order.id];
    let mut key = vec![b'h'];
    for part in parts {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
    key.extend_from_slice(&line.to_be_bytes());
    key
}
