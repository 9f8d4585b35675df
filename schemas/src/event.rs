//! The events, one type each for today's schema; older versions are read into these by Avro's resolution.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{HOURS_KEY, Money, Topic};

/// One line of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What was bought.
    pub product_id: String,
    /// Pieces.
    pub quantity: i64,
    /// For one piece.
    pub price: Money,
    /// The category the shop puts the product in.
    pub category: String,
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Unique over all places: the aggregate's id.
    pub transaction_id: String,
    /// Business time: when the till wrote it.
    #[serde(with = "crate::time")]
    pub occurred_at: DateTime<Utc>,
    /// What was bought.
    pub items: Vec<Item>,
    /// Sum of price x quantity.
    pub total_amount: Money,
    /// Tax within the total.
    pub tax_amount: Money,
    /// Tips, on top of the total.
    pub tips_amount: Money,
    /// Free text.
    pub payment_method: String,
    /// The shop or restaurant.
    pub place_id: String,
    /// Its name on this receipt.
    pub place_name: String,
}

/// A receipt was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRecorded {
    /// What it says.
    pub receipt: Receipt,
    /// `false`: a fact, recorded although its total is not the sum of its items.
    pub totals_match: bool,
    /// The account that sent it.
    pub recorded_by: String,
    /// Version byte and digest of the command's content.
    #[serde(with = "bytes")]
    pub fingerprint: Vec<u8>,
}

/// A receipt was taken out of every figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptVoided {
    /// The receipt as recorded: what folds must take out.
    pub receipt: Receipt,
    /// Why.
    pub reason: String,
    /// The account that asked for it.
    pub voided_by: String,
}

/// An account was opened.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRegistered {
    /// The user store the name is unique in.
    pub realm: String,
    /// The name.
    pub username: String,
    /// Dense within the realm, from 1.
    pub number: i64,
    /// Argon2id, PHC string.
    pub password_hash: String,
    /// What the account may do.
    pub roles: Vec<String>,
    /// The places a terminal is bound to; empty: not bound.
    pub places: Vec<String>,
    /// UUIDv5 of caller, route and `Idempotency-Key`.
    pub idempotency_id: Option<Uuid>,
}

/// An account's roles were replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesAssigned {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// Its roles from here on.
    pub roles: Vec<String>,
    /// Its places from here on.
    pub places: Vec<String>,
    /// The admin.
    pub assigned_by: String,
}

/// Too many wrong passwords: logins are slowed down until `until`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLocked {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// When the lock ends.
    #[serde(with = "crate::time")]
    pub until: DateTime<Utc>,
}

/// A login lock ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginUnlocked {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
}

/// A token that stays until it is revoked was given to who logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenIssued {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// How many of its tokens were revoked before.
    pub generation: i64,
    /// SHA-256 of the token.
    #[serde(with = "bytes")]
    pub token_hash: Vec<u8>,
}

/// The account's token is worth nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginTokenRevoked {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// The token's.
    pub generation: i64,
}

/// The account has another password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChanged {
    /// The account's realm.
    pub realm: String,
    /// The account's name.
    pub username: String,
    /// Argon2id, PHC string.
    pub password_hash: String,
}

/// What receipts add up to; voided ones are taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Receipts recorded less receipts voided.
    pub purchases: i64,
    /// Sum of totals.
    pub total_amount: Money,
    /// Sum of taxes.
    pub tax_amount: Money,
    /// Sum of tips.
    pub tips_amount: Money,
    /// Receipts that are returns; 0 until receipts can be returns.
    pub returns: i64,
    /// Sum of what returns gave back.
    pub returned_amount: Money,
}

/// What a category's items add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategorySums {
    /// The category.
    pub category: String,
    /// Pieces in the window.
    pub quantity: i64,
    /// Price x quantity in the window.
    pub amount: Money,
    /// Pieces over all windows up to and with this one.
    pub running_quantity: i64,
    /// Price x quantity over all windows up to and with this one.
    pub running_amount: Money,
    /// The window's quantity is `quantity + thousandths / 1000`; 0 until goods can be weighed.
    pub thousandths: i64,
    /// The running quantity is `running_quantity + running_thousandths / 1000`.
    pub running_thousandths: i64,
}

