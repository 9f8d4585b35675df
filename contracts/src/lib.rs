//! The drop-in contracts: the table of them, and what both of a contract's sides say. docs/contracts.md says how each is served.
//!
//! A contract is a line of the table below and a folder of its name in three places: here (words, error shape, nginx's
//! locations), in command-api (its writes) and in projector (its reads). Settings, nginx's sites, the Compose file, the ports of
//! `./till` and the lists in the documents are rendered from the table: `TILL_WRITE=1 cargo test --release -p contracts`.

#[macro_use]
mod table;

pub mod answers;
pub mod django;
pub mod journal;
pub mod served;
pub mod settings;

pub use table::{Contract, Service};

contracts! {
    // folder   constant  number  language  zone            services: name, port, scope and realm
    receipts    RECEIPTS  "003"   "ru"      Europe__Moscow  ["producer" 8130 "v1" "till", "consumer" 8131 "v1" "till"];
    restaurant  RESTAURANT "004"  "pt-br"   UTC             ["restaurant" 8140 "restaurant" "restaurant.004"];
}
