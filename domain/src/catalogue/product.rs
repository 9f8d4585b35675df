//! Products: listed, changed, removed, and told what their stock is.

use chrono::{DateTime, Utc};
use schemas::catalogue::{ProductChanged, ProductListed, ProductRemoved, ProductStockSet};
use schemas::{Head, Money, Qty, Ref};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rejection::Rejection;
use super::seller;
use super::state::{Kind, Version, before, key, new_id, note_number};
use super::todo::Todo;
use crate::states::{load as read, save as write};
use crate::{Asked, Decision, Due, Recorded, States, TodoKey, asked, raise, todo};

/// List a product.
#[derive(Clone, Debug)]
pub struct ListProduct {
    /// The home: the product's own UUID, or a contract's.
    pub home: String,
    /// The product's id within it, empty in a home of its own; `None`: the home's next number.
    pub id: Option<String>,
    /// Whose product it is: `v1`, or a contract's own scope.
    pub scope: String,
    /// What the product is.
    pub content: ProductContent,
    /// How much of it there is, where its stock is counted.
    pub count: Option<Qty>,
    /// Who asks.
    pub asked: Asked,
}

/// Change a product.
#[derive(Clone, Debug)]
pub struct ChangeProduct {
    /// The home of the product.
    pub home: String,
    /// The product's id within it.
    pub id: String,
    /// The revision that the change was made from; `None`: whichever there is.
    pub revision: Option<i32>,
    /// What is changed.
    pub change: ProductChange,
    /// How much of it there is, where its stock was counted.
    pub count: Option<Qty>,
    /// Who asks.
    pub asked: Asked,
}

/// Take a product off the lists.
#[derive(Clone, Debug)]
pub struct RemoveProduct {
    /// The home of the product.
    pub home: String,
    /// The product's id within it.
    pub id: String,
    /// Who asks.
    pub asked: Asked,
}

/// Note that the stock took a count of the product.
#[derive(Clone, Debug)]
pub struct NoteStockSet {
    /// The home of the product.
    pub home: String,
    /// The product's id within it.
    pub id: String,
    /// The id of the event that wished for it.
    pub cause: Uuid,
    /// What the stock has.
    pub available: Qty,
    /// The instant, by the clock of the shard's owner.
    pub at: DateTime<Utc>,
}

/// What a product is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductContent {
    /// Whose product it is.
    pub seller: Option<Ref>,
    /// The title, as customers read it.
    pub title: String,
    /// More words on it.
    pub description: Option<String>,
    /// The part of the menu or the shop that it is in; may be empty.
    pub section: String,
    /// Of one unit; without a price it is not sold.
    pub price: Option<Money>,
    /// The deployment's currency, three letters.
    pub currency: String,
    /// Whether it is sold now.
    pub active: bool,
    /// Whether its stock is counted, so that orders reserve it.
    pub counts_stock: bool,
    /// Whether the last piece is not sold.
    pub keep_one: bool,
}

/// What is changed of a product; `None`: nothing.
#[derive(Clone, Debug, Default)]
pub struct ProductChange {
    /// Whose product it is from here on.
    pub seller: Option<Option<Ref>>,
    /// The title from here on.
    pub title: Option<String>,
    /// The description from here on.
    pub description: Option<Option<String>>,
    /// The section from here on.
    pub section: Option<String>,
    /// The price from here on.
    pub price: Option<Option<Money>>,
    /// Whether it is sold from here on.
    pub active: Option<bool>,
    /// Whether its stock is counted from here on.
    pub counts_stock: Option<bool>,
    /// Whether the last piece is not sold from here on.
    pub keep_one: Option<bool>,
}

