//! The running totals of every place, as the events of the closed windows say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use schemas::{Money, PlaceHourComputed, Sums};

/// What all closed windows add up to: a few hundred bytes a place.
#[derive(Default)]
pub(crate) struct Figures {
    places: HashMap<Box<str>, Totals>,
    /// Places share the names of their categories.
    names: HashSet<Arc<str>>,
}

#[derive(Default)]
struct Totals {
    running: Sums,
    /// In the order of their names.
    categories: Vec<CategoryTotals>,
}

struct CategoryTotals {
    name: Arc<str>,
    quantity: i64,
    amount: Money,
}

impl Totals {
    fn find(&self, category: &str) -> Result<usize, usize> {
        self.categories.binary_search_by(|known| (*known.name).cmp(category))
    }
}

impl Figures {
    /// Takes in a place's latest window. Events carry totals, not differences: one taken in twice changes
    /// nothing.
    pub(crate) fn apply(&mut self, event: &PlaceHourComputed) {
        if !self.places.contains_key(event.place_id.as_str()) {
            self.places.insert(event.place_id.as_str().into(), Totals::default());
        }
        let totals = self.places.get_mut(event.place_id.as_str()).expect("it was just inserted");
        totals.running = event.running.clone();
        for sums in &event.categories {
            let (quantity, amount) = (sums.running_quantity, sums.running_amount);
            match totals.find(&sums.category) {
                Ok(index) => {
                    totals.categories[index].quantity = quantity;
                    totals.categories[index].amount = amount;
                }
                Err(index) => {
                    let name = shared(&mut self.names, &sums.category);
                    // Most places have few categories and get them early: no room to spare for each.
                    totals.categories.reserve_exact(1);
                    totals.categories.insert(index, CategoryTotals { name, quantity, amount });
                }
            }
        }
    }

    /// How many places have ever had receipts.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    /// A place's totals over all closed windows.
    pub(crate) fn running(&self, place_id: &str) -> Sums {
        self.places.get(place_id).map(|totals| totals.running.clone()).unwrap_or_default()
    }

    /// Pieces and amount of a place's category over all closed windows.
    pub(crate) fn running_category(&self, place_id: &str, category: &str) -> (i64, Money) {
        let Some(totals) = self.places.get(place_id) else { return (0, Money::ZERO) };
        match totals.find(category) {
            Ok(index) => (totals.categories[index].quantity, totals.categories[index].amount),
            Err(_) => (0, Money::ZERO),
        }
    }
}

fn shared(names: &mut HashSet<Arc<str>>, name: &str) -> Arc<str> {
    if let Some(known) = names.get(name) {
        return Arc::clone(known);
    }
    let new: Arc<str> = name.into();
    names.insert(Arc::clone(&new));
    new
}
