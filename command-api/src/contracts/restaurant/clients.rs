//! `/clientes/`: registered, changed, removed. What is personal is sealed here, before it becomes a command.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use contracts::answers::{Refused, json};
use contracts::restaurant::fastapi::{Id, detail};
use contracts::restaurant::shown::Client;
use contracts::restaurant::words::{CPF_TAKEN, EMAIL_TAKEN, NO_CLIENT};
use contracts::restaurant::{HOME, SCOPE};
use domain::people::{self, ChangeCustomer, CustomerState, RegisterCustomer, RemoveCustomer};
use domain::{Rejection, person};
use schemas::keys::BlindIndex;
use schemas::{Clear, Event, Personal};

use super::fields::{Fields, Need};
use super::recorded::{asked, database, event, fits, reused, unknown};
use crate::http::App;
use crate::http::customers::{indexes, opened, unopened};
use crate::shard::Refusal;

const MAX_CPF_CHARS: usize = 32;
const MAX_NAME_CHARS: usize = 150;
const MAX_EMAIL_CHARS: usize = 254;
const MAX_PHONE_CHARS: usize = 32;
/// How often a change is made anew where somebody else changed the client meanwhile.
const ATTEMPTS: usize = 3;

/// A client as it was sent. What is missing in a change stays as it is.
struct Sent {
    id: Option<i64>,
    cpf: Option<Clear>,
    name: Option<Clear>,
    email: Option<Clear>,
    phone: Option<Clear>,
    active: Option<bool>,
    password: String,
}

/// Registers a client. The original's database refused one without CPF, name or e-mail address.
pub async fn register(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let sent = parse(&body)?;
    app.shards.served_here(HOME).await?;
    if [&sent.cpf, &sent.name, &sent.email].into_iter().any(Option::is_none) {
        return Err(database());
    }
    let password_hash = app.passwords.hash(sent.password.clone()).await?;
    let active = sent.active.unwrap_or(true);
    let personal = sent.merged(Personal::default(), password_hash);
    let key = app.vault.new_key(HOME);
    let command = RegisterCustomer {
        home: HOME.to_owned(),
        id: None,
        scope: SCOPE.to_owned(),
        sealed: key.seal(&personal),
        key: key.record(names(&app, &personal)),
        active,
        account: None,
        asked: asked(&headers, "clientes", &active)?,
    };
    let answer = app.submit(command, &headers).await.map_err(refused)?;
    let is_new = answer.is_new;
    let event = event(&app, answer).await?;
    let Event::People(people_event) = event.as_ref() else { return Err(unknown(NO_CLIENT)) };
    let schemas::people::Event::CustomerRegistered(registered) = people_event else {
        return Err(unknown(NO_CLIENT));
    };
    let state = living(&app, &registered.customer.id)?;
    if !is_new && state.revision == 1 && !is_alike(&app, &state, &personal)? {
        return Err(reused());
    }
    shown(&app, &registered.customer.id, &state)
}

