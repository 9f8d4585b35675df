//! The to-dos of orders.

use schemas::{Qty, Ref};
use serde::{Deserialize, Serialize};

use crate::Sort;

/// What an order still owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {
    /// Products are to be reserved: done by `ReserveStock` at each, settled by `SettleStock`.
    Reserve {
        /// The order.
        order: Ref,
        /// Line, product and quantity of each.
        lines: Vec<(i32, Ref, Qty)>,
    },
    /// Reservations are to be given back: done by `ReleaseStock` at each product, settled by `NoteStockReleased`.
    Release {
        /// The order.
        order: Ref,
        /// Line and product of each.
        lines: Vec<(i32, Ref)>,
    },
    /// An order that is not settled by then is to be cancelled: due at its deadline, done by `CancelOrder`.
    Watch {
        /// The order.
        order: Ref,
    },
}

impl Todo {
    pub(crate) const fn sort(&self) -> Sort {
        match self {
            Self::Reserve { .. } | Self::Release { .. } => Sort::Tell,
            Self::Watch { .. } => Sort::Command,
        }
    }

    /// The lane of an order's to-dos that reach stocks.
    pub(super) fn lane(order: &Ref) -> String {
        format!("stock {}/{}", order.home, order.id)
    }
}
