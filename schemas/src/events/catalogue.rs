//! Sellers, products and cashback types: what is for sale, and at what price.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Head, Ref};
use crate::{Exact, Money, Qty};

/// A seller was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerListed {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The seller.
    pub seller: Ref,
    /// Whose it is: v1, or a contract's own.
    pub scope: String,
    /// As customers read it.
    pub name: String,
    /// More words on it; may be empty.
    pub description: String,
    /// Where the shop is; may be empty.
    pub address: String,
    /// The accounts that may change it and its products.
    pub managers: Vec<Ref>,
}

/// A seller is as follows from here on: all fields are as they are afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerChanged {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The seller.
    pub seller: Ref,
    /// Whose it is: v1, or a contract's own.
    pub scope: String,
    /// As customers read it.
    pub name: String,
    /// More words on it; may be empty.
    pub description: String,
    /// Where the shop is; may be empty.
    pub address: String,
    /// The accounts that may change it and its products.
    pub managers: Vec<Ref>,
}

/// A seller was taken off the lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellerRemoved {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The seller.
    pub seller: Ref,
}

/// A product was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductListed {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// Whose it is: v1, or a contract's own.
    pub scope: String,
    /// Whose product it is.
    pub seller: Option<Ref>,
    /// As customers read it.
    pub title: String,
    /// More words on it.
    pub description: Option<String>,
    /// The part of the menu or the shop that it is in; may be empty.
    pub section: String,
    /// The price of one unit, where it has one.
    pub price: Option<Money>,
    /// The deployment's, three letters.
    pub currency: String,
    /// False: listed, and not sold now.
    pub active: bool,
    /// Whether its stock is counted, so that orders reserve it.
    pub counts_stock: bool,
    /// Whether the last piece is not sold.
    pub keep_one: bool,
    /// Wishes the stock to be set to this count.
    pub count: Option<Qty>,
}

/// A product is as follows from here on: all fields are as they are afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductChanged {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// Whose it is: v1, or a contract's own.
    pub scope: String,
    /// Whose product it is.
    pub seller: Option<Ref>,
    /// As customers read it.
    pub title: String,
    /// More words on it.
    pub description: Option<String>,
    /// The part of the menu or the shop that it is in; may be empty.
    pub section: String,
    /// The price of one unit, where it has one.
    pub price: Option<Money>,
    /// The deployment's, three letters.
    pub currency: String,
    /// False: listed, and not sold now.
    pub active: bool,
    /// Whether its stock is counted, so that orders reserve it.
    pub counts_stock: bool,
    /// Whether the last piece is not sold.
    pub keep_one: bool,
    /// Wishes the stock to be set to this count.
    pub count: Option<Qty>,
}

/// A product was taken off the lists: it is not sold any more, and old orders keep its title.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductRemoved {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
}

/// The stock has heard of the count that an event of the product had wished for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductStockSet {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The product.
    pub product: Ref,
    /// The id of the event that wished for it.
    pub cause: Uuid,
    /// What the stock has after it.
    pub available: Qty,
}

/// A cashback type was listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashbackTypeListed {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The type.
    pub cashback_type: Ref,
    /// The contract's own.
    pub scope: String,
    /// Unique in its home, whatever its letters' case and blanks.
    pub name: String,
    /// Cashback of one unit of money.
    pub rate: Exact,
}

/// A cashback type is as follows from here on: all fields are as they are afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashbackTypeChanged {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The type.
    pub cashback_type: Ref,
    /// The contract's own.
    pub scope: String,
    /// Unique in its home, whatever its letters' case and blanks.
    pub name: String,
    /// Cashback of one unit of money.
    pub rate: Exact,
}

/// A cashback type was taken off the lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CashbackTypeRemoved {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The type.
    pub cashback_type: Ref,
}

stream! { Catalogue keyed by home, named id;
    SellerListed: "seller_listed/v1";
    SellerChanged: "seller_changed/v1";
    SellerRemoved: "seller_removed/v1";
    ProductListed: "product_listed/v1";
    ProductChanged: "product_changed/v1";
    ProductRemoved: "product_removed/v1";
    ProductStockSet: "product_stock_set/v1";
    CashbackTypeListed: "cashback_type_listed/v1";
    CashbackTypeChanged: "cashback_type_changed/v1";
    CashbackTypeRemoved: "cashback_type_removed/v1";
}

fn home(event: &Event) -> Cow<'_, str> {
    aggregate(event).home.as_str().into()
}

/// Sellers, products and types have numbers of their own within a home, so that the word before the number tells them apart.
fn id(event: &Event) -> Cow<'_, str> {
    let kind = match event {
        Event::SellerListed(_) | Event::SellerChanged(_) | Event::SellerRemoved(_) => "seller",
        Event::ProductListed(_)
        | Event::ProductChanged(_)
        | Event::ProductRemoved(_)
        | Event::ProductStockSet(_) => "product",
        Event::CashbackTypeListed(_) | Event::CashbackTypeChanged(_) | Event::CashbackTypeRemoved(_) => {
            "type"
        }
    };
    format!("{kind}/{}", aggregate(event).id).into()
}

/// The aggregate that the event belongs to.
fn aggregate(event: &Event) -> &Ref {
    match event {
        Event::SellerListed(event) => &event.seller,
        Event::SellerChanged(event) => &event.seller,
        Event::SellerRemoved(event) => &event.seller,
        Event::ProductListed(event) => &event.product,
        Event::ProductChanged(event) => &event.product,
        Event::ProductRemoved(event) => &event.product,
        Event::ProductStockSet(event) => &event.product,
        Event::CashbackTypeListed(event) => &event.cashback_type,
        Event::CashbackTypeChanged(event) => &event.cashback_type,
        Event::CashbackTypeRemoved(event) => &event.cashback_type,
    }
}
