//! The events, one file for each topic. An event has one Rust type, today's; every schema version ever released is read
//! into it.
//!
//! To add an event, add a struct and a line to its file's `stream!`. To add a topic, add a file, its line in `streams!`
//! below, and its line in [`crate::Topic`].

mod bytes;
mod parts;

use std::borrow::Cow;

use serde_json::Value;

pub use parts::{Bytes, Head, Ref, Sealed};

use crate::Topic;
use crate::datum::{Reader, Writer};

/// Declares the events of one topic, after their structs:
///
/// ```text
/// stream! { Receipts keyed by (receipt.transaction_id);
///     ReceiptRecorded: "receipt_recorded/v1";
///     ReceiptVoided: "receipt_voided/v1", "receipt_voided/v2";
/// }
/// ```
///
/// The key is a text field that each of the structs has; `keyed by key;` names a function from `&Event` to text
/// instead. Where a home has several aggregates, `, named (username)` says which field tells them apart. The files,
/// below `schemas/avro`, are all versions of the event's schema that were ever released, oldest first. The declaration
/// becomes
///
/// ```text
/// pub enum Event { ReceiptRecorded(ReceiptRecorded), ReceiptVoided(ReceiptVoided) }
/// impl Event { type_name(), key(), id(), to_json(), and for the codec RELEASED, write(), read(), from_json() }
/// impl From<ReceiptRecorded> for crate::Event { … }    // one for each struct
/// ```
macro_rules! stream {
    (@key $event:ident $function:ident $($name:ident)+) => { $function($event) };
    (@key $event:ident $path:tt $($name:ident)+) => {
        match $event { $(Event::$name(event) => $crate::events::stream!(@field event $path),)+ }
    };
    (@id $event:ident [] $($name:ident)+) => { "".into() };
    (@id $event:ident [$id:tt] $($name:ident)+) => { $crate::events::stream!(@key $event $id $($name)+) };
    (@field $event:ident ($($field:ident).+)) => { $event.$($field).+.as_str().into() };
    ($topic:ident keyed by $key:tt $(, named $id:tt)?; $($name:ident: $($file:literal),+;)+) => {
        #[doc = concat!("What stands in [`crate::Topic::", stringify!($topic), "`].")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "the most frequent events are the large ones: a box would cost each an allocation")]
        pub enum Event {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+
        }

        impl Event {
            /// Each event type, with the texts of its released schemas, oldest first.
            pub(super) const RELEASED: &[(&str, &[&str])] = &[
                $((stringify!($name), &[$(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/avro/", $file, ".avsc"))),+])),+
            ];

            /// The name of the event's type, as in the `event-type` header.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            /// The record's key: the home of the aggregate that the event belongs to.
            #[must_use]
            pub fn key(&self) -> std::borrow::Cow<'_, str> {
                $crate::events::stream!(@key self $key $($name)+)
            }

            /// Which of its home's aggregates the event belongs to. It is empty where the home is the aggregate.
            #[must_use]
            pub fn id(&self) -> std::borrow::Cow<'_, str> {
                $crate::events::stream!(@id self [$($id)?] $($name)+)
            }

            /// The event's fields as JSON, money and instants as text.
            #[must_use]
            pub fn to_json(&self) -> serde_json::Value {
                match self { $(Self::$name(event) => serde_json::to_value(event),)+ }
                    .expect("events have text keys only")
            }

            pub(super) fn write(&self, writer: &$crate::datum::Writer, buffer: &mut Vec<u8>) -> Result<(), apache_avro::Error> {
                match self { $(Self::$name(event) => writer.write_ser(buffer, event).map(drop),)+ }
            }

            /// Reads a datum that was written with the latest schema of the type. The type must be one of
            /// [`Self::RELEASED`].
            pub(super) fn read(type_name: &str, reader: &$crate::datum::Reader, datum: &mut &[u8]) -> Result<Self, apache_avro::Error> {
                match type_name {
                    $(stringify!($name) => reader.read_deser(datum).map(Self::$name),)+
                    other => unreachable!("no {other} is released in this topic"),
                }
            }

            /// Reads what [`Self::to_json`] wrote; `None` for a type of another topic.
            pub(super) fn from_json(type_name: &str, json: serde_json::Value) -> Option<Result<Self, serde_json::Error>> {
                match type_name {
                    $(stringify!($name) => Some(serde_json::from_value(json).map(Self::$name)),)+
                    _ => None,
                }
            }
        }

        $(impl From<$name> for $crate::Event {
            fn from(event: $name) -> Self { Self::$topic(Event::$name(event)) }
        })+
    };
}
use stream;

/// Lists the topics' files. `receipts => Receipts` becomes `pub mod receipts;` and the variant `Receipts` of
///
/// ```text
/// pub enum Event { Receipts(receipts::Event), … }
/// impl Event { topic(), type_name(), key(), id(), to_json(), and for the codec RELEASED, write(), read() }
/// ```
macro_rules! streams {
    ($($module:ident => $topic:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// An event of any of the streams: all that a topic can hold.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "the most frequent events are the large ones: a box would cost each an allocation")]
        pub enum Event {
            $(#[doc = concat!("In [`Topic::", stringify!($topic), "`].")] $topic($module::Event),)+
        }

        impl Event {
            /// Each topic's event types, with the texts of their released schemas.
            pub(crate) const RELEASED: &[(Topic, &[(&str, &[&str])])] =
                &[$((Topic::$topic, $module::Event::RELEASED)),+];

            /// The topic that the event's stream is in.
            #[must_use]
            pub const fn topic(&self) -> Topic {
                match self { $(Self::$topic(_) => Topic::$topic,)+ }
            }

            /// The name of the event's type, as in the `event-type` header.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $(Self::$topic(event) => event.type_name(),)+ }
            }

            /// The record's key: the home of the aggregate that the event belongs to.
            #[must_use]
            pub fn key(&self) -> Cow<'_, str> {
                match self { $(Self::$topic(event) => event.key(),)+ }
            }

            /// Which of its home's aggregates the event belongs to. It is empty where the home is the aggregate.
            #[must_use]
            pub fn id(&self) -> Cow<'_, str> {
                match self { $(Self::$topic(event) => event.id(),)+ }
            }

            /// The event's fields as JSON, money and instants as text.
            #[must_use]
            pub fn to_json(&self) -> Value {
                match self { $(Self::$topic(event) => event.to_json(),)+ }
            }

            /// Reads what [`Self::to_json`] wrote for an event of this type.
            ///
            /// # Errors
            /// No event has the type, a field is missing, or a field does not fit its type.
            pub fn from_json(type_name: &str, json: Value) -> Result<Self, serde_json::Error> {
                $(if let Some(event) = $module::Event::from_json(type_name, json.clone()) {
                    return event.map(Self::$topic);
                })+
                Err(serde::de::Error::custom(format_args!("no event is called {type_name}")))
            }

            pub(crate) fn write(&self, writer: &Writer, buffer: &mut Vec<u8>) -> Result<(), apache_avro::Error> {
                match self { $(Self::$topic(event) => event.write(writer, buffer),)+ }
            }

            /// Reads a datum that was written with the latest schema of its type.
            pub(crate) fn read(topic: Topic, event_type: &str, reader: &Reader, datum: &mut &[u8]) -> Result<Self, apache_avro::Error> {
                match topic {
                    $(Topic::$topic => $module::Event::read(event_type, reader, datum).map(Self::$topic),)+
                }
            }
        }
    };
}

streams! {
    receipts => Receipts,
    accounts => Accounts,
    people => People,
    catalogue => Catalogue,
    stock => Stock,
    orders => Orders,
    keys => Keys,
    analytics => Analytics,
    shards => Shards,
}
