//! What each event says of its order as a whole.

use schemas::orders::{Event, Times};
use schemas::{Head, Ref};

/// An order's home, and its id there.
pub type Place<'e> = (&'e str, &'e str);

/// What holds of an order after an event. What is `None` stays as it was.
#[derive(Clone, Copy)]
pub struct After<'e> {
    pub place: Place<'e>,
    pub head: &'e Head,
    pub stage: Option<&'e str>,
    pub payment_status: Option<&'e str>,
    pub times: Option<&'e Times>,
}

impl<'e> After<'e> {
    fn of(order: &'e Ref, head: &'e Head) -> Self {
        Self { place: (&order.home, &order.id), head, stage: None, payment_status: None, times: None }
    }
}

/// Declares [`after`]. A line says which fields an event has beyond its order and its head.
macro_rules! events {
    ($($event:ident: $($field:ident)*;)+) => {
        /// What holds of the order after the event.
        pub fn after(event: &Event) -> After<'_> {
            match event {
                $(Event::$event(event) => After {
                    $($field: Some(&event.$field),)*
                    ..After::of(&event.order, &event.head)
                },)+
            }
        }
    };
}

events! {
    OrderOpened: stage;
    OrderPlaced: stage payment_status times;
    OrderLineRequested: stage;
    OrderLineRemoved: stage;
    OrderStockSettled: stage payment_status times;
    OrderStockReleased:;
    OrderMoved: stage times;
    OrderAmended: stage times;
    OrderCancelled: stage payment_status;
    OrderRemoved: stage payment_status;
    OrderDeliveryLinked:;
    PaymentSending:;
    PaymentSent:;
    PaymentSettled: stage payment_status times;
    PaymentChecked: stage payment_status;
    RefundRequested:;
    RefundSettled: payment_status;
}
