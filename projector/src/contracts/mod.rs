//! The reads of drop-in contracts, each if `TILL_CONTRACTS` names it.

mod list;

use crate::http::App;
use crate::settings::Settings;

contracts::served!();
