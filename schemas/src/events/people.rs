//! Customers, and the erasure of persons.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Head, Ref, Sealed};

/// A customer was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRegistered {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The customer.
    pub customer: Ref,
    /// Whose customer it is: `v1`, or a contract's own scope.
    pub scope: String,
    /// Name, e-mail address, document, and whatever else is personal.
    pub sealed: Sealed,
    /// Whether the customer may place orders.
    pub active: bool,
    /// The account that the customer logs in with, if it has one.
    pub account: Option<Ref>,
}

/// A customer is as follows from here on: all fields are as they are afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerChanged {
    /// When, by whom, and under which idempotency id.
    pub head: Head,
    /// The customer.
    pub customer: Ref,
    /// Whose customer it is: `v1`, or a contract's own scope.
    pub scope: String,
    /// Name, e-mail address, document, and whatever else is personal.
    pub sealed: Sealed,
    /// Whether the customer may place orders.
    pub active: bool,
    /// The account that the customer logs in with, if it has one.
    pub account: Option<Ref>,
}

/// A customer was taken off the lists. What was sealed stays readable, and its names are free for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRemoved {
    /// When and by whom.
    pub head: Head,
    /// The customer.
    pub customer: Ref,
}

/// A person was erased: its keys are destroyed, and nobody reads any more what was sealed under them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonErased {
    /// When and by whom.
    pub head: Head,
    /// The home of the person's customers and accounts.
    pub home: String,
    /// The subjects that the person had, as a customer and as an account.
    pub subjects: Vec<Uuid>,
    /// Why.
    pub reason: String,
    /// The instant at which the keys are deleted once more. Without one, the event owes nothing.
    #[serde(with = "crate::time::option")]
    pub forget_at: Option<DateTime<Utc>>,
}

/// The keys of an erased person were deleted once more. Kafka deletes what compaction may only when something is appended:
/// without a second record a quiet partition could keep the keys for years.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonForgotten {
    /// When; a to-do did it.
    pub head: Head,
    /// The home of the person's customers and accounts.
    pub home: String,
    /// The subjects that the person had.
    pub subjects: Vec<Uuid>,
}

stream! { People keyed by home, named id;
    CustomerRegistered: "customer_registered/v1";
    CustomerChanged: "customer_changed/v1";
    CustomerRemoved: "customer_removed/v1";
    PersonErased: "person_erased/v1";
    PersonForgotten: "person_forgotten/v1";
}

fn home(event: &Event) -> Cow<'_, str> {
    match event {
        Event::CustomerRegistered(event) => event.customer.home.as_str().into(),
        Event::CustomerChanged(event) => event.customer.home.as_str().into(),
        Event::CustomerRemoved(event) => event.customer.home.as_str().into(),
        Event::PersonErased(event) => event.home.as_str().into(),
        Event::PersonForgotten(event) => event.home.as_str().into(),
    }
}

/// A customer's id. An erasure is of a person, whose customers it does not name.
fn id(event: &Event) -> Cow<'_, str> {
    match event {
        Event::CustomerRegistered(event) => event.customer.id.as_str().into(),
        Event::CustomerChanged(event) => event.customer.id.as_str().into(),
        Event::CustomerRemoved(event) => event.customer.id.as_str().into(),
        Event::PersonErased(PersonErased { subjects, .. })
        | Event::PersonForgotten(PersonForgotten { subjects, .. }) => {
            subjects.first().map(Uuid::to_string).unwrap_or_default().into()
        }
    }
}
