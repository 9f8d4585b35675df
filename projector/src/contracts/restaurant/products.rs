//! The menu: all of it, one of its four categories, one product.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::answers::{Refused, json};
use contracts::restaurant::fastapi::Id;
use contracts::restaurant::shown::Product;
use contracts::restaurant::words::NO_PRODUCT;
use contracts::restaurant::{HOME, SCOPE, category, float, section};
use runtime::Problem;
use rust_decimal::Decimal;

use super::contract::{Contract, unknown};
use crate::contracts::list::{Part, list as streamed};
use crate::projections::CATALOGUE;
use crate::read::failed;

/// The most products of a part.
const MOST: i64 = 1000;

struct Row {
    number: i64,
    title: String,
    description: Option<String>,
    section: String,
    price: Option<Decimal>,
    active: bool,
}

/// `GET /produtos/`: every product, by its number.
pub async fn list(State(contract): State<Contract>) -> Result<Response, Refused> {
    Ok(streamed(move |after| part(contract.clone(), None, after)).await?)
}

/// The products of one category, by their numbers.
pub async fn of_category(State(contract): State<Contract>, category: i64) -> Result<Response, Refused> {
    Ok(streamed(move |after| part(contract.clone(), section(category), after)).await?)
}

/// `GET /produtos/<id>`.
pub async fn one(State(contract): State<Contract>, Id(id): Id) -> Result<Response, Refused> {
    let mut snapshot = contract.snapshot(&[CATALOGUE]).await?;
    let row = sqlx::query_as!(
        Row,
        r#"SELECT number AS "number!", title, description, section, price, active
           FROM products WHERE home = $1 AND id = $2 AND removed_at IS NULL"#,
        HOME,
        id.to_string()
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    let row = row.ok_or_else(|| unknown(NO_PRODUCT))?;
    Ok(json(StatusCode::OK, &Product::from(row)))
}

async fn part(
    contract: Contract,
    section: Option<&'static str>,
    after: Option<i64>,
) -> Result<Part<i64>, Problem> {
    let mut snapshot = contract.part(&[CATALOGUE], after.is_none()).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT number AS "number!", title, description, section, price, active
           FROM products
           WHERE scope = $1 AND ($2::text IS NULL OR section = $2) AND removed_at IS NULL AND number > $3
           ORDER BY number LIMIT $4"#,
        SCOPE,
        section,
        after.unwrap_or_default(),
        MOST
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    let (mut part, count) = (Part::new(), rows.len());
    for (index, row) in (1..).zip(rows) {
        let number = row.number;
        let has_room = part.push(&Product::from(row));
        if !has_room || (index == count && i64::try_from(count) == Ok(MOST)) {
            return Ok(part.goes_on(number));
        }
    }
    Ok(part)
}

impl From<Row> for Product {
    fn from(row: Row) -> Self {
        Self {
            id: row.number,
            nome: row.title,
            categoria: category(&row.section),
            valor: float(&row.price.unwrap_or_default().to_string()),
            descricao: row.description,
            ativo: row.active,
        }
    }
}
