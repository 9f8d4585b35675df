//! What is for sale: sellers, products with their prices, and cashback types.

mod act;
mod cashback_type;
mod product;
mod rejection;
mod seller;
mod state;
mod todo;

use schemas::catalogue::Event;

pub use cashback_type::{ChangeCashbackType, ListCashbackType, RemoveCashbackType};
pub use product::{
    ChangeProduct, ListProduct, NoteStockSet, ProductChange, ProductContent, ProductState, RemoveProduct,
    load as load_product,
};
pub use rejection::Rejection;
pub use seller::{
    ChangeSeller, ListSeller, RemoveSeller, SellerChange, SellerContent, SellerState, load as load_seller,
};
pub use todo::Todo;

use crate::{Recorded, States};

pub(crate) const FOLD_VERSION: u32 = 1;

commands! { Catalogue at (home);
    ListSeller => seller::list;
    ChangeSeller => seller::change;
    RemoveSeller => seller::remove;
    ListProduct => product::list;
    ChangeProduct => product::change;
    RemoveProduct => product::remove;
    NoteStockSet => product::note_stock_set;
    ListCashbackType => cashback_type::list;
    ChangeCashbackType => cashback_type::change;
    RemoveCashbackType => cashback_type::remove;
}

pub(crate) fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
    match event {
        Event::SellerListed(event) => seller::listed(states, event, recorded),
        Event::SellerChanged(event) => seller::changed(states, event, recorded),
        Event::SellerRemoved(event) => seller::removed(states, event, recorded),
        Event::ProductListed(event) => product::listed(states, event, recorded),
        Event::ProductChanged(event) => product::changed(states, event, recorded),
        Event::ProductRemoved(event) => product::removed(states, event, recorded),
        Event::ProductStockSet(event) => product::stock_set(states, event),
        Event::CashbackTypeListed(event) => cashback_type::listed(states, event, recorded),
        Event::CashbackTypeChanged(event) => cashback_type::changed(states, event, recorded),
        Event::CashbackTypeRemoved(event) => cashback_type::removed(states, event, recorded),
    }
}
