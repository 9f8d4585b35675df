//! `/v1/customers`: registered, changed, erased. What is personal is sealed here, before it becomes a command.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use domain::people::{
    self, ChangeCustomer, CustomerState, ErasePerson, HOME, Person, RegisterCustomer, Rejection,
};
use domain::{Asked, names, person, vault};
use runtime::auth::{Caller, Role};
use runtime::openapi::responses::{Invalid, OfBodies, OfCallers, Stale};
use runtime::vault::{PersonKey, VaultError};
use runtime::{Problem, etag};
use schemas::keys::BlindIndex;
use schemas::{Clear, Personal, Ref};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::asked::{self, now};
use super::client_address::ClientAddress;
use super::form::{Form, is_missing};
use super::idempotency::idempotency_id;
use super::object::{Field, fields};
use super::prefer::{CommandPreferences, Handling};
use super::proof::{BY_AN_ADMIN, BY_THE_PERSON, Proof, prove};
use super::revision::expected_revision;
use super::texts::{Rule, address, at_most};
use super::{ApiError, App, Segment};
use crate::shard::{Answer, Origin, Refusal};

/// Who may record and change customers.
const KEEPERS: [Role; 2] = [Role::Staff, Role::Admin];
/// Characters of an e-mail address, at most: the longest that a mail server takes (RFC 5321, 4.5.3.1.3).
const MAX_EMAIL_CHARS: usize = 254;
const MAX_DOCUMENT_CHARS: usize = 32;
const MAX_PHONE_CHARS: usize = 32;
/// How often a change is made anew where somebody else changed the customer meanwhile.
const ATTEMPTS: usize = 3;
const SCOPE: &str = "v1";

fields! {
    /// A customer. A field that is missing in a change stays as it is; `null` clears it.
    #[schema(as = CustomerFields)]
    pub struct CustomerBody {
        #[schema(min_length = 1, max_length = 150, example = "Ann Ohara")]
        name: Option<String>,
        /// One customer's alone.
        #[schema(max_length = 254, example = "ann@example.com")]
        email: Option<String>,
        /// The number of an identity document, such as a CPF. One customer's alone, however it is written.
        #[schema(max_length = 32, example = "529.982.247-25")]
        document: Option<String>,
        #[schema(max_length = 32, example = "+55 82 99999-0000")]
        phone: Option<String>,
        #[schema(max_length = 500, example = "Rua do Sol 1, Maceió")]
        address: Option<String>,
        /// Whether the customer may place orders. `true` where it is missing at first.
        #[schema(example = true)]
        active: Option<bool>,
        /// The number of the account that the customer logs in with.
        #[schema(minimum = 1, example = 4)]
        account: Option<i64>,
    }
}

/// What a customer is made of.
#[derive(PartialEq)]
pub struct Content {
    pub personal: Personal,
    pub active: bool,
    pub account: Option<i64>,
}

