//! What events change in the figures, gathered in memory. Shares are signed and only added up, so the order in which partitions are
//! read does not matter.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use schemas::orders::{self, Share};
use schemas::{Event, Head, Ref};

use crate::log::record::EventRecord;
use crate::projections::business_time::{in_writable_years, is_writable};
use crate::projections::definition::FoldError;

/// What shares add up to. Tables of products and of entries leave out what they have no columns for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub orders: i64,
    pub quantity: Decimal,
    pub sold: Decimal,
    pub approved: Decimal,
    pub refunded: Decimal,
}

/// Whose figures they are. Where nobody sells, the seller's home and id are empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    pub seller: Ref,
    pub scope: String,
}

/// A seller's figures of one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub totals: Sums,
    pub days: BTreeMap<NaiveDate, Day>,
    pub entries: BTreeMap<Ref, Entry>,
}

/// A seller's figures of one day, in all and by product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    pub sums: Sums,
    pub products: BTreeMap<Ref, Sums>,
}

/// What an order has brought a seller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When the first share of it was recorded.
    pub at: DateTime<Utc>,
    pub sums: Sums,
}

/// What events change: differences to the rows, by the rows' keys and in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub accounts: BTreeMap<Account, Figures>,
    /// How many rows of all tables the differences are of.
    pub rows: usize,
}

impl Sums {
    /// Adds a share. A sum past 28 digits is an error, where `+` would panic.
    fn add(&mut self, share: &Share) -> Result<(), FoldError> {
        self.orders = self.orders.checked_add(share.orders.into()).ok_or(FoldError::Overflow)?;
        for (sum, amount) in [
            (&mut self.quantity, share.quantity.decimal()),
            (&mut self.sold, share.sold.decimal()),
            (&mut self.approved, share.approved.decimal()),
            (&mut self.refunded, share.refunded.decimal()),
        ] {
            *sum = sum.checked_add(amount).ok_or(FoldError::Overflow)?;
        }
        Ok(())
    }
}

impl Account {
    fn of(share: &Share) -> Self {
        let nobody = || Ref { home: String::new(), id: String::new() };
        Self { seller: share.seller.clone().unwrap_or_else(nobody), scope: share.scope.clone() }
    }
}

impl Changes {
    /// Gathers what events change. Days are of the zone.
    ///
    /// # Errors
    /// When a sum leaves what the columns hold.
    pub fn of(events: &[EventRecord<'_>], zone: Tz) -> Result<Self, FoldError> {
        let mut changes = Self::default();
        changes.apply(events, zone)?;
        Ok(changes)
    }

    /// Gathers what further events change.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn apply(&mut self, events: &[EventRecord<'_>], zone: Tz) -> Result<(), FoldError> {
        for folded in events {
            let Event::Orders(event) = folded.event else { continue };
            let Some(Told { head, order, shares }) = told(event) else { continue };
            for share in shares {
                self.add(share, order, in_writable_years(head.at), zone)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, share: &Share, order: &Ref, at: DateTime<Utc>, zone: Tz) -> Result<(), FoldError> {
        let rows = &mut self.rows;
        let figures = self.accounts.entry(Account::of(share)).or_insert_with(|| counted(rows));
        figures.totals.add(share)?;
        let day = figures.days.entry(day_of(at, zone)).or_insert_with(|| counted(rows));
        day.sums.add(share)?;
        day.products.entry(share.product.clone()).or_insert_with(|| counted(rows)).add(share)?;
        let entry = figures.entries.entry(order.clone()).or_insert_with(|| {
            *rows += 1;
            Entry { at, sums: Sums::default() }
        });
        entry.at = entry.at.min(at);
        entry.sums.add(share)
    }
}

/// The day of an instant of the years 1 to 9999. Where the zone puts it into the year before or after, it is the first or the last day of
/// these.
fn day_of(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    let day = at.with_timezone(&zone).date_naive();
    if is_writable(day) { day } else { at.date_naive() }
}

/// A row that is empty yet.
fn counted<R: Default>(rows: &mut usize) -> R {
    *rows += 1;
    R::default()
}

/// What an event says that money moves with.
struct Told<'e> {
    head: &'e Head,
    order: &'e Ref,
    shares: &'e [Share],
}

/// Declares [`told`]: first the events that carry shares, then those that move no money.
macro_rules! events {
    ($($with:ident)+; $($without:ident)+;) => {
        fn told(event: &orders::Event) -> Option<Told<'_>> {
            match event {
                $(orders::Event::$with(event) => {
                    Some(Told { head: &event.head, order: &event.order, shares: &event.shares })
                })+
                $(orders::Event::$without(_))|+ => None,
            }
        }
    };
}

events! {
    OrderPlaced OrderLineRequested OrderLineRemoved OrderStockSettled OrderMoved OrderAmended OrderCancelled PaymentSettled
        RefundSettled;
    OrderOpened OrderStockReleased OrderRemoved OrderDeliveryLinked PaymentSending PaymentSent PaymentChecked RefundRequested;
}

#[cfg(test)]
mod tests;
