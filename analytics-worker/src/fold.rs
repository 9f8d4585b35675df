//! What the receipts of a window add up to. Pure: the same slices give the same events, in whatever order
//! the partitions were read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::{CategorySums, Money, PlaceHourComputed, Receipt, ReceiptRecorded, ReceiptVoided, Sums};

use crate::figures::Figures;
use crate::window::Window;

/// Where a receipt stands among all: by arrival, then by place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival {
    pub(crate) appended_at: DateTime<Utc>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// The receipts of one window, added up by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WindowFold {
    /// Receipts recorded in the window.
    pub(crate) recorded: i64,
    /// Receipts voided in the window.
    pub(crate) voided: i64,
    places: BTreeMap<String, Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    name: String,
    /// Of the receipt the name is from. A recorded receipt's name beats a voided one's, which may be old.
    name_from: (bool, Arrival),
    recorded: i64,
    voided: i64,
    total: i128,
    tax: i128,
    tips: i128,
    categories: BTreeMap<String, Category>,
}

/// Amounts here are hundredths: sums of any receipts fit, so that order cannot matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Category {
    quantity: i128,
    amount: i128,
}

impl WindowFold {
    /// How many places have receipts.
    pub(crate) fn places(&self) -> i64 {
        i64::try_from(self.places.len()).unwrap_or(i64::MAX)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Adds a receipt. One whose total is not the sum of its items counts as it is: it is a fact.
    pub(crate) fn record(&mut self, event: &ReceiptRecorded, arrival: Arrival) {
        self.recorded += 1;
        let place = self.place(&event.receipt, (true, arrival));
        place.recorded += 1;
        place.add(&event.receipt, 1);
    }

    /// Takes a receipt out, in whichever window it was recorded.
    pub(crate) fn void(&mut self, event: &ReceiptVoided, arrival: Arrival) {
        self.voided += 1;
        let place = self.place(&event.receipt, (false, arrival));
        place.voided += 1;
        place.add(&event.receipt, -1);
    }

    fn place(&mut self, receipt: &Receipt, from: (bool, Arrival)) -> &mut Place {
        if !self.places.contains_key(&receipt.place_id) {
            self.places.insert(receipt.place_id.clone(), Place::new(&receipt.place_name, from));
        }
        let place = self.places.get_mut(&receipt.place_id).expect("it was just inserted");
        if from > place.name_from {
            place.name_from = from;
            place.name.clone_from(&receipt.place_name);
        }
        place
    }

    /// The window's events in the order of `place_id`, their running totals upon those of the windows before.
    pub(crate) fn into_events(
        self,
        window: Window,
        before: &Figures,
    ) -> impl Iterator<Item = PlaceHourComputed> {
        self.places.into_iter().map(move |(place_id, place)| place.computed(window, place_id, before))
    }
}

impl Place {
    fn new(name: &str, from: (bool, Arrival)) -> Self {
        Self {
            name: name.to_owned(),
            name_from: from,
            recorded: 0,
            voided: 0,
            total: 0,
            tax: 0,
            tips: 0,
            categories: BTreeMap::new(),
        }
    }

    /// Adds the receipt's amounts `times` times: once, or minus once.
    fn add(&mut self, receipt: &Receipt, times: i128) {
        self.total += times * receipt.total_amount.minor_units();
        self.tax += times * receipt.tax_amount.minor_units();
        self.tips += times * receipt.tips_amount.minor_units();
        for item in &receipt.items {
            let quantity = times * i128::from(item.quantity);
            // Both factors are far below 2^64.
            let amount = quantity.saturating_mul(item.price.minor_units());
            let category = match self.categories.get_mut(&item.category) {
                Some(category) => category,
                None => self.categories.entry(item.category.clone()).or_default(),
            };
            category.quantity += quantity;
            category.amount = category.amount.saturating_add(amount);
        }
    }

    fn computed(self, window: Window, place_id: String, before: &Figures) -> PlaceHourComputed {
        let purchases = self.recorded - self.voided;
        let sums = Sums {
            purchases,
            total_amount: money(self.total),
            tax_amount: money(self.tax),
            tips_amount: money(self.tips),
        };
        let running = before.running(&place_id);
        let running = Sums {
            purchases: running.purchases.saturating_add(purchases),
            total_amount: plus(running.total_amount, self.total),
            tax_amount: plus(running.tax_amount, self.tax),
            tips_amount: plus(running.tips_amount, self.tips),
        };
        let categories = self.categories.into_iter();
        let categories =
            categories.map(|(name, category)| category.computed(name, &place_id, before)).collect();
        PlaceHourComputed {
            window_start: window.start,
            window_end: window.end,
            place_name: self.name,
            recorded: self.recorded,
            voided: self.voided,
            average_receipt: sums.total_amount.average_over(purchases),
            sums,
            categories,
            running,
            place_id,
        }
    }
}

impl Category {
    fn computed(self, name: String, place_id: &str, before: &Figures) -> CategorySums {
        let (running_quantity, running_amount) = before.running_category(place_id, &name);
        CategorySums {
            quantity: pieces(self.quantity),
            amount: money(self.amount),
            running_quantity: pieces(i128::from(running_quantity).saturating_add(self.quantity)),
            running_amount: plus(running_amount, self.amount),
            category: name,
        }
    }
}

/// The largest amount events can hold, in hundredths (2^96 - 1). No honest shop gets there, but a receipt of
/// 10^18 pieces is valid, and must not stop the figures of all others.
const MONEY_MAX: i128 = (1 << 96) - 1;

fn money(hundredths: i128) -> Money {
    let within = hundredths.clamp(-MONEY_MAX, MONEY_MAX);
    Money::from(Decimal::from_i128_with_scale(within, 2))
}

fn plus(amount: Money, hundredths: i128) -> Money {
    money(amount.minor_units().saturating_add(hundredths))
}

fn pieces(quantity: i128) -> i64 {
    let within = quantity.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    i64::try_from(within).expect("it is clamped")
}

#[cfg(test)]
mod tests;