/// What a place's receipts of one window add up to, by arrival; or a part of it, where the place has many
/// categories. Each part has categories of its own. The window's counts and sums stand in part 0 and are 0 in the
/// others, so that parts add up to the whole. What is over all windows, and the names, stand in each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceHourComputed {
    /// Begin of the window.
    #[serde(with = "crate::time")]
    pub window_start: DateTime<Utc>,
    /// End of the window, not within it.
    #[serde(with = "crate::time")]
    pub window_end: DateTime<Utc>,
    /// The place.
    pub place_id: String,
    /// Its name on its latest receipt.
    pub place_name: String,
    /// Receipts recorded in the window.
    pub recorded: i64,
    /// Receipts voided in the window, whenever they were recorded.
    pub voided: i64,
    /// The window's sums, voids taken out: they may be negative.
    pub sums: Sums,
    /// `total_amount / purchases`, rounded half up; 0 without purchases.
    pub average_receipt: Money,
    /// The categories the window touched.
    pub categories: Vec<CategorySums>,
    /// Over all windows up to and with this one.
    pub running: Sums,
    /// The number of this part, from 0.
    pub part: i32,
    /// How many parts the place's window has.
    pub parts: i32,
}

/// An event that was counted: a reader that finds another at its offset reads another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEvent {
    /// Its offset.
    pub offset: i64,
    /// Its id: see [`crate::record::event_id`].
    pub event_id: Uuid,
}

/// A part of one partition of the receipts topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The partition.
    pub partition: i32,
    /// First offset within.
    pub start: i64,
    /// First offset after.
    pub end: i64,
    /// The partition's last record that this window or one before has counted; `None` where none is known.
    pub last: Option<LastEvent>,
}

/// A window was worked out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourClosed {
    /// Begin of the window.
    #[serde(with = "crate::time")]
    pub window_start: DateTime<Utc>,
    /// End of the window, not within it.
    #[serde(with = "crate::time")]
    pub window_end: DateTime<Utc>,
    /// One of each partition; each start is the end of the window before.
    pub slices: Vec<Slice>,
    /// Receipts recorded in the window.
    pub recorded: i64,
    /// Receipts voided in the window.
    pub voided: i64,
    /// The number of places with receipts in the window.
    pub places: i64,
    /// The number of [`PlaceHourComputed`] events of the window; 0 in events of before parts, when it was `places`.
    pub parts: i64,
}

impl HourClosed {
    /// The number of [`PlaceHourComputed`] events of the window, in events of any version.
    #[must_use]
    pub const fn events(&self) -> i64 {
        if self.parts == 0 { self.places } else { self.parts }
    }
}

/// The replica named serves the shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardAnnounced {
    /// The shard.
    pub shard: i32,
    /// The topology it belongs to.
    pub topology_epoch: i32,
    /// Base URL other replicas forward to.
    pub url: String,
    /// The process that serves.
    pub instance: Uuid,
}

/// How event partitions map to shards from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyDeclared {
    /// Counts up with every reshard.
    pub epoch: i32,
    /// The number of shards, K: partition p belongs to shard p mod K.
    pub shards: i32,
    /// The number of partitions of every event topic.
    pub partitions: i32,
}