/// How often a customer was changed, and when.
struct Version {
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A customer, as it is now.
#[derive(Serialize, ToSchema)]
struct Customer {
    #[schema(example = "42c45e41-5062-5665-92d9-63d7ab695d59")]
    id: String,
    /// Whose customer it is: `v1`, or a contract's own scope.
    #[schema(example = "v1")]
    scope: String,
    name: Option<String>,
    email: Option<String>,
    document: Option<String>,
    phone: Option<String>,
    address: Option<String>,
    active: bool,
    /// The account that the customer logs in with, if it has one.
    account: Option<i64>,
    /// Counts the customer's changes; also its `ETag`.
    revision: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Records a customer: 201.
#[utoipa::path(
    post,
    path = "/v1/customers",
    tag = "Customers",
    operation_id = "registerCustomer",
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, example = "0b1f7d3e",
            description = "Makes a retry of this request answer alike. ASCII."),
        Origin,
        CommandPreferences,
    ),
    request_body = CustomerBody,
    responses(
        (status = 201, description = "Recorded: committed to the log.", body = Customer,
            headers(
                ("Location" = String, description = "Where the projector has the customer."),
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 200, description = "It was recorded before, with this `Idempotency-Key`.", body = Customer),
        (status = 409, description = "The document or the e-mail address is another customer's.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:email-taken", "title": "E-mail taken", "status": 409,
                "detail": "another customer has this e-mail address"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn register(
    State(app): State<App>,
    caller: Caller,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&KEEPERS)?;
    let mut form = Form::new(handling);
    let body: CustomerBody<'_> = form.body(&body)?;
    let content = read_new(&mut form, &body);
    let content = form.finish(content)?;
    app.shards.served_here(HOME).await?;
    let key = idempotency_id(&headers, "customers", &caller.account())?;
    // The id follows from the key, so that a retry finds the customer that the first try recorded.
    let id = key.unwrap_or_else(Uuid::now_v7).to_string();
    if let Some(before) = people::load(&app.store.as_ref(), HOME, &id) {
        return repeated(&app, id, &before, &content);
    }
    let (person, indexes) = (app.vault.new_key(HOME), indexes(&app, HOME, &content.personal));
    let asked = asked(&caller, key, &content);
    let version = Version { revision: 1, created_at: asked.at, updated_at: asked.at };
    let command = RegisterCustomer {
        home: HOME.to_owned(),
        id: Some(id.clone()),
        scope: SCOPE.to_owned(),
        sealed: person.seal(&content.personal),
        key: person.record(indexes),
        active: content.active,
        account: content.account(),
        asked,
    };
    let answer = app.submit(command, &headers).await?;
    let location = [(header::LOCATION, format!("/v1/customers/{id}"))];
    Ok((location, shown(StatusCode::CREATED, &answer, id, &version, content)).into_response())
}

/// Changes a customer: 200.
#[utoipa::path(
    patch,
    path = "/v1/customers/{id}",
    tag = "Customers",
    operation_id = "changeCustomer",
    params(
        ("id" = String, Path, example = "42c45e41-5062-5665-92d9-63d7ab695d59"),
        ("If-Match" = Option<String>, Header, example = "\"1\"",
            description = "The `ETag` that the change was made from: another one is 412. Without it the change is made to whatever is there."),
        Origin,
        CommandPreferences,
    ),
    request_body = CustomerBody,
    responses(
        (status = 200, description = "The customer, as it is now.", body = Customer,
            headers(
                ("ETag" = String, description = "The revision, for `If-Match` of a change."),
                ("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."),
            )),
        (status = 404, description = "There is no such customer.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:customer-unknown", "title": "No such customer", "status": 404,
                "detail": "there is no customer with this id"})),
        (status = 409, description = "The document or the e-mail address is another customer's, or the customer was erased.",
            body = Problem, content_type = "application/problem+json",
            example = json!({"type": "urn:till:erased", "title": "Erased", "status": 409,
                "detail": "this person was erased: nothing of it can be changed"})),
        (status = 412, response = Stale),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require(&KEEPERS)?;
    let expected = expected_revision(&headers)?;
    app.shards.served_here(HOME).await?;
    for attempt in 1.. {
        let mut form = Form::new(handling);
        let body: CustomerBody<'_> = form.body(&body)?;
        let state = changeable(&app, &id)?;
        if expected.is_some_and(|expected| expected != state.revision) {
            return Err(rejected(Rejection::Stale));
        }
        let person = opened(&app, &state)?;
        let former = Content::of(&state, person.open(&state.sealed).map_err(unopened)?);
        let content = merged(&mut form, &body, &former);
        let content = form.finish(content)?;
        let asked = asked(&caller, None, &content);
        let version =
            Version { revision: state.revision + 1, created_at: state.created_at, updated_at: asked.at };
        let command = ChangeCustomer {
            home: HOME.to_owned(),
            id: id.clone(),
            revision: state.revision,
            sealed: person.seal(&content.personal),
            indexes: indexes(&app, HOME, &content.personal),
            active: content.active,
            account: content.account(),
            asked,
        };
        match app.submit(command, &headers).await {
            Ok(answer) => return Ok(shown(StatusCode::OK, &answer, id, &version, content)),
            // The change is merged anew with what somebody else has made of the customer.
            Err(Refusal::Rejected(domain::Rejection::People(Rejection::Stale)))
                if expected.is_none() && attempt < ATTEMPTS => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    unreachable!("the last attempt returns")
}

/// Erases a customer, and the account that it logs in with: 204. Nobody reads any more what was personal of it, in whatever was
/// recorded. It cannot be undone. An admin erases any customer, and everybody itself, with its account's password.
#[utoipa::path(
    delete,
    path = "/v1/customers/{id}",
    tag = "Customers",
    operation_id = "eraseCustomer",
    params(("id" = String, Path, example = "42c45e41-5062-5665-92d9-63d7ab695d59"), Origin, CommandPreferences),
    request_body(content = Option<Proof>),
    responses(
        (status = 204, description = "Erased, now or before.",
            headers(("Till-Position" = String, description = "Its place in the log, for `Till-Position` of a read."))),
        (status = 404, description = "There is no such customer.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:customer-unknown", "title": "No such customer", "status": 404,
                "detail": "there is no customer with this id"})),
        (status = 409, description = "Its account is the last admin.", body = Problem,
            content_type = "application/problem+json",
            example = json!({"type": "urn:till:last-admin", "title": "Last admin", "status": 409,
                "detail": "this is the last account with the role admin: give the role to another one first"})),
        (status = 422, response = Invalid),
        OfCallers,
        OfBodies,
    )
)]
pub async fn erase(
    State(app): State<App>,
    caller: Caller,
    address: ClientAddress,
    Segment(id): Segment,
    handling: Handling,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    caller.require_login()?;
    if !caller.is(Role::Admin) {
        app.shards.served_here(HOME).await?;
        let customer = people::load(&app.store.as_ref(), HOME, &id);
        let account = customer.and_then(|customer| Content::of(&customer, Personal::default()).account);
        // Who is no admin is not told which ids there are.
        if account != Some(caller.number) {
            caller.require(&[Role::Admin])?;
        }
        prove(&app, caller.number, address, handling, &headers, &body).await?;
    }
    let reason = if caller.is(Role::Admin) { BY_AN_ADMIN } else { BY_THE_PERSON };
    let asked = asked::asked(&caller, None, &());
    let forget_after = TimeDelta::seconds(app.own.forget_after_s);
    let command = ErasePerson {
        home: HOME.to_owned(),
        person: Person::Customer(id),
        reason: reason.to_owned(),
        forget_at: asked.at + forget_after,
        asked,
    };
    let answer = app.submit(command, &headers).await?;
    Ok((StatusCode::NO_CONTENT, &answer, ()).into_response())
}

