//! Lists are answered in pages: `limit` rows after a `cursor`, which names the last row of the page before. Clients send a cursor as
//! they got it.

use chrono::{DateTime, Utc};
use runtime::Problem;
use serde::Deserialize;

use super::parameters::refused;
use crate::projections::business_time::is_business_time;

/// The rows of a page if the client does not say.
const DEFAULT_LIMIT: i64 = 100;
/// The most rows that a page may have.
const MOST: i64 = 1000;

/// Reads the number of rows that a page may have.
///
/// # Errors
/// 400 if it is no number from 1 to 1000.
pub fn limit(text: Option<&str>) -> Result<i64, Problem> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| refused(format!("`limit` must be a number from 1 to {MOST}")))
}

/// Drops the row that was asked for beyond the page. Says whether there was one, so whether there is a next page.
pub fn cut<R>(rows: &mut Vec<R>, limit: i64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    has_more
}

/// The parameters of a list that has no others: `?cursor&limit`.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Rows of the page; 100 where it is missing.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
}

impl PageQuery {
    /// The id after which the page begins (empty for the first page), and the rows it may have.
    ///
    /// # Errors
    /// 400 if one of them cannot be read.
    pub fn bounds(&self) -> Result<(String, i64), Problem> {
        let (after, limit) = self.after()?;
        Ok((after.id, limit))
    }

    /// The row after which the page begins (for the first page, one that is before all of 1970 and later), and the rows it may
    /// have.
    ///
    /// # Errors
    /// 400 if one of them cannot be read.
    pub fn after(&self) -> Result<(Cursor, i64), Problem> {
        let after = Cursor::parse(self.cursor.as_deref())?.unwrap_or_else(|| Cursor::of_id(""));
        Ok((after, limit(self.limit.as_deref())?))
    }
}

/// The last row of a page. It is named by what its list is in order of: a time, an id, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The time; the begin of 1970 in lists that are in order of ids.
    pub at: DateTime<Utc>,
    /// The id; empty in lists that are in order of times.
    pub id: String,
}

impl Cursor {
    /// Names a row of a list in order of time and id.
    #[must_use]
    pub fn new(at: DateTime<Utc>, id: &str) -> Self {
        Self { at, id: id.to_owned() }
    }

    /// Names a row of a list in order of ids.
    #[must_use]
    pub fn of_id(id: &str) -> Self {
        Self::new(DateTime::UNIX_EPOCH, id)
    }

    /// Names a row of a list in order of time, home and id.
    #[must_use]
    pub fn of_place(at: DateTime<Utc>, home: &str, id: &str) -> Self {
        Self::new(at, &format!("{home}/{id}"))
    }

    /// The home and the id that [`Cursor::of_place`] was given; both are empty where it was not.
    ///
    /// # Errors
    /// 400 if the cursor is of a list in another order.
    pub fn place(&self) -> Result<(&str, &str), Problem> {
        if self.id.is_empty() {
            return Ok(("", ""));
        }
        self.id.split_once('/').ok_or_else(|| refused("`cursor` is of another list"))
    }

    /// The cursor as clients get it: `microseconds:id` in hexadecimal.
    #[must_use]
    pub fn text(&self) -> String {
        hex::encode(format!("{}:{}", self.at.timestamp_micros(), self.id))
    }

    /// Reads what [`Cursor::text`] has written.
    ///
    /// # Errors
    /// 400 if the text is no cursor.
    pub fn parse(text: Option<&str>) -> Result<Option<Self>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let cursor = Self::read(text);
        cursor
            .map(Some)
            .ok_or_else(|| refused("`cursor` must be the `next_cursor` of the page before, as it was"))
    }

    fn read(text: &str) -> Option<Self> {
        if text.len() > 4096 {
            return None;
        }
        let plain = String::from_utf8(hex::decode(text).ok()?).ok()?;
        let (micros, id) = plain.split_once(':')?;
        let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
        (!id.contains('\0') && is_business_time(at)).then(|| Self::new(at, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text_and_nonsense_is_refused() {
        let cursor = Cursor::new(DateTime::from_timestamp_micros(-1_234_567).unwrap(), "a:ü\n");
        assert_eq!(Cursor::parse(Some(&cursor.text())), Ok(Some(cursor)));
        let of_year_0 = Cursor::new(DateTime::from_timestamp_micros(-62_135_596_800_000_001).unwrap(), "a");
        assert!(Cursor::parse(Some(&of_year_0.text())).is_err());
        for nonsense in ["", "3", "zz", "é", "313a00", "ff3a61", "39393939393939393939393939393939393939393a"]
        {
            assert!(Cursor::parse(Some(nonsense)).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_cursor_of_another_list_has_no_place() {
        let at = DateTime::UNIX_EPOCH;
        assert_eq!(Cursor::of_place(at, "restaurant.004", "7").place(), Ok(("restaurant.004", "7")));
        assert_eq!(Cursor::of_id("").place(), Ok(("", "")));
        assert!(Cursor::of_id("cafe-1").place().is_err());
    }

    #[test]
    fn limits_are_bounded() {
        assert_eq!(limit(None), Ok(100));
        assert_eq!(limit(Some("1000")), Ok(1000));
        for nonsense in ["0", "1001", "-1", "x", ""] {
            assert!(limit(Some(nonsense)).is_err(), "{nonsense}");
        }
    }
}
