//! Fills empty tables: sums are gathered in memory, put aside in parts by COPY, and added up at the end.

use chrono_tz::Tz;
use futures_util::future::BoxFuture;
use schemas::Ref;
use sqlx::PgConnection;

use super::changes::{Account, Changes, Figures, Sums};
use super::zone;
use crate::database::execute;
use crate::log::record::EventRecord;
use crate::projections::copy::{Copy, Row};
use crate::projections::definition::{Bulk, FoldError};

/// Rows gathered in memory before they are put aside; a row is about 300 bytes.
const MOST_ROWS_IN_MEMORY: usize = 50_000;

/// The load of one rebuild.
#[derive(Default)]
pub struct Load {
    changes: Changes,
    has_parts: bool,
    /// The zone of the days, once it was looked up.
    zone: Option<Tz>,
}

impl Bulk for Load {
    fn take<'f>(
        &'f mut self,
        connection: &'f mut PgConnection,
        events: &'f [EventRecord<'f>],
    ) -> BoxFuture<'f, Result<(), FoldError>> {
        Box::pin(async move {
            if events.is_empty() {
                return Ok(());
            }
            let zone = match self.zone {
                Some(zone) => zone,
                None => *self.zone.insert(zone::of_days(connection).await?),
            };
            self.changes.apply(events, zone)?;
            if self.changes.rows > MOST_ROWS_IN_MEMORY {
                self.put_aside(connection).await?;
            }
            Ok(())
        })
    }

    fn finish_without_keys<'f>(
        &'f mut self,
        connection: &'f mut PgConnection,
    ) -> BoxFuture<'f, Result<(), FoldError>> {
        Box::pin(async move {
            self.put_aside(connection).await?;
            execute(connection, include_str!("sum_parts.sql")).await?;
            Ok(())
        })
    }
}

impl Load {
    async fn put_aside(&mut self, connection: &mut PgConnection) -> Result<(), FoldError> {
        if !self.has_parts {
            execute(connection, include_str!("parts.sql")).await?;
            self.has_parts = true;
        }
        let mut parts = Parts::default();
        for (account, figures) in &std::mem::take(&mut self.changes).accounts {
            parts.add(account, figures);
        }
        parts.totals.send(connection, "COPY seller_totals_parts FROM STDIN").await?;
        parts.days.send(connection, "COPY seller_days_parts FROM STDIN").await?;
        parts.products.send(connection, "COPY product_days_parts FROM STDIN").await?;
        parts.entries.send(connection, "COPY seller_entries_parts FROM STDIN").await
    }
}

/// Rows of each table, in the order of its columns.
#[derive(Default)]
struct Parts {
    totals: Copy,
    days: Copy,
    products: Copy,
    entries: Copy,
}

impl Parts {
    fn add(&mut self, Account { seller, scope }: &Account, figures: &Figures) {
        let mut row = self.totals.row();
        named(&mut row, seller).text(scope);
        sums(&mut row, &figures.totals);
        for (date, day) in &figures.days {
            let mut row = self.days.row();
            named(&mut row, seller).shown(date).text(scope);
            sums(&mut row, &day.sums);
            for (product, sums) in &day.products {
                let mut row = self.products.row();
                named(&mut row, seller).shown(date);
                named(&mut row, product).text(scope).shown(sums.quantity);
                money(&mut row, sums);
            }
        }
        for (order, entry) in &figures.entries {
            let mut row = self.entries.row();
            named(&mut row, seller);
            named(&mut row, order).text(scope).instant(entry.at);
            money(&mut row, &entry.sums);
        }
    }
}

fn named<'r, 'c>(row: &'r mut Row<'c>, Ref { home, id }: &Ref) -> &'r mut Row<'c> {
    row.text(home).text(id)
}

fn sums(row: &mut Row<'_>, sums: &Sums) {
    row.shown(sums.orders).shown(sums.quantity);
    money(row, sums);
}

fn money(row: &mut Row<'_>, sums: &Sums) {
    row.shown(sums.sold).shown(sums.approved).shown(sums.refunded);
}