/// The answer to a registration that was sent again with its `Idempotency-Key`: the customer as it is by now. The log keeps
/// no fingerprint of what is personal, because one could be guessed, so the fields themselves are compared while they are
/// the first ones.
fn repeated(app: &App, id: String, before: &CustomerState, content: &Content) -> Result<Response, ApiError> {
    if person::is_erased(&app.store.as_ref(), before.sealed.subject) {
        return Err(rejected(Rejection::Erased));
    }
    let present = Content::of(before, opened(app, before)?.open(&before.sealed).map_err(unopened)?);
    if before.revision == 1 && present != *content {
        return Err(rejected(Rejection::IdempotencyKeyReused));
    }
    let CustomerState { revision, created_at, updated_at, .. } = *before;
    let version = Version { revision, created_at, updated_at };
    Ok(shown(StatusCode::OK, &Answer::already(before.changed_at), id, &version, present))
}

impl Default for Content {
    fn default() -> Self {
        Self { personal: Personal::default(), active: true, account: None }
    }
}

impl Content {
    fn of(state: &CustomerState, personal: Personal) -> Self {
        let account = state.account.as_ref().and_then(|account| account.id.parse().ok());
        Self { personal, active: state.active, account }
    }

    /// The account as events name it.
    pub fn account(&self) -> Option<Ref> {
        self.account.map(|number| Ref { home: HOME.to_owned(), id: number.to_string() })
    }
}

/// What a body says of a new customer.
pub fn read_new(form: &mut Form, body: &CustomerBody<'_>) -> Content {
    if is_missing(body.name) {
        form.wrong("name", "is required");
    }
    merged(form, body, &Content::default())
}

/// What a body makes of the former content.
fn merged(form: &mut Form, body: &CustomerBody<'_>, former: &Content) -> Content {
    let personal = merged_personal(form, body, &former.personal);
    let active = form.flag("active", body.active).unwrap_or(former.active);
    let account = match body.account {
        None => former.account,
        field if is_missing(field) => None,
        field => Some(form.integer("account", field, account_number)),
    };
    Content { personal, active, account }
}

fn account_number(number: i64) -> Result<i64, &'static str> {
    if number >= 1 { Ok(number) } else { Err("must be the number of an account: 1 or more") }
}

