//! Fills an empty table: rows by COPY in the order of the log, voids at the end, when the table has its key.

use futures_util::future::BoxFuture;
use sqlx::PgConnection;

use super::fold::{Voids, collect_voids, mark_voided, recorded};
use crate::database::execute;
use crate::log::record::EventRecord;
use crate::projections::business_time::business_time;
use crate::projections::copy::Copy;
use crate::projections::definition::{Bulk, FoldError};

/// Voids kept in memory before they are put aside in a table.
const MOST_VOIDS_IN_MEMORY: usize = 20_000;

/// The load of one rebuild.
#[derive(Default)]
pub struct Load {
    voids: Voids,
    spilled: bool,
}

impl Bulk for Load {
    fn take<'f>(
        &'f mut self,
        connection: &'f mut PgConnection,
        events: &'f [EventRecord<'f>],
    ) -> BoxFuture<'f, Result<(), FoldError>> {
        Box::pin(async move {
            copy_rows(connection, events).await?;
            collect_voids(events, &mut self.voids);
            if self.voids.len() > MOST_VOIDS_IN_MEMORY {
                self.spill(connection).await?;
            }
            Ok(())
        })
    }

    /// Marks the voided receipts.
    fn finish_with_keys<'f>(
        &'f mut self,
        connection: &'f mut PgConnection,
    ) -> BoxFuture<'f, Result<(), FoldError>> {
        Box::pin(async move {
            if self.spilled {
                let sql = "UPDATE receipts AS r SET voided_at = v.at, voided_by = v.by, void_reason = v.reason
                    FROM (SELECT DISTINCT ON (transaction_id) * FROM spilled_voids ORDER BY transaction_id, position)
                        AS v
                    WHERE r.transaction_id = v.transaction_id";
                execute(connection, sql).await?;
            }
            // Of a receipt voided twice, the first void counts. It was spilled before those in memory, and marking passes
            // over receipts that have a void.
            if self.voids.is_empty() { Ok(()) } else { mark_voided(connection, &self.voids).await }
        })
    }
}

impl Load {
    /// Puts the voids in memory aside in a table of the transaction's own, whose `position` says which were put aside first.
    async fn spill(&mut self, connection: &mut PgConnection) -> Result<(), FoldError> {
        if !self.spilled {
            let sql = "CREATE TEMPORARY TABLE spilled_voids (position bigint GENERATED ALWAYS AS IDENTITY,
                transaction_id text, at timestamptz, by text, reason text) ON COMMIT DROP";
            execute(connection, sql).await?;
            self.spilled = true;
        }
        let mut copy = Copy::default();
        for (id, void) in self.voids.drain() {
            let mut row = copy.row();
            row.text(&id).instant(void.at).text(&void.by).text(&void.reason);
        }
        copy.send(connection, "COPY spilled_voids (transaction_id, at, by, reason) FROM STDIN").await
    }
}

async fn copy_rows(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let mut copy = Copy::default();
    for (record, event) in recorded(events) {
        let receipt = &event.receipt;
        let mut row = copy.row();
        row.text(&receipt.transaction_id).text(&receipt.place_id).text(&receipt.place_name);
        row.instant(business_time(receipt)).json(&receipt.items);
        row.shown(receipt.total_amount).shown(receipt.tax_amount).shown(receipt.tips_amount);
        row.text(&receipt.payment_method).shown(event.totals_match).text(&event.recorded_by);
        row.instant(record.recorded_at).shown(record.partition).shown(record.offset);
    }
    copy.send(
        connection,
        r#"COPY receipts (transaction_id, place_id, place_name, occurred_at, items, total_amount, tax_amount,
               tips_amount, payment_method, totals_match, recorded_by, recorded_at, partition, "offset")
           FROM STDIN"#,
    )
    .await
}