/// Declares [`Event`] and what the codec needs to know of each variant.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident in $topic:ident),+ $(,)?) => {
        /// Everything that can stand in a topic.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "a receipt is by far the most frequent event: a box would cost it an allocation")]
        pub enum Event {
            $($(#[$doc])* $name($name),)+
        }

        impl Event {
            /// The types' names, as in the `event-type` header.
            pub const TYPES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// The type's name, as in the `event-type` header.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            /// The topic its stream is in.
            #[must_use]
            pub const fn topic(&self) -> Topic {
                match self { $(Self::$name(_) => Topic::$topic,)+ }
            }

            /// The topic events of the type are in.
            pub(crate) fn topic_of(type_name: &str) -> Topic {
                match type_name {
                    $(stringify!($name) => Topic::$topic,)+
                    other => unreachable!("the history names only events: {other}"),
                }
            }

            pub(crate) fn write(&self, writer: &crate::codec::Writer, buffer: &mut Vec<u8>) -> Result<(), apache_avro::Error> {
                match self { $(Self::$name(event) => writer.write_ser(buffer, event).map(drop),)+ }
            }

            pub(crate) fn read(type_name: &str, reader: &crate::codec::Reader, datum: &mut &[u8]) -> Result<Self, apache_avro::Error> {
                match type_name {
                    $(stringify!($name) => reader.read_deser(datum).map(Self::$name),)+
                    other => unreachable!("the history names only events: {other}"),
                }
            }

            /// The event's fields as JSON, money and instants as text.
            #[must_use]
            pub fn to_json(&self) -> serde_json::Value {
                match self {
                    $(Self::$name(event) => serde_json::to_value(event),)+
                }.expect("events have text keys only")
            }
        }

        $(impl From<$name> for Event {
            fn from(event: $name) -> Self { Self::$name(event) }
        })+
    };
}

events! {
    /// See [`ReceiptRecorded`].
    ReceiptRecorded in Receipts,
    /// See [`ReceiptVoided`].
    ReceiptVoided in Receipts,
    /// See [`AccountRegistered`].
    AccountRegistered in Accounts,
    /// See [`RolesAssigned`].
    RolesAssigned in Accounts,
    /// See [`LoginLocked`].
    LoginLocked in Accounts,
    /// See [`LoginUnlocked`].
    LoginUnlocked in Accounts,
    /// See [`LoginTokenIssued`].
    LoginTokenIssued in Accounts,
    /// See [`LoginTokenRevoked`].
    LoginTokenRevoked in Accounts,
    /// See [`PasswordChanged`].
    PasswordChanged in Accounts,
    /// See [`PlaceHourComputed`].
    PlaceHourComputed in Analytics,
    /// See [`HourClosed`].
    HourClosed in Analytics,
    /// See [`ShardAnnounced`].
    ShardAnnounced in Shards,
    /// See [`TopologyDeclared`].
    TopologyDeclared in Shards,
}

impl Event {
    /// The record's key: the home of the aggregate the event belongs to.
    #[must_use]
    pub fn key(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::ReceiptRecorded(event) => event.receipt.transaction_id.as_str().into(),
            Self::ReceiptVoided(event) => event.receipt.transaction_id.as_str().into(),
            Self::AccountRegistered(event) => event.realm.as_str().into(),
            Self::RolesAssigned(event) => event.realm.as_str().into(),
            Self::LoginLocked(event) => event.realm.as_str().into(),
            Self::LoginUnlocked(event) => event.realm.as_str().into(),
            Self::LoginTokenIssued(event) => event.realm.as_str().into(),
            Self::LoginTokenRevoked(event) => event.realm.as_str().into(),
            Self::PasswordChanged(event) => event.realm.as_str().into(),
            Self::PlaceHourComputed(event) => event.place_id.as_str().into(),
            Self::HourClosed(_) => HOURS_KEY.into(),
            Self::ShardAnnounced(event) => format!("shard-{}", event.shard).into(),
            Self::TopologyDeclared(_) => "topology".into(),
        }
    }
}

impl std::fmt::Debug for AccountRegistered {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountRegistered")
            .field("realm", &self.realm)
            .field("username", &self.username)
            .field("number", &self.number)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PasswordChanged {
    /// Leaves the password's hash out, so that no log can hold it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordChanged").field("username", &self.username).finish_non_exhaustive()
    }
}

/// `Vec<u8>` as Avro `bytes`; hexadecimal in JSON.
mod bytes {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            return serializer.serialize_str(&hex);
        }
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }

    struct Bytes;

    impl de::Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}
