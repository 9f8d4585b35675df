//! What the receipts of a window add up to. Pure: the same slices give the same events, in whatever order
//! the partitions were read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use schemas::Money;
use schemas::analytics::{CategorySums, PlaceHourComputed, Sums};
use schemas::receipts::{Receipt, ReceiptRecorded, ReceiptVoided};

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
#[derive(Default)]
pub(crate) struct WindowFold {
    /// Receipts recorded in the window.
    pub(crate) recorded: i64,
    /// Receipts voided in the window.
    pub(crate) voided: i64,
    places: BTreeMap<Box<str>, Place>,
    names: CategoryNames,
}

/// Places share the names of their categories: here they have numbers.
#[derive(Default)]
struct CategoryNames {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

struct Place {
    name: Box<str>,
    /// Of the receipt the name is from. A recorded receipt's name beats a voided one's, which may be old.
    name_from: (bool, Arrival),
    recorded: i64,
    voided: i64,
    total: i128,
    tax: i128,
    tips: i128,
    /// By number. Whoever may send receipts decides how many they are.
    categories: HashMap<u32, Category>,
}

/// Amounts here are hundredths: sums of any receipts fit, so that order cannot matter.
#[derive(Default)]
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
        self.add(&event.receipt, (true, arrival), 1).recorded += 1;
    }

    /// Takes a receipt out, in whichever window it was recorded.
    pub(crate) fn void(&mut self, event: &ReceiptVoided, arrival: Arrival) {
        self.voided += 1;
        self.add(&event.receipt, (false, arrival), -1).voided += 1;
    }

    /// Adds the receipt's amounts `times` times, once or minus once, to its place.
    fn add(&mut self, receipt: &Receipt, from: (bool, Arrival), times: i128) -> &mut Place {
        let place_id = receipt.place_id.as_str();
        if !self.places.contains_key(place_id) {
            self.places.insert(place_id.into(), Place::new(&receipt.place_name, from));
        }
        let place = self.places.get_mut(place_id).expect("it was just inserted");
        if from > place.name_from {
            place.name_from = from;
            place.name = receipt.place_name.as_str().into();
        }
        place.total += times * receipt.total_amount.minor_units();
        place.tax += times * receipt.tax_amount.minor_units();
        place.tips += times * receipt.tips_amount.minor_units();
        for item in &receipt.items {
            let category = place.categories.entry(self.names.number(&item.category)).or_default();
            let quantity = times * i128::from(item.quantity);
            category.quantity += quantity;
            // Both factors are far below 2^64.
            let amount = quantity.saturating_mul(item.price.minor_units());
            category.amount = category.amount.saturating_add(amount);
        }
        place
    }

    /// The places' windows in the order of `place_id`, each whole, their running totals upon those of the windows before.
    pub(crate) fn into_places(
        self,
        window: Window,
        before: &Figures,
    ) -> impl Iterator<Item = PlaceHourComputed> {
        let names = self.names;
        self.places.into_iter().map(move |(id, place)| place.computed(window, id.into(), &names, before))
    }
}

impl CategoryNames {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).expect("memory ends before 2^32 names");
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }
}

impl Place {
    fn new(name: &str, from: (bool, Arrival)) -> Self {
        Self {
            name: name.into(),
            name_from: from,
            recorded: 0,
            voided: 0,
            total: 0,
            tax: 0,
            tips: 0,
            categories: HashMap::new(),
        }
    }

    fn computed(
        self,
        window: Window,
        place_id: String,
        names: &CategoryNames,
        before: &Figures,
    ) -> PlaceHourComputed {
        let purchases = self.recorded - self.voided;
        let sums = Sums {
            purchases,
            total_amount: money(self.total),
            tax_amount: money(self.tax),
            tips_amount: money(self.tips),
            ..Sums::default()
        };
        let running = before.running(&place_id);
        let running = Sums {
            purchases: running.purchases.saturating_add(purchases),
            total_amount: plus(running.total_amount, self.total),
            tax_amount: plus(running.tax_amount, self.tax),
            tips_amount: plus(running.tips_amount, self.tips),
            ..running
        };
        let categories = self.categories.into_iter();
        let mut categories: Vec<_> = categories
            .map(|(number, category)| category.computed(names.name(number), &place_id, before))
            .collect();
        categories.sort_unstable_by(|one, other| one.category.cmp(&other.category));
        PlaceHourComputed {
            window_start: window.start,
            window_end: window.end,
            place_name: self.name.into(),
            recorded: self.recorded,
            voided: self.voided,
            average_receipt: sums.total_amount.average_over(purchases),
            sums,
            categories,
            running,
            place_id,
            part: 0,
            parts: 1,
        }
    }
}

impl Category {
    fn computed(&self, name: &str, place_id: &str, before: &Figures) -> CategorySums {
        let running = before.running_category(place_id, name);
        CategorySums {
            quantity: pieces(self.quantity),
            amount: money(self.amount),
            running_quantity: pieces(i128::from(running.quantity).saturating_add(self.quantity)),
            running_amount: plus(running.amount, self.amount),
            thousandths: 0,
            running_thousandths: running.thousandths,
            category: name.to_owned(),
        }
    }
}

/// The largest amount events can hold, in hundredths (2^96 - 1). No honest shop gets there, but receipts of the largest
/// quantities and prices are valid, and however many there are of them, they must not stop the figures of all others.
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
