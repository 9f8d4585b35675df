//! Fills empty tables: sums are gathered in memory, put aside in parts by COPY, and added up at the end.

use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use super::changes::{Changes, Sums};
use crate::database::execute;
use crate::log::record::EventRecord;
use crate::projections::copy::{Copy, Row};
use crate::projections::definition::{Bulk, FoldError};

/// Rows gathered in memory before they are put aside; a row is about 100 bytes.
const MOST_ROWS_IN_MEMORY: usize = 100_000;

/// The load of one rebuild.
#[derive(Default)]
pub struct Load {
    changes: Changes,
    has_parts: bool,
}

impl Bulk for Load {
    fn take<'f>(
        &'f mut self,
        connection: &'f mut PgConnection,
        events: &'f [EventRecord<'f>],
    ) -> BoxFuture<'f, Result<(), FoldError>> {
        Box::pin(async move {
            self.changes.apply(events)?;
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
        let changes = std::mem::take(&mut self.changes);
        let (mut places, mut hours, mut categories) = (Copy::default(), Copy::default(), Copy::default());
        for (id, place) in changes.in_key_order() {
            let mut row = places.row();
            row.text(id);
            sums(&mut row, &place.sums);
            for (at, hour) in &place.hours {
                let mut row = hours.row();
                row.text(id).instant(*at);
                sums(&mut row, &hour.sums);
                for (category, sums) in hour.in_key_order() {
                    let mut row = categories.row();
                    row.text(id).instant(*at).text(category).shown(sums.quantity).shown(sums.amount);
                }
            }
        }
        places.send(connection, "COPY places_parts FROM STDIN").await?;
        hours.send(connection, "COPY place_hours_parts FROM STDIN").await?;
        categories.send(connection, "COPY place_hour_categories_parts FROM STDIN").await
    }
}

fn sums(row: &mut Row<'_>, sums: &Sums) {
    row.shown(sums.purchases).shown(sums.total_amount).shown(sums.tax_amount).shown(sums.tips_amount);
}