fn merged_personal(form: &mut Form, body: &CustomerBody<'_>, former: &Personal) -> Personal {
    let mut merge = |name: &str, field: Field<'_>, former: &Option<Clear>, rule: Rule| match field {
        None => former.clone(),
        Some(_) if is_missing(field) => None,
        Some(_) => Some(form.text(name, field, rule).into()),
    };
    Personal {
        name: merge("name", body.name, &former.name, |text| names::not_blank(text, names::label)),
        email: merge("email", body.email, &former.email, email),
        document: merge("document", body.document, &former.document, document),
        phone: merge("phone", body.phone, &former.phone, phone),
        address: merge("address", body.address, &former.address, address),
        ..former.clone()
    }
}

fn email(text: &str) -> Result<String, &'static str> {
    let is_address =
        |(local, host): (&str, &str)| !local.is_empty() && !host.is_empty() && !host.contains('@');
    let has_blanks = text.chars().any(|character| character.is_whitespace() || character.is_control());
    if has_blanks || !text.split_once('@').is_some_and(is_address) {
        return Err("must be an e-mail address such as ann@example.com");
    }
    at_most(text, MAX_EMAIL_CHARS, "must have at most 254 characters")
}

fn document(text: &str) -> Result<String, &'static str> {
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || ".-/ ".contains(character);
    if !text.chars().all(is_allowed) || !text.contains(|character: char| character.is_ascii_alphanumeric()) {
        return Err("must be of letters, digits, '.', '-', '/' and blanks");
    }
    at_most(text, MAX_DOCUMENT_CHARS, "must have at most 32 characters")
}

fn phone(text: &str) -> Result<String, &'static str> {
    let is_allowed = |character: char| character.is_ascii_digit() || "+-()./ ".contains(character);
    if !text.chars().all(is_allowed) || !text.contains(|character: char| character.is_ascii_digit()) {
        return Err("must be of digits, '+', '-', '(', ')', '.', '/' and blanks");
    }
    at_most(text, MAX_PHONE_CHARS, "must have at most 32 characters")
}

/// The blind indexes by which a customer of a home is found, and by which others are refused its names.
pub fn indexes(app: &App, home: &str, personal: &Personal) -> Vec<BlindIndex> {
    let index = |kind, field: &Option<Clear>| app.vault.index(home, kind, field.as_ref()?.expose());
    [index(vault::EMAIL, &personal.email), index(vault::DOCUMENT, &personal.document)]
        .into_iter()
        .flatten()
        .collect()
}

/// Who asks, and the fingerprint of all that is not personal.
fn asked(caller: &Caller, key: Option<Uuid>, content: &Content) -> Asked {
    let clear = format!("{}/{}", content.active, content.account.unwrap_or_default());
    let print = key.map(|_| asked::print_of(clear.as_bytes()));
    Asked { at: now(), by: caller.account(), key, print }
}

/// The customer, where it can be changed.
fn changeable(app: &App, id: &str) -> Result<CustomerState, ApiError> {
    let states = app.store.as_ref();
    let state = people::load(&states, HOME, id).ok_or_else(|| rejected(Rejection::Unknown))?;
    if person::is_erased(&states, state.sealed.subject) {
        Err(rejected(Rejection::Erased))
    } else {
        Ok(state)
    }
}

/// The key of the customer's person.
pub fn opened(app: &App, state: &CustomerState) -> Result<PersonKey, ApiError> {
    let record = vault::key(&app.store.as_ref(), state.sealed.subject).ok_or_else(unreadable)?;
    app.vault.open_key(&record).map_err(unopened)
}

pub fn unopened(error: VaultError) -> ApiError {
    tracing::error!(%error, "what is sealed cannot be opened");
    unreadable()
}

fn unreadable() -> ApiError {
    Problem::unavailable(
        "what is personal of this customer cannot be opened at the moment: nothing happened",
        5,
    )
    .into()
}

fn rejected(rejection: Rejection) -> ApiError {
    Refusal::Rejected(rejection.into()).into()
}

fn shown(
    status: StatusCode,
    answer: &Answer,
    id: String,
    version: &Version,
    Content { personal, active, account }: Content,
) -> Response {
    let text = |field: Option<Clear>| field.map(|clear| clear.expose().to_owned());
    let etag = etag(version.revision);
    let customer = Customer {
        id,
        scope: SCOPE.to_owned(),
        name: text(personal.name),
        email: text(personal.email),
        document: text(personal.document),
        phone: text(personal.phone),
        address: text(personal.address),
        active,
        account,
        revision: version.revision,
        created_at: version.created_at,
        updated_at: version.updated_at,
    };
    (status, etag, answer, Json(customer)).into_response()
}
