//! The running totals of every place, as the events of the closed windows say.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use schemas::Money;
use schemas::analytics::{PlaceHourComputed, Sums};

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
    /// By name. Whoever may send receipts decides how many they are.
    categories: HashMap<Arc<str>, CategoryRunning>,
}

/// What a category's items add up to over all closed windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CategoryRunning {
    pub(crate) quantity: i64,
    pub(crate) thousandths: i64,
    pub(crate) amount: Money,
}

impl Figures {
    /// Takes in a place's latest closed window, or a part of it. Events carry totals, not differences: one taken in
    /// twice changes nothing.
    pub(crate) fn apply(&mut self, event: &PlaceHourComputed) {
        if !self.places.contains_key(event.place_id.as_str()) {
            self.places.insert(event.place_id.as_str().into(), Totals::default());
        }
        let totals = self.places.get_mut(event.place_id.as_str()).expect("it was just inserted");
        totals.running = event.running.clone();
        for sums in &event.categories {
            let running = CategoryRunning {
                quantity: sums.running_quantity,
                thousandths: sums.running_thousandths,
                amount: sums.running_amount,
            };
            if let Some(known) = totals.categories.get_mut(sums.category.as_str()) {
                *known = running;
            } else {
                totals.categories.insert(shared(&mut self.names, &sums.category), running);
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

    /// A place's category over all closed windows.
    pub(crate) fn running_category(&self, place_id: &str, category: &str) -> CategoryRunning {
        let totals = self.places.get(place_id);
        totals.and_then(|totals| totals.categories.get(category)).copied().unwrap_or_default()
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
