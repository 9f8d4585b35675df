//! The drop-in contracts' writes: each a thin translation into the commands of `/v1`, where `TILL_CONTRACTS` names it.

mod django;

use crate::http::App;
use crate::settings::Settings;

contracts::served!();
