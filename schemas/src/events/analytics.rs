//! Hourly figures, and the windows they were worked out for.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Money;

/// What receipts add up to. A voided receipt is taken out, in the window of its void.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// The number of receipts recorded, less the number voided.
    pub purchases: i64,
    /// The sum of the receipts' totals, tax included and tips not.
    pub total_amount: Money,
    /// The sum of the taxes within the totals.
    pub tax_amount: Money,
    /// The sum of the tips, which come on top of the totals.
    pub tips_amount: Money,
    /// The number of receipts that are returns; 0 until receipts can be returns.
    pub returns: i64,
    /// The sum of what returns gave back; 0 until receipts can be returns.
    pub returned_amount: Money,
}

/// What the items of one category add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategorySums {
    /// The category, as the receipts spell it.
    pub category: String,
    /// The number of pieces in the window.
    pub quantity: i64,
    /// The sum of price x quantity in the window.
    pub amount: Money,
    /// The number of pieces over all windows up to and with this one.
    pub running_quantity: i64,
    /// The sum of price x quantity over all windows up to and with this one.
    pub running_amount: Money,
    /// What comes to `quantity` in thousandths of a piece: the window's quantity is `quantity + thousandths / 1000`. It
    /// is 0 until goods can be weighed.
    pub thousandths: i64,
    /// What comes to `running_quantity` in thousandths of a piece, as `thousandths` to `quantity`.
    pub running_thousandths: i64,
}

/// What a place's receipts of one window, by arrival, add up to. Where the place has many categories, the event is only
/// a part of it, and each part has categories of its own. The window's counts and sums stand in part 0 and are 0 in the
/// others, so that the parts add up to the whole. The running sums, and the place's id and name, stand in each part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceHourComputed {
    /// The window's first instant.
    #[serde(with = "crate::time")]
    pub window_start: DateTime<Utc>,
    /// The window's end: the first instant after it.
    #[serde(with = "crate::time")]
    pub window_end: DateTime<Utc>,
    /// The id of the place.
    pub place_id: String,
    /// The name of the place on its latest receipt.
    pub place_name: String,
    /// The number of receipts recorded in the window.
    pub recorded: i64,
    /// The number of receipts voided in the window, whenever they were recorded.
    pub voided: i64,
    /// The window's sums. Voids are taken out, so they may be negative.
    pub sums: Sums,
    /// `total_amount / purchases`, rounded half away from zero; 0 where there are no purchases.
    pub average_receipt: Money,
    /// The categories of the receipts that the window recorded or voided, or this part's share of them.
    pub categories: Vec<CategorySums>,
    /// The sums over all windows up to and with this one.
    pub running: Sums,
    /// The number of this part, from 0.
    pub part: i32,
    /// The number of parts that the place's window has.
    pub parts: i32,
}

/// An event that was counted. A reader that finds another event at this offset reads another log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEvent {
    /// The offset of the event, in the partition that names it.
    pub offset: i64,
    /// The id of the event, as [`crate::record::event_id`] gives it.
    pub event_id: Uuid,
}

/// The part of one partition of the receipts topic that belongs to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// The partition of the receipts topic.
    pub partition: i32,
    /// The first offset of the slice.
    pub start: i64,
    /// The first offset after the slice.
    pub end: i64,
    /// The last event of the partition that this window or an earlier one has counted; `None` where none is known.
    pub last: Option<LastEvent>,
}

/// A window was worked out: all its figures are in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourClosed {
    /// The window's first instant.
    #[serde(with = "crate::time")]
    pub window_start: DateTime<Utc>,
    /// The window's end: the first instant after it.
    #[serde(with = "crate::time")]
    pub window_end: DateTime<Utc>,
    /// A slice of each partition. Each begins where the slice of the window before ended.
    pub slices: Vec<Slice>,
    /// The number of receipts recorded in the window, over all places.
    pub recorded: i64,
    /// The number of receipts voided in the window, over all places.
    pub voided: i64,
    /// The number of places that had receipts recorded or voided in the window.
    pub places: i64,
    /// The number of [`PlaceHourComputed`] events of the window. It is 0 in events that are older than parts: those had
    /// one event a place.
    pub parts: i64,
}

impl HourClosed {
    /// The number of [`PlaceHourComputed`] events of the window, whichever version of the event this is.
    #[must_use]
    pub const fn events(&self) -> i64 {
        if self.parts == 0 { self.places } else { self.parts }
    }
}

stream! { Analytics keyed by key, named id;
    PlaceHourComputed: "place_hour_computed/v1", "place_hour_computed/v2";
    HourClosed: "hour_closed/v1", "hour_closed/v2";
}

/// The key of the events that close a window.
pub const HOURS_KEY: &str = "hours";

fn key(event: &Event) -> Cow<'_, str> {
    match event {
        Event::PlaceHourComputed(event) => event.place_id.as_str().into(),
        Event::HourClosed(_) => HOURS_KEY.into(),
    }
}

/// Tells the aggregates of one home apart. A place may itself be called [`HOURS_KEY`], and then its figures and the
/// closing of windows have the same key: they are two aggregates, with different ids.
fn id(event: &Event) -> Cow<'_, str> {
    match event {
        Event::PlaceHourComputed(event) => event.place_id.as_str().into(),
        Event::HourClosed(_) => "".into(),
    }
}
