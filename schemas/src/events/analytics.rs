//! Hourly figures, and the windows they were worked out for.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Money;

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

stream! { Analytics keyed by key, named id;
    PlaceHourComputed: "place_hour_computed/v1", "place_hour_computed/v2";
    HourClosed: "hour_closed/v1", "hour_closed/v2";
}

/// Key of the events that close a window.
pub const HOURS_KEY: &str = "hours";

fn key(event: &Event) -> Cow<'_, str> {
    match event {
        Event::PlaceHourComputed(event) => event.place_id.as_str().into(),
        Event::HourClosed(_) => HOURS_KEY.into(),
    }
}

/// The home again. A place may be called [`HOURS_KEY`]: its figures and the closing of windows are two aggregates.
fn id(event: &Event) -> Cow<'_, str> {
    match event {
        Event::PlaceHourComputed(event) => event.place_id.as_str().into(),
        Event::HourClosed(_) => "".into(),
    }
}