impl ProductChange {
    fn of(self, former: ProductContent) -> ProductContent {
        ProductContent {
            seller: self.seller.unwrap_or(former.seller),
            title: self.title.unwrap_or(former.title),
            description: self.description.unwrap_or(former.description),
            section: self.section.unwrap_or(former.section),
            price: self.price.unwrap_or(former.price),
            currency: former.currency,
            active: self.active.unwrap_or(former.active),
            counts_stock: self.counts_stock.unwrap_or(former.counts_stock),
            keep_one: self.keep_one.unwrap_or(former.keep_one),
        }
    }
}

/// The state of a product, under `p`, its home and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductState {
    /// Whose product it is: `v1`, or a contract's own scope.
    pub scope: String,
    /// What it is.
    pub content: ProductContent,
    /// How often it was changed, and when.
    pub version: Version,
    /// The events whose counts the stock was not told yet, with the to-dos that tell it.
    counting: Vec<(Uuid, TodoKey)>,
}

impl ProductState {
    /// The price, where the product can be ordered now.
    #[must_use]
    pub fn price(&self) -> Option<Money> {
        self.content.price.filter(|_| self.content.active && !self.version.is_removed)
    }
}

/// The product, where it is known and was not removed.
pub fn load(states: &impl States, product: &Ref) -> Option<ProductState> {
    known(states, &product.home, &product.id).filter(|product| !product.version.is_removed)
}

fn known(states: &impl States, home: &str, id: &str) -> Option<ProductState> {
    read(states, &key(Kind::Product, home, id))
}

/// The event that a product is listed or changed by. Both have the same fields, and are two types.
macro_rules! event_of {
    ($event:ident: $head:ident, $product:ident, $scope:ident, $content:ident, $count:ident) => {
        $event {
            head: $head,
            product: $product,
            scope: $scope,
            seller: $content.seller,
            title: $content.title,
            description: $content.description,
            section: $content.section,
            price: $content.price,
            currency: $content.currency,
            active: $content.active,
            counts_stock: $content.counts_stock,
            keep_one: $content.keep_one,
            count: $count,
        }
    };
}

/// What a product is after such an event.
macro_rules! content_of {
    ($event:ident) => {
        ProductContent {
            seller: $event.seller.clone(),
            title: $event.title.clone(),
            description: $event.description.clone(),
            section: $event.section.clone(),
            price: $event.price,
            currency: $event.currency.clone(),
            active: $event.active,
            counts_stock: $event.counts_stock,
            keep_one: $event.keep_one,
        }
    };
}

