//! The to-dos of the catalogue.

use schemas::{Qty, Ref};
use serde::{Deserialize, Serialize};

use crate::Sort;

/// What the catalogue still owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {
    /// A product's stock is to be told its count: done by the command `CountStock`, settled by `NoteStockSet`.
    CountStock {
        /// The product.
        product: Ref,
        /// The count.
        available: Qty,
        /// The product's revision that has the count.
        revision: i32,
    },
}

impl Todo {
    pub(crate) const fn sort(&self) -> Sort {
        match self {
            Self::CountStock { .. } => Sort::Tell,
        }
    }
}
