//! The rows of orders' lines, written many at once.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::after::Place;
use super::changes::{Hold, NewLine, Part};
use crate::projections::definition::FoldError;

/// Deletes lines. Answers the order of each and its amount, which the order's total has no more.
pub async fn delete<'e>(
    connection: &mut PgConnection,
    lines: &BTreeSet<Part<'e, i32>>,
) -> Result<Vec<(Place<'e>, Decimal)>, FoldError> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<_> = lines.iter().map(|(place, _)| *place).collect();
    let (homes, ids): (Vec<_>, Vec<_>) = places.iter().copied().unzip();
    let numbers: Vec<_> = lines.iter().map(|(_, line)| *line).collect();
    let deleted = sqlx::query!(
        r#"DELETE FROM order_lines AS l
           USING UNNEST($1::text[], $2::text[], $3::integer[]) WITH ORDINALITY AS n(home, id, line, place)
           WHERE l.home = n.home AND l.id = n.id AND l.line = n.line RETURNING n.place AS "place!", l.amount"#,
        &homes as _,
        &ids as _,
        &numbers
    )
    .fetch_all(connection)
    .await?;
    let deleted = deleted.into_iter().filter_map(|row| {
        let place = usize::try_from(row.place - 1).ok().and_then(|place| places.get(place))?;
        Some((*place, row.amount))
    });
    Ok(deleted.collect())
}

/// Lines in columns, as `UNNEST` takes them.
#[derive(Default)]
struct Columns<'e> {
    homes: Vec<&'e str>,
    ids: Vec<&'e str>,
    lines: Vec<i32>,
    numbers: Vec<i64>,
    product_homes: Vec<&'e str>,
    product_ids: Vec<&'e str>,
    seller_homes: Vec<Option<&'e str>>,
    seller_ids: Vec<Option<&'e str>>,
    titles: Vec<&'e str>,
    sections: Vec<&'e str>,
    quantities: Vec<Decimal>,
    unit_prices: Vec<Decimal>,
    discounts: Vec<Decimal>,
    amounts: Vec<Decimal>,
    notes: Vec<Option<&'e str>>,
    holds: Vec<&'static str>,
}

impl<'e> Columns<'e> {
    fn push(&mut self, ((home, id), number): Part<'e, i32>, new: &NewLine<'e>) {
        let line = new.line;
        self.homes.push(home);
        self.ids.push(id);
        self.lines.push(number);
        self.numbers.push(new.number);
        self.product_homes.push(&line.product.home);
        self.product_ids.push(&line.product.id);
        self.seller_homes.push(line.seller.as_ref().map(|seller| seller.home.as_str()));
        self.seller_ids.push(line.seller.as_ref().map(|seller| seller.id.as_str()));
        self.titles.push(&line.title);
        self.sections.push(&line.section);
        self.quantities.push(line.quantity.decimal());
        self.unit_prices.push(line.unit_price.decimal());
        self.discounts.push(line.discount.decimal());
        self.amounts.push(line.amount.decimal());
        self.notes.push(line.note.as_deref());
        self.holds.push(new.hold);
    }
}

/// Inserts the lines that were ordered in the batch.
pub async fn insert(
    connection: &mut PgConnection,
    lines: &BTreeMap<Part<'_, i32>, NewLine<'_>>,
) -> Result<(), FoldError> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut columns = Columns::default();
    for (part, line) in lines {
        columns.push(*part, line);
    }
    sqlx::query!(
        "INSERT INTO order_lines (home, id, line, number, product_home, product_id, seller_home, seller_id, title, section,
             quantity, unit_price, discount, amount, note, hold)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::text[], $11::numeric[], $12::numeric[], $13::numeric[], $14::numeric[],
             $15::text[], $16::text[])",
        &columns.homes as _,
        &columns.ids as _,
        &columns.lines,
        &columns.numbers,
        &columns.product_homes as _,
        &columns.product_ids as _,
        &columns.seller_homes as _,
        &columns.seller_ids as _,
        &columns.titles as _,
        &columns.sections as _,
        &columns.quantities,
        &columns.unit_prices,
        &columns.discounts,
        &columns.amounts,
        &columns.notes as _,
        &columns.holds as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes how far the reservations of lines have come.
pub async fn update(
    connection: &mut PgConnection,
    holds: &BTreeMap<Part<'_, i32>, Hold>,
) -> Result<(), FoldError> {
    if holds.is_empty() {
        return Ok(());
    }
    let (homes, ids): (Vec<_>, Vec<_>) = holds.keys().map(|(place, _)| *place).unzip();
    let lines: Vec<_> = holds.keys().map(|(_, line)| *line).collect();
    let words: Vec<_> = holds.values().map(|hold| hold.hold).collect();
    let numbers: Vec<_> = holds.values().map(|hold| hold.number).collect();
    sqlx::query!(
        "UPDATE order_lines AS l SET hold = n.hold, number = coalesce(n.number, l.number)
         FROM UNNEST($1::text[], $2::text[], $3::integer[], $4::text[], $5::bigint[]) AS n(home, id, line, hold, number)
         WHERE l.home = n.home AND l.id = n.id AND l.line = n.line",
        &homes as _,
        &ids as _,
        &lines,
        &words as _,
        &numbers as _
    )
    .execute(connection)
    .await?;
    Ok(())
}
