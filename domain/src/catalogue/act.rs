//! How the to-dos of the catalogue are done.

use chrono::{DateTime, Utc};
use schemas::Ref;
use uuid::Uuid;

use super::product::NoteStockSet;
use super::todo::Todo;
use crate::Act;
use crate::stock::{CountStock, available_after};

impl Todo {
    pub(crate) fn act(&self, cause: Uuid, now: DateTime<Utc>) -> Act {
        let Self::CountStock { product: Ref { home, id }, available, revision } = self.clone();
        let count = CountStock { home: home.clone(), id: id.clone(), available, revision, at: now };
        Act::tell(vec![count.into()], move |events| {
            let available = events.iter().find_map(available_after).unwrap_or(available);
            NoteStockSet { home, id, cause, available, at: now }
        })
    }
}
