//! What events change in the figures, gathered in memory. Receipts add and voids take away, so the order in which partitions
//! are read does not matter.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::receipts::{self, Item, Receipt};
use schemas::{Event, Money};

use crate::log::record::EventRecord;
use crate::projections::business_time::business_time;
use crate::projections::definition::FoldError;

/// What receipts add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub purchases: i64,
    pub total_amount: Decimal,
    pub tax_amount: Decimal,
    pub tips_amount: Decimal,
}

/// What items of a category add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CategorySums {
    pub quantity: i64,
    pub amount: Decimal,
}

/// A place's receipts of one hour, and their items by category.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    pub sums: Sums,
    categories: HashMap<String, CategorySums>,
}

/// A place's receipts, in all and by hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub sums: Sums,
    pub hours: BTreeMap<DateTime<Utc>, Hour>,
}

/// What events change: differences to the rows, by the rows' keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    places: HashMap<String, Place>,
    /// How many rows of all tables the differences are of.
    pub rows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn of(self, amount: Money) -> Money {
        if self == Self::Plus { amount } else { -amount }
    }

    fn count(self, quantity: i64) -> Result<i64, FoldError> {
        if self == Self::Plus { Ok(quantity) } else { quantity.checked_neg().ok_or(FoldError::Overflow) }
    }
}

impl Sums {
    fn apply(&mut self, receipt: &Receipt, sign: Sign) -> Result<(), FoldError> {
        count(&mut self.purchases, sign.count(1)?)?;
        add(&mut self.total_amount, sign.of(receipt.total_amount))?;
        add(&mut self.tax_amount, sign.of(receipt.tax_amount))?;
        add(&mut self.tips_amount, sign.of(receipt.tips_amount))
    }
}

impl CategorySums {
    fn apply(&mut self, item: &Item, sign: Sign) -> Result<(), FoldError> {
        count(&mut self.quantity, sign.count(item.quantity)?)?;
        let amount = item.price.times(item.quantity).ok_or(FoldError::Overflow)?;
        add(&mut self.amount, sign.of(amount))
    }
}

impl Changes {
    /// Gathers what events change.
    ///
    /// # Errors
    /// When a sum leaves what the columns hold.
    pub fn of(events: &[EventRecord<'_>]) -> Result<Self, FoldError> {
        let mut changes = Self::default();
        changes.apply(events)?;
        Ok(changes)
    }

    /// Gathers what further events change.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn apply(&mut self, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
        for folded in events {
            let Event::Receipts(event) = folded.event else { continue };
            match event {
                receipts::Event::ReceiptRecorded(event) => self.receipt(&event.receipt, Sign::Plus)?,
                receipts::Event::ReceiptVoided(event) => self.receipt(&event.receipt, Sign::Minus)?,
            }
        }
        Ok(())
    }

    fn receipt(&mut self, receipt: &Receipt, sign: Sign) -> Result<(), FoldError> {
        let start = hour_of(business_time(receipt))?;
        // Nearly always the row is there already. Looking it up by reference allocates nothing, which `entry` would.
        if !self.places.contains_key(&receipt.place_id) {
            self.places.insert(receipt.place_id.clone(), Place::default());
            self.rows += 1;
        }
        let place = self.places.get_mut(&receipt.place_id).expect("it was just put there");
        place.sums.apply(receipt, sign)?;
        let rows = &mut self.rows;
        let hour = place.hours.entry(start).or_insert_with(|| {
            *rows += 1;
            Hour::default()
        });
        hour.sums.apply(receipt, sign)?;
        for item in &receipt.items {
            if let Some(sums) = hour.categories.get_mut(&item.category) {
                sums.apply(item, sign)?;
                continue;
            }
            *rows += 1;
            hour.categories.entry(item.category.clone()).or_default().apply(item, sign)?;
        }
        Ok(())
    }

    /// The places in the order of their ids, so that neighbours in an index are written one after the other.
    #[must_use]
    pub fn in_key_order(&self) -> BTreeMap<&str, &Place> {
        self.places.iter().map(|(id, place)| (id.as_str(), place)).collect()
    }
}

impl Hour {
    /// The categories in the order of their names.
    #[must_use]
    pub fn in_key_order(&self) -> BTreeMap<&str, &CategorySums> {
        self.categories.iter().map(|(category, sums)| (category.as_str(), sums)).collect()
    }
}

fn hour_of(instant: DateTime<Utc>) -> Result<DateTime<Utc>, FoldError> {
    let seconds = instant.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(3600), 0).ok_or(FoldError::Overflow)
}

/// Adds an amount. A sum past 28 digits is an error, where `+` would panic.
fn add(sum: &mut Decimal, amount: Money) -> Result<(), FoldError> {
    *sum = sum.checked_add(amount.decimal()).ok_or(FoldError::Overflow)?;
    Ok(())
}

fn count(sum: &mut i64, quantity: i64) -> Result<(), FoldError> {
    *sum = sum.checked_add(quantity).ok_or(FoldError::Overflow)?;
    Ok(())
}

#[cfg(test)]
mod tests;
