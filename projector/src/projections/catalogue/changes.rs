//! How what is for sale ends up after a batch: a statement may write a row only once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemas::catalogue::{
    CashbackTypeChanged, CashbackTypeListed, CashbackTypeRemoved, Event, ProductChanged, ProductListed,
    ProductRemoved, SellerChanged, SellerListed, SellerRemoved,
};
use schemas::{Exact, Head, Money, Ref};

/// The home of a seller, product or cashback type, and its id there.
pub type Place<'e> = (&'e str, &'e str);

/// A seller as an event says it is from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seller<'e> {
    pub scope: &'e str,
    pub name: &'e str,
    pub description: &'e str,
    pub address: &'e str,
    pub managers: &'e [Ref],
}

/// A product as an event says it is from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product<'e> {
    pub scope: &'e str,
    pub seller: Option<&'e Ref>,
    pub title: &'e str,
    pub description: Option<&'e str>,
    pub section: &'e str,
    pub price: Option<Money>,
    pub currency: &'e str,
    pub active: bool,
    pub counts_stock: bool,
    pub keep_one: bool,
}

/// A cashback type as an event says it is from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CashbackType<'e> {
    pub scope: &'e str,
    pub name: &'e str,
    pub rate: Exact,
}

/// What something is at the end of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'e, T> {
    /// When it was listed, where that was in the batch.
    pub listed_at: Option<DateTime<Utc>>,
    /// Of the last event.
    pub head: &'e Head,
    pub content: T,
}

/// What is to be written of things of one kind: first what they are, then which of them are removed.
#[derive(Debug)]
pub struct Kind<'e, T> {
    pub written: BTreeMap<Place<'e>, Written<'e, T>>,
    pub removed: BTreeMap<Place<'e>, &'e Head>,
}

impl<T> Default for Kind<'_, T> {
    fn default() -> Self {
        Self { written: BTreeMap::new(), removed: BTreeMap::new() }
    }
}

impl<'e, T> Kind<'e, T> {
    fn list(&mut self, aggregate: &'e Ref, head: &'e Head, content: T) {
        let place = place(aggregate);
        self.removed.remove(&place);
        self.written.insert(place, Written { listed_at: Some(head.at), head, content });
    }

    fn change(&mut self, aggregate: &'e Ref, head: &'e Head, content: T) {
        let place = place(aggregate);
        let listed_at = self.written.get(&place).and_then(|former| former.listed_at);
        self.written.insert(place, Written { listed_at, head, content });
    }

    fn remove(&mut self, aggregate: &'e Ref, head: &'e Head) {
        self.removed.insert(place(aggregate), head);
    }
}

/// What is to be written of a batch.
#[derive(Debug, Default)]
pub struct Changes<'e> {
    pub sellers: Kind<'e, Seller<'e>>,
    pub products: Kind<'e, Product<'e>>,
    pub cashback_types: Kind<'e, CashbackType<'e>>,
}

impl<'e> Changes<'e> {
    /// Takes the next event of the log.
    pub fn take(&mut self, event: &'e Event) {
        match event {
            Event::SellerListed(event) => {
                let SellerListed { head, seller, scope, name, description, address, managers } = event;
                self.sellers.list(seller, head, Seller { scope, name, description, address, managers });
            }
            Event::SellerChanged(event) => {
                let SellerChanged { head, seller, scope, name, description, address, managers } = event;
                self.sellers.change(seller, head, Seller { scope, name, description, address, managers });
            }
            Event::SellerRemoved(SellerRemoved { head, seller }) => self.sellers.remove(seller, head),
            Event::ProductListed(event) => self.products.list(&event.product, &event.head, listed(event)),
            Event::ProductChanged(event) => self.products.change(&event.product, &event.head, changed(event)),
            Event::ProductRemoved(ProductRemoved { head, product }) => self.products.remove(product, head),
            // What there is of a product is folded from the topic of stocks.
            Event::ProductStockSet(_) => {}
            Event::CashbackTypeListed(CashbackTypeListed { head, cashback_type, scope, name, rate }) => {
                self.cashback_types.list(cashback_type, head, CashbackType { scope, name, rate: *rate });
            }
            Event::CashbackTypeChanged(CashbackTypeChanged { head, cashback_type, scope, name, rate }) => {
                self.cashback_types.change(cashback_type, head, CashbackType { scope, name, rate: *rate });
            }
            Event::CashbackTypeRemoved(CashbackTypeRemoved { head, cashback_type }) => {
                self.cashback_types.remove(cashback_type, head);
            }
        }
    }
}

fn listed(event: &ProductListed) -> Product<'_> {
    Product {
        scope: &event.scope,
        seller: event.seller.as_ref(),
        title: &event.title,
        description: event.description.as_deref(),
        section: &event.section,
        price: event.price,
        currency: &event.currency,
        active: event.active,
        counts_stock: event.counts_stock,
        keep_one: event.keep_one,
    }
}

fn changed(event: &ProductChanged) -> Product<'_> {
    Product {
        scope: &event.scope,
        seller: event.seller.as_ref(),
        title: &event.title,
        description: event.description.as_deref(),
        section: &event.section,
        price: event.price,
        currency: &event.currency,
        active: event.active,
        counts_stock: event.counts_stock,
        keep_one: event.keep_one,
    }
}

pub fn place(aggregate: &Ref) -> Place<'_> {
    (&aggregate.home, &aggregate.id)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn head(second: i64, revision: i32) -> Head {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        Head { at, by: "till/1".into(), revision, key: None, print: None }
    }

    fn cashback_type() -> Ref {
        Ref { home: "cashback.002".into(), id: "7".into() }
    }

    fn listed(second: i64) -> Event {
        let (head, cashback_type, scope) = (head(second, 1), cashback_type(), "cashback".into());
        let (name, rate) = ("A".into(), Exact::from(1));
        Event::CashbackTypeListed(CashbackTypeListed { head, cashback_type, scope, name, rate })
    }

    fn changed(second: i64, revision: i32) -> Event {
        let (head, cashback_type, scope) = (head(second, revision), cashback_type(), "cashback".into());
        let (name, rate) = ("B".into(), Exact::from(2));
        Event::CashbackTypeChanged(CashbackTypeChanged { head, cashback_type, scope, name, rate })
    }

    fn removed(second: i64) -> Event {
        let (head, cashback_type) = (head(second, 9), cashback_type());
        Event::CashbackTypeRemoved(CashbackTypeRemoved { head, cashback_type })
    }

    fn types(events: &[Event]) -> Kind<'_, CashbackType<'_>> {
        let mut changes = Changes::default();
        for event in events {
            changes.take(event);
        }
        changes.cashback_types
    }

    #[test]
    fn what_is_listed_and_changed_is_written_as_changed_and_keeps_when_it_was_listed() {
        let events = [listed(1), changed(2, 2), changed(3, 3)];
        let written = types(&events).written[&("cashback.002", "7")];
        assert_eq!(written.listed_at, Some(head(1, 1).at));
        assert_eq!((written.head.revision, written.content.name), (3, "B"));
        let written = types(&events[1..]).written[&("cashback.002", "7")];
        assert_eq!((written.listed_at, written.head.revision), (None, 3));
    }

    #[test]
    fn what_is_listed_anew_is_not_removed() {
        let events = [changed(1, 2), removed(2), listed(3)];
        assert!(types(&events).removed.is_empty());
        assert_eq!(types(&events[..2]).removed.len(), 1);
    }
}
