//! The to-dos of accounts.

use serde::{Deserialize, Serialize};

use crate::Sort;

/// What an account still owes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {
    /// The timer that ends a login lock: due when the lock ends, done by the command `UnlockLogin`.
    EndLoginLock {
        /// The realm of the locked account.
        realm: String,
        /// The number of the locked account.
        number: i64,
    },
    /// An account that stands in the clear is to be sealed: due at once, done by the command `SealAccount`.
    SealAccount {
        /// The realm of the account.
        realm: String,
        /// The number of the account.
        number: i64,
    },
}

impl Todo {
    pub(crate) const fn sort(&self) -> Sort {
        match self {
            Self::EndLoginLock { .. } | Self::SealAccount { .. } => Sort::Command,
        }
    }
}
