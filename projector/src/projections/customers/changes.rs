//! How the customers of a batch end up: a statement may write a row only once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemas::people::{CustomerChanged, CustomerRegistered, CustomerRemoved, Event, PersonErased};
use schemas::{Head, Ref, Sealed};
use uuid::Uuid;

/// A customer's home, and its id there.
pub type Place<'e> = (&'e str, &'e str);

/// A customer as an event says it is from there on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Customer<'e> {
    pub head: &'e Head,
    pub scope: &'e str,
    pub sealed: &'e Sealed,
    pub active: bool,
    pub account: Option<&'e Ref>,
}

/// What is to be written of a batch, in this order.
#[derive(Default)]
pub struct Changes<'e> {
    /// The customers registered in the batch: when, and what they are at its end.
    pub registered: BTreeMap<Place<'e>, (DateTime<Utc>, Customer<'e>)>,
    /// The customers registered before that have changed in the batch.
    pub changed: BTreeMap<Place<'e>, Customer<'e>>,
    /// The customers that are removed at the end of the batch.
    pub removed: BTreeMap<Place<'e>, &'e Head>,
    /// The subjects that were erased, and when first.
    pub erased: BTreeMap<Uuid, DateTime<Utc>>,
}

impl<'e> Changes<'e> {
    /// Takes the next event of the log.
    pub fn take(&mut self, event: &'e Event) {
        match event {
            Event::CustomerRegistered(event) => self.register(event),
            Event::CustomerChanged(event) => self.change(event),
            Event::CustomerRemoved(CustomerRemoved { head, customer }) => {
                self.removed.insert(place(customer), head);
            }
            Event::PersonErased(PersonErased { head, subjects, .. }) => {
                for subject in subjects {
                    self.erased.entry(*subject).or_insert(head.at);
                }
            }
            Event::PersonForgotten(_) => {}
        }
    }

    fn register(&mut self, event: &'e CustomerRegistered) {
        let CustomerRegistered { head, customer, scope, sealed, active, account } = event;
        let (place, account) = (place(customer), account.as_ref());
        let registered = Customer { head, scope, sealed, active: *active, account };
        self.registered.insert(place, (head.at, registered));
        self.changed.remove(&place);
        self.removed.remove(&place);
    }

    fn change(&mut self, event: &'e CustomerChanged) {
        let CustomerChanged { head, customer, scope, sealed, active, account } = event;
        let (place, account) = (place(customer), account.as_ref());
        let changed = Customer { head, scope, sealed, active: *active, account };
        match self.registered.get_mut(&place) {
            Some((_, registered)) => *registered = changed,
            None => drop(self.changed.insert(place, changed)),
        }
    }
}

fn place(customer: &Ref) -> Place<'_> {
    (&customer.home, &customer.id)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use schemas::Bytes;

    use super::*;

    fn head(second: i64, revision: i32) -> Head {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        Head { at, by: "till/1".into(), revision, key: None, print: None }
    }

    fn customer() -> Ref {
        Ref { home: "restaurant.004".into(), id: "7".into() }
    }

    fn sealed(byte: u8) -> Sealed {
        Sealed { subject: Uuid::from_u128(1), sealed: Bytes(vec![byte]) }
    }

    fn registered(second: i64) -> Event {
        let (head, customer, scope) = (head(second, 1), customer(), "restaurant".into());
        let (sealed, active, account) = (sealed(1), true, None);
        Event::CustomerRegistered(CustomerRegistered { head, customer, scope, sealed, active, account })
    }

    fn changed(second: i64, revision: i32) -> Event {
        let (head, customer, scope) = (head(second, revision), customer(), "restaurant".into());
        let (sealed, active, account) = (sealed(2), false, None);
        Event::CustomerChanged(CustomerChanged { head, customer, scope, sealed, active, account })
    }

    fn removed(second: i64) -> Event {
        Event::CustomerRemoved(CustomerRemoved { head: head(second, 9), customer: customer() })
    }

    fn erased(second: i64, subjects: &[u128]) -> Event {
        let subjects = subjects.iter().map(|subject| Uuid::from_u128(*subject)).collect();
        let (head, home, reason) = (head(second, 1), "till".into(), "asked for".into());
        Event::PersonErased(PersonErased { head, home, subjects, reason, forget_at: None })
    }

    fn changes(events: &[Event]) -> Changes<'_> {
        let mut changes = Changes::default();
        for event in events {
            changes.take(event);
        }
        changes
    }

    #[test]
    fn a_customer_registered_and_changed_is_inserted_as_changed_and_keeps_when_it_was_created() {
        let events = [registered(1), changed(2, 2), changed(3, 3)];
        let Changes { registered, changed, .. } = changes(&events);
        assert!(changed.is_empty());
        let (created_at, customer) = registered[&("restaurant.004", "7")];
        assert_eq!(created_at, head(1, 1).at);
        assert_eq!(
            (customer.head.revision, customer.active, &customer.sealed.sealed.0[..]),
            (3, false, &[2][..])
        );
    }

    #[test]
    fn the_last_change_of_a_customer_counts() {
        let events = [changed(2, 2), changed(3, 3)];
        let Changes { registered, changed, .. } = changes(&events);
        assert!(registered.is_empty());
        assert_eq!(changed[&("restaurant.004", "7")].head.revision, 3);
    }

    #[test]
    fn a_customer_registered_anew_is_neither_changed_nor_removed() {
        let events = [changed(1, 2), removed(2), registered(3)];
        let Changes { registered, changed, removed, .. } = changes(&events);
        assert_eq!((registered.len(), changed.len(), removed.len()), (1, 0, 0));
        let events = [events[2].clone(), events[1].clone()];
        assert_eq!(changes(&events).removed.len(), 1);
    }

    #[test]
    fn of_several_erasures_of_a_subject_the_first_one_counts() {
        let events = [erased(1, &[1]), erased(2, &[1, 2])];
        let erased: Vec<_> = changes(&events).erased.into_iter().collect();
        assert_eq!(erased, [(Uuid::from_u128(1), head(1, 1).at), (Uuid::from_u128(2), head(2, 1).at)]);
    }
}
