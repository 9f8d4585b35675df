//! Clients. Tables hold boxes; they are opened here, for the answer alone, and what hashes of passwords they hold is shown to nobody.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::answers::{Refused, json};
use contracts::restaurant::fastapi::Id;
use contracts::restaurant::shown::Client;
use contracts::restaurant::words::NO_CLIENT;
use contracts::restaurant::{HOME, SCOPE};
use runtime::Problem;
use schemas::{Clear, Personal, Sealed};
use sqlx::PgConnection;
use uuid::Uuid;

use super::contract::{Contract, unknown};
use crate::contracts::list::{Part, list as streamed};
use crate::projections::{CUSTOMERS, KEYS};
use crate::read::{Unopened, failed, opened, with_another_look};

/// The most clients of a part.
const MOST: i64 = 500;

struct Row {
    number: i64,
    subject: Uuid,
    sealed: Vec<u8>,
    active: bool,
    is_erased: bool,
}

/// `GET /clientes/`: every client, by its number.
pub async fn list(State(contract): State<Contract>) -> Result<Response, Refused> {
    Ok(streamed(move |after| part(contract.clone(), after)).await?)
}

/// `GET /clientes/<id>`.
pub async fn one(State(contract): State<Contract>, Id(id): Id) -> Result<Response, Refused> {
    let client = with_another_look(|| identified(&contract, id)).await?;
    let client = client.ok_or_else(|| unknown(NO_CLIENT))?;
    Ok(json(StatusCode::OK, &client))
}

async fn identified(contract: &Contract, id: i64) -> Result<Option<Client>, Unopened> {
    let mut snapshot = contract.snapshot(&[CUSTOMERS, KEYS]).await?;
    let row = sqlx::query_as!(
        Row,
        r#"SELECT number AS "number!", c.subject, sealed, active, (e.subject IS NOT NULL) AS "is_erased!"
           FROM customers AS c LEFT JOIN erased AS e ON e.subject = c.subject
           WHERE home = $1 AND id = $2 AND removed_at IS NULL"#,
        HOME,
        id.to_string()
    )
    .fetch_optional(&mut *snapshot)
    .await
    .map_err(failed)?;
    Ok(clients(contract, &mut snapshot, row.into_iter().collect()).await?.pop())
}

async fn part(contract: Contract, after: Option<i64>) -> Result<Part<i64>, Problem> {
    let clients = with_another_look(|| page(&contract, after.unwrap_or_default())).await?;
    let (mut part, count) = (Part::new(), clients.len());
    for (index, client) in (1..).zip(&clients) {
        let has_room = part.push(client);
        if !has_room || (index == count && i64::try_from(count) == Ok(MOST)) {
            return Ok(part.goes_on(client.id));
        }
    }
    Ok(part)
}

async fn page(contract: &Contract, after: i64) -> Result<Vec<Client>, Unopened> {
    let mut snapshot = contract.snapshot(&[CUSTOMERS, KEYS]).await?;
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT number AS "number!", c.subject, sealed, active, (e.subject IS NOT NULL) AS "is_erased!"
           FROM customers AS c LEFT JOIN erased AS e ON e.subject = c.subject
           WHERE scope = $1 AND removed_at IS NULL AND number > $2
           ORDER BY number LIMIT $3"#,
        SCOPE,
        after,
        MOST
    )
    .fetch_all(&mut *snapshot)
    .await
    .map_err(failed)?;
    clients(contract, &mut snapshot, rows).await
}

/// The clients of rows, each with what its box holds.
async fn clients(
    contract: &Contract,
    snapshot: &mut PgConnection,
    mut rows: Vec<Row>,
) -> Result<Vec<Client>, Unopened> {
    let boxes: Vec<_> = rows.iter_mut().map(Row::take_box).collect();
    let personal = opened(&contract.vault, snapshot, &boxes).await?;
    Ok(rows.iter().zip(personal).map(|(row, personal)| client(row, personal.unwrap_or_default())).collect())
}

impl Row {
    /// Takes the box out, unless its person was erased.
    fn take_box(&mut self) -> Option<Sealed> {
        let sealed = schemas::Bytes(std::mem::take(&mut self.sealed));
        (!self.is_erased).then_some(Sealed { subject: self.subject, sealed })
    }
}

fn client(row: &Row, personal: Personal) -> Client {
    let text = |field: Option<Clear>| field.map(|clear| clear.expose().to_owned());
    Client {
        id: row.number,
        cpf: text(personal.document),
        nome: text(personal.name),
        username: None,
        email: text(personal.email),
        telefone: text(personal.phone),
        ativo: row.active,
    }
}
