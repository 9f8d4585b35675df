//! Orders: placed, reserved, paid, moved on. What touches a product's stock or a payment provider is a wish of an event.

mod act;
mod moves;
mod payment;
mod place;
mod rejection;
mod rules;
mod state;
mod steps;
mod stock;
mod todo;

use schemas::orders::Event;

pub use moves::{AmendOrder, CancelOrder, MoveOrder, RemoveOrder};
pub use payment::SettlePayment;
pub use place::{MAX_LINES, Payable, PlaceOrder, Price, Wanted, priced};
pub use rejection::Rejection;
pub use rules::{ALL, Fulfilment, On, PaymentStatus, RESTAURANT, Row, Rules, Stage, V1, Who, rules};
pub(crate) use state::has_orders;
pub use state::{Hold, LineState, OrderState, PaymentState, Shown, load, paid_by};
pub use stock::{Answer, NoteStockReleased, SettleStock};
pub use todo::Todo;

use crate::{Recorded, States};

pub(crate) const FOLD_VERSION: u32 = 1;

commands! { Orders at (home);
    PlaceOrder => place::place;
    SettleStock => stock::settle;
    NoteStockReleased => stock::note_released;
    MoveOrder => moves::go;
    AmendOrder => moves::amend;
    CancelOrder => moves::cancel;
    RemoveOrder => moves::remove;
    SettlePayment => payment::settle;
}

pub(crate) fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
    match event {
        Event::OrderOpened(event) => place::opened(states, event, recorded),
        Event::OrderPlaced(event) => place::placed(states, event, recorded),
        Event::OrderLineRequested(event) => stock::requested(states, event, recorded),
        Event::OrderLineRemoved(event) => stock::removed(states, event, recorded),
        Event::OrderStockSettled(event) => stock::settled(states, event, recorded),
        Event::OrderStockReleased(event) => stock::released(states, event, recorded),
        Event::OrderMoved(event) => moves::moved(states, event, recorded),
        Event::OrderAmended(event) => moves::amended(states, event, recorded),
        Event::OrderCancelled(event) => moves::cancelled(states, event, recorded),
        Event::OrderRemoved(event) => moves::removed(states, event, recorded),
        Event::OrderDeliveryLinked(event) => moves::linked(states, event, recorded),
        Event::PaymentSending(event) => payment::sending(states, event, recorded),
        Event::PaymentSent(event) => payment::sent(states, event, recorded),
        Event::PaymentSettled(event) => payment::settled(states, event, recorded),
        Event::PaymentChecked(event) => payment::checked(states, event, recorded),
        Event::RefundRequested(event) => payment::refund_requested(states, event, recorded),
        Event::RefundSettled(event) => payment::refund_settled(states, event, recorded),
    }
}