/// Changes a client; its password too, which each change must send.
pub async fn change(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Response, Refused> {
    let sent = parse(&body)?;
    app.shards.served_here(HOME).await?;
    let id = sent.id.ok_or_else(|| unknown(NO_CLIENT))?.to_string();
    living(&app, &id)?;
    let password_hash = app.passwords.hash(sent.password.clone()).await?;
    for attempt in 1.. {
        let state = living(&app, &id)?;
        let key = opened(&app, &state)?;
        let former = key.open(&state.sealed).map_err(unopened)?;
        let personal = sent.merged(former, password_hash.clone());
        let active = sent.active.unwrap_or(state.active);
        let command = ChangeCustomer {
            home: HOME.to_owned(),
            id: id.clone(),
            revision: state.revision,
            sealed: key.seal(&personal),
            indexes: names(&app, &personal),
            active,
            account: state.account,
            asked: asked(&headers, "clientes/put", &(&id, sent.active))?,
        };
        match app.submit(command, &headers).await {
            Ok(_) => break,
            // The change is merged anew with what somebody else has made of the client.
            Err(Refusal::Rejected(Rejection::People(people::Rejection::Stale))) if attempt < ATTEMPTS => {}
            Err(refusal) => return Err(refused(refusal)),
        }
    }
    shown(&app, &id, &living(&app, &id)?)
}

/// Takes a client off the lists. The original's database kept one that has orders.
pub async fn remove(State(app): State<App>, Id(id): Id, headers: HeaderMap) -> Result<Response, Refused> {
    app.shards.served_here(HOME).await?;
    let id = id.to_string();
    known(&app, &id)?;
    let asked = asked(&headers, "clientes/delete", &id)?;
    let command = RemoveCustomer { home: HOME.to_owned(), id, asked };
    app.submit(command, &headers).await.map_err(refused)?;
    Ok(json(StatusCode::OK, &true))
}

fn parse(body: &[u8]) -> Result<Sent, Refused> {
    let mut fields = Fields::parse(body)?;
    let mut text = |name| fields.text(name, Need::Optional).map(Clear::from);
    let (cpf, name, email, phone) = (text("cpf"), text("nome"), text("email"), text("telefone"));
    let (id, active) = (fields.integer("id", Need::Optional), fields.flag("ativo", Need::Optional));
    let password = fields.text("hashed_password", Need::Required).unwrap_or_default();
    let sent = fields.finish(Sent { id, cpf, name, email, phone, active, password })?;
    for (text, most_chars) in [
        (&sent.cpf, MAX_CPF_CHARS),
        (&sent.name, MAX_NAME_CHARS),
        (&sent.email, MAX_EMAIL_CHARS),
        (&sent.phone, MAX_PHONE_CHARS),
    ] {
        fits(text.as_ref().map(Clear::expose), most_chars)?;
    }
    Ok(sent)
}

impl Sent {
    /// What it makes of what is known of the client.
    fn merged(&self, former: Personal, password_hash: String) -> Personal {
        Personal {
            name: self.name.clone().or(former.name.clone()),
            email: self.email.clone().or(former.email.clone()),
            document: self.cpf.clone().or(former.document.clone()),
            phone: self.phone.clone().or(former.phone.clone()),
            password_hash: Some(password_hash.into()),
            ..former
        }
    }
}

/// The blind indexes of a client. The CPF is looked at first.
fn names(app: &App, personal: &Personal) -> Vec<BlindIndex> {
    let mut indexes = indexes(app, HOME, personal);
    indexes.reverse();
    indexes
}

/// The client, where it is on the lists.
fn known(app: &App, id: &str) -> Result<CustomerState, Refused> {
    people::load(&app.store.as_ref(), HOME, id).ok_or_else(|| unknown(NO_CLIENT))
}

/// The client, where it is on the lists and its person was not erased.
fn living(app: &App, id: &str) -> Result<CustomerState, Refused> {
    let state = known(app, id)?;
    if person::is_erased(&app.store.as_ref(), state.sealed.subject) {
        return Err(unknown(NO_CLIENT));
    }
    Ok(state)
}

/// Whether a client is the same but for its password, of which there are only hashes.
fn is_alike(app: &App, state: &CustomerState, personal: &Personal) -> Result<bool, Refused> {
    let present = opened(app, state)?.open(&state.sealed).map_err(unopened)?;
    Ok(Personal { password_hash: personal.password_hash.clone(), ..present } == *personal)
}

fn shown(app: &App, id: &str, state: &CustomerState) -> Result<Response, Refused> {
    let personal = opened(app, state)?.open(&state.sealed).map_err(unopened)?;
    let text = |field: Option<Clear>| field.map(|clear| clear.expose().to_owned());
    let client = Client {
        id: id.parse().unwrap_or_default(),
        cpf: text(personal.document),
        nome: text(personal.name),
        username: None,
        email: text(personal.email),
        telefone: text(personal.phone),
        ativo: state.active,
    };
    Ok(json(StatusCode::OK, &client))
}

/// A refusal in the contract's words.
fn refused(refusal: Refusal) -> Refused {
    let Refusal::Rejected(Rejection::People(rejection)) = &refusal else { return refusal.into() };
    match rejection {
        people::Rejection::DocumentTaken => detail(StatusCode::CONFLICT, CPF_TAKEN).into(),
        people::Rejection::EmailTaken => detail(StatusCode::CONFLICT, EMAIL_TAKEN).into(),
        people::Rejection::Unknown | people::Rejection::Erased => unknown(NO_CLIENT),
        people::Rejection::IdempotencyKeyReused => reused(),
        _ => database(),
    }
}