pub(super) fn list(states: &impl States, command: ListProduct) -> Result<Decision, Rejection> {
    let ListProduct { home, id, scope, content, count, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let id = new_id(states, Kind::Product, &home, id)?;
    refuse_uncounted(&content, count)?;
    refuse_unknown(states, content.seller.as_ref())?;
    let (head, product) = (asked.head(1), Ref { home, id });
    Ok(Decision::append(event_of!(ProductListed: head, product, scope, content, count)))
}

pub(super) fn change(states: &impl States, command: ChangeProduct) -> Result<Decision, Rejection> {
    let ChangeProduct { home, id, revision, change, count, asked } = command;
    if let Some(before) = before(states, &home, &asked)? {
        return Ok(Decision::Already(before));
    }
    let product = Ref { home, id };
    let state = load(states, &product).ok_or(Rejection::ProductUnknown)?;
    state.version.expect(revision)?;
    let former = state.content.seller.clone();
    let content = change.of(state.content);
    refuse_uncounted(&content, count)?;
    refuse_unknown(states, content.seller.as_ref().filter(|seller| former.as_ref() != Some(seller)))?;
    let (head, scope) = (asked.head(state.version.revision + 1), state.scope);
    Ok(Decision::append(event_of!(ProductChanged: head, product, scope, content, count)))
}

/// Removes the product: it is not sold any more. Orders that have it keep its title and price.
pub(super) fn remove(states: &impl States, command: RemoveProduct) -> Result<Decision, Rejection> {
    let RemoveProduct { home, id, asked } = command;
    let state = known(states, &home, &id).ok_or(Rejection::ProductUnknown)?;
    if state.version.is_removed {
        return Ok(Decision::Already(state.version.changed_at));
    }
    let head = asked.head(state.version.revision + 1);
    Ok(Decision::append(ProductRemoved { head, product: Ref { home, id } }))
}

/// Notes what the stock has, where the to-do that told it is still open.
pub(super) fn note_stock_set(states: &impl States, command: NoteStockSet) -> Result<Decision, Rejection> {
    let NoteStockSet { home, id, cause, available, at } = command;
    let state = known(states, &home, &id).ok_or(Rejection::ProductUnknown)?;
    if !state.counting.iter().any(|(open, _)| *open == cause) {
        return Ok(Decision::Already(state.version.changed_at));
    }
    let head = Asked::by_todo(at).head(state.version.revision);
    Ok(Decision::append(ProductStockSet { head, product: Ref { home, id }, cause, available }))
}

fn refuse_uncounted(content: &ProductContent, count: Option<Qty>) -> Result<(), Rejection> {
    if count.is_some() && !content.counts_stock { Err(Rejection::NotCounted) } else { Ok(()) }
}

/// Refuses a seller that is not there. Sellers of other homes are as the store has them.
fn refuse_unknown(states: &impl States, seller: Option<&Ref>) -> Result<(), Rejection> {
    match seller {
        Some(seller) if seller::load(states, seller).is_none() => Err(Rejection::NoSeller),
        _ => Ok(()),
    }
}

pub(super) fn listed(states: &mut impl States, event: &ProductListed, recorded: &Recorded) {
    let ProductListed { head, product, scope, count, .. } = event;
    let content = content_of!(event);
    let version = Version::first(head.at, recorded.position);
    let counting = owe_count(states, product, head, *count, recorded).into_iter().collect();
    save(states, product, &ProductState { scope: scope.clone(), content, version, counting });
    asked::note(states, &product.home, head, recorded);
    note_number(states, Kind::Product, &product.home, &product.id);
}

pub(super) fn changed(states: &mut impl States, event: &ProductChanged, recorded: &Recorded) {
    let ProductChanged { head, product, scope, count, .. } = event;
    let Some(former) = known(states, &product.home, &product.id) else { return };
    let content = content_of!(event);
    let version = former.version.next(head.revision, head.at, recorded.position);
    let mut counting = former.counting;
    counting.extend(owe_count(states, product, head, *count, recorded));
    save(states, product, &ProductState { scope: scope.clone(), content, version, counting });
    asked::note(states, &product.home, head, recorded);
}

pub(super) fn removed(states: &mut impl States, event: &ProductRemoved, recorded: &Recorded) {
    let ProductRemoved { head, product } = event;
    let Some(mut state) = known(states, &product.home, &product.id) else { return };
    state.version = state.version.next(head.revision, head.at, recorded.position);
    state.version.is_removed = true;
    save(states, product, &state);
}

pub(super) fn stock_set(states: &mut impl States, event: &ProductStockSet) {
    let ProductStockSet { product, cause, .. } = event;
    let Some(mut state) = known(states, &product.home, &product.id) else { return };
    for (_, todo) in state.counting.extract_if(.., |(open, _)| open == cause) {
        todo::settle(states, todo);
    }
    save(states, product, &state);
}

/// Raises the to-do that tells the stock its count, where the event wishes for it. Counts of one product are told in
/// order.
fn owe_count(
    states: &mut impl States,
    product: &Ref,
    head: &Head,
    count: Option<Qty>,
    recorded: &Recorded,
) -> Option<(Uuid, TodoKey)> {
    let todo = Todo::CountStock { product: product.clone(), available: count?, revision: head.revision };
    let lane = Due::InLane(format!("count {}/{}", product.home, product.id));
    Some((recorded.event_id, raise(states, recorded, 0, lane, todo)))
}

fn save(states: &mut impl States, product: &Ref, state: &ProductState) {
    write(states, key(Kind::Product, &product.home, &product.id), state);
}
