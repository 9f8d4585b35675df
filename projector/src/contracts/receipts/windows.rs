//! The windows that the worker has closed, and the figures of one place in them. A window without receipts of the place has zeros.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use contracts::receipts::local_time;
use schemas::Money;
use serde::Serialize;
use sqlx::PgConnection;

/// The most windows that are shown, the newest ones: hours of more than a year.
const MOST: i64 = 10_000;
/// The most categories whose names are read at once. A place may have any number.
const MOST_CATEGORIES: i64 = 100;

/// Closed windows in their order: the begin of each, and its end as the contract writes times.
pub struct Windows(Vec<(DateTime<Utc>, String)>);

/// Taxes and tips of a window.
#[derive(Serialize)]
pub struct Taxes {
    total_nds: Money,
    total_tips: Money,
    date_create: String,
}

/// A category's windows since its first.
#[derive(Serialize)]
pub struct Category {
    category: String,
    cat_analytics: Vec<Spent>,
}

/// What was spent on a category in a window, and its share of each receipt of the place.
#[derive(Serialize)]
struct Spent {
    total_spent: Money,
    average_receipt: Money,
    date_create: String,
}

/// What a place's receipts add up to, window by window. Categories are left out: they are read one by one.
#[derive(Default)]
pub struct Totals {
    /// The receipts in all closed windows, voided ones taken out.
    pub purchases: i64,
    /// Their average total.
    pub average_receipt: Money,
    sums: BTreeMap<DateTime<Utc>, Sums>,
    first_window: Option<DateTime<Utc>>,
}

struct Sums {
    purchases: i64,
    tax: Money,
    tips: Money,
}

/// A category's name, and its first window.
pub type FirstWindow = (String, DateTime<Utc>);

impl Windows {
    /// Reads the newest windows.
    pub async fn load(snapshot: &mut PgConnection) -> sqlx::Result<Self> {
        let rows = sqlx::query!(
            "SELECT window_start, window_end FROM hours ORDER BY window_start DESC LIMIT $1",
            MOST
        )
        .fetch_all(snapshot)
        .await?;
        Ok(Self(rows.into_iter().rev().map(|row| (row.window_start, local_time(row.window_end))).collect()))
    }

    /// Reads what a place had up to the last of the windows.
    pub async fn of_place(&self, snapshot: &mut PgConnection, place_id: &str) -> sqlx::Result<Totals> {
        let (Some((from, _)), Some((to, _))) = (self.0.first(), self.0.last()) else {
            return Ok(Totals::default());
        };
        let running = sqlx::query!(
            "SELECT s.running_purchases, s.running_total_amount, p.first_window
             FROM hour_sums AS s JOIN hour_places AS p ON p.place_id = s.place_id
             WHERE s.place_id = $1 AND s.window_start <= $2 ORDER BY s.window_start DESC LIMIT 1",
            place_id,
            to
        )
        .fetch_optional(&mut *snapshot)
        .await?;
        let Some(running) = running else { return Ok(Totals::default()) };
        Ok(Totals {
            purchases: running.running_purchases,
            average_receipt: Money::from(running.running_total_amount)
                .average_over(running.running_purchases),
            sums: sums(snapshot, place_id, *from, *to).await?,
            first_window: Some(running.first_window),
        })
    }

    fn since(&self, first: DateTime<Utc>) -> impl Iterator<Item = &(DateTime<Utc>, String)> {
        self.0.iter().skip_while(move |(start, _)| *start < first)
    }

    /// The taxes and tips of each window since the place's first.
    pub fn taxes(&self, totals: &Totals) -> Vec<Taxes> {
        let sums = &totals.sums;
        let row = |(start, end): &(DateTime<Utc>, String)| Taxes {
            total_nds: sums.get(start).map(|sums| sums.tax).unwrap_or_default(),
            total_tips: sums.get(start).map(|sums| sums.tips).unwrap_or_default(),
            date_create: end.clone(),
        };
        totals.first_window.map(|first| self.since(first).map(row).collect()).unwrap_or_default()
    }

    /// Reads the place's next categories from a name on, by name; none if there is none.
    pub async fn categories_from(
        &self,
        snapshot: &mut PgConnection,
        place_id: &str,
        from: &str,
    ) -> sqlx::Result<Vec<FirstWindow>> {
        let to = self.0.last().map(|window| window.0);
        let rows = sqlx::query!(
            r#"SELECT category, min(window_start) AS "first!" FROM hour_categories
               WHERE place_id = $1 AND category >= $2 AND window_start <= $3
               GROUP BY category ORDER BY category LIMIT $4"#,
            place_id,
            from,
            to,
            MOST_CATEGORIES
        )
        .fetch_all(snapshot)
        .await?;
        Ok(rows.into_iter().map(|row| (row.category, row.first)).collect())
    }

    /// A category's windows since its first.
    pub async fn category(
        &self,
        snapshot: &mut PgConnection,
        place_id: &str,
        totals: &Totals,
        (category, first): FirstWindow,
    ) -> sqlx::Result<Category> {
        let rows = sqlx::query!(
            "SELECT window_start, amount FROM hour_categories
             WHERE place_id = $1 AND category = $2 AND window_start >= $3",
            place_id,
            category,
            self.0.first().map(|window| window.0)
        )
        .fetch_all(snapshot)
        .await?;
        let amounts: BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.window_start, Money::from(row.amount))).collect();
        let spent = |(start, end): &(DateTime<Utc>, String)| {
            let amount = amounts.get(start).copied().unwrap_or_default();
            let purchases = totals.sums.get(start).map_or(0, |sums| sums.purchases);
            Spent {
                total_spent: amount,
                average_receipt: amount.average_over(purchases),
                date_create: end.clone(),
            }
        };
        Ok(Category { category, cat_analytics: self.since(first).map(spent).collect() })
    }
}

async fn sums(
    snapshot: &mut PgConnection,
    place_id: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> sqlx::Result<BTreeMap<DateTime<Utc>, Sums>> {
    let rows = sqlx::query!(
        "SELECT window_start, purchases, tax_amount, tips_amount FROM hour_sums
         WHERE place_id = $1 AND window_start BETWEEN $2 AND $3",
        place_id,
        from,
        to
    )
    .fetch_all(snapshot)
    .await?;
    let sums = rows.into_iter().map(|row| {
        let (tax, tips) = (Money::from(row.tax_amount), Money::from(row.tips_amount));
        (row.window_start, Sums { purchases: row.purchases, tax, tips })
    });
    Ok(sums.collect())
}
