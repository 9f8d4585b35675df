//! What is for sale, as last changed, and how much of it is left. All events of a home are in one partition of their topic, so a
//! product is there before anything of it changes; its stock is of another topic, and comes before or after it.

mod changes;
mod rows;

use changes::{Changes, place};
use rows::Stocks;
use schemas::stock::{self, StockAdjusted, StockCounted, StockRefused, StockReleased, StockReserved};
use schemas::{Event, Topic};
use sqlx::PgConnection;

use super::definition::{Definition, FoldError, Projection};
use crate::log::record::EventRecord;

/// A row a seller, a product, a cashback type, and a stock.
pub const CATALOGUE: Projection = &Definition {
    name: "catalogue",
    version: 1,
    topics: &[Topic::Catalogue, Topic::Stock],
    tables: &["sellers", "products", "stock", "cashback_types"],
    sql: include_str!("tables.sql"),
    unlogged: false,
    keeps_former: true,
    fold: |connection, events| Box::pin(fold(connection, events)),
    bulk: None,
};

/// Works out in memory how what is for sale ends up after the batch, and writes that.
async fn fold(connection: &mut PgConnection, events: &[EventRecord<'_>]) -> Result<(), FoldError> {
    let (mut changes, mut stocks) = (Changes::default(), Stocks::new());
    for folded in events {
        match folded.event {
            Event::Catalogue(event) => changes.take(event),
            Event::Stock(event) => take_stock(&mut stocks, event),
            Event::Receipts(_)
            | Event::Accounts(_)
            | Event::People(_)
            | Event::Orders(_)
            | Event::Keys(_)
            | Event::Analytics(_)
            | Event::Shards(_) => {}
        }
    }
    let Changes { sellers, products, cashback_types } = changes;
    rows::write_sellers(connection, &sellers.written).await?;
    rows::remove_sellers(connection, &sellers.removed).await?;
    rows::write_products(connection, &products.written).await?;
    rows::remove_products(connection, &products.removed).await?;
    rows::write_cashback_types(connection, &cashback_types.written).await?;
    rows::remove_cashback_types(connection, &cashback_types.removed).await?;
    rows::write_stocks(connection, &stocks).await
}

/// Each event of a stock says what is left after it.
fn take_stock<'e>(stocks: &mut Stocks<'e>, event: &'e stock::Event) {
    let (head, product, available) = match event {
        stock::Event::StockCounted(StockCounted { head, product, available, .. })
        | stock::Event::StockAdjusted(StockAdjusted { head, product, available, .. })
        | stock::Event::StockReserved(StockReserved { head, product, available, .. })
        | stock::Event::StockRefused(StockRefused { head, product, available, .. })
        | stock::Event::StockReleased(StockReleased { head, product, available, .. }) => {
            (head, product, available)
        }
    };
    stocks.insert(place(product), (available.decimal(), head.at));
}
