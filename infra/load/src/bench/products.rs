//! A catalogue of a million products: how long a replica takes to read it, and what it costs an order and a list.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use rust_decimal::Decimal;
use schemas::catalogue::ProductListed;
use schemas::{Event, Head, Money, Ref};
use uuid::Uuid;

use super::blast::{self, Requests, id_placeholder};
use super::control;
use super::paced;
use super::plan::Plan;
use super::producer::Producer;
use super::report::Section;
use super::services::Deployment;
use super::stack::Stack;
use super::stats::{grouped, percentile_ms};
use crate::failure::{Failure, Result};

const BATCH: u64 = 10_000;
const PAGES_PER_SECOND: u32 = 200;
const LIST: &str = "/v1/products?limit=50";

/// Measures a replay, quotes of three of the products, a rebuild of the catalogue, and pages of its list.
///
/// # Errors
/// When a service does not start, or a request was refused.
pub fn measure(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let products = plan.sizes[0];
    let deployment = Deployment::new(stack, "bench-products", &plan.settings)?;
    deployment.create_topics()?;
    let empty = started(&deployment)?;
    let some = fill(stack, &deployment, products)?;
    let filled = started(&deployment)?;
    plan.say(&format!("{} products are listed", grouped(products as f64)));

    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let (admin, terminal) =
        (control::login(command_api.address, "admin")?, control::terminal(command_api.address)?);
    let quotes = Arc::new(Requests::of_template("/v1/orders/quote", &terminal, &order(&some)));
    let mut quoted =
        blast::round(command_api.address, &quotes, 1, (Duration::from_secs(1), plan.round_length), 200)?;
    if !quoted.others.is_empty() {
        return Err(Failure::new(format!("quotes had other answers, by status: {:?}", quoted.others)));
    }
    command_api.stop();

    deployment.run("projector", &["migrate"])?;
    let (_, rebuilt) = deployment.run("projector", &["rebuild", "catalogue"])?;
    let mut projector = deployment.start("projector")?;
    projector.ready()?;
    let mut pages = control::block_on(paced::pages(projector.address, &admin, LIST, PAGES_PER_SECOND))?;
    projector.stop();

    let taken = format!(
        "Once, with {} products, each with a home of its own. The replay is command-api's with an empty store, beside its start on an empty log; \
         pages are read on a schedule, not strong.",
        grouped(products as f64)
    );
    let mut section = Section::new("products", &["", "", "p50 ms", "p99 ms"], taken);
    let timed = |took: Duration| {
        format!("{:.1} s, {}/s", took.as_secs_f64(), grouped(products as f64 / took.as_secs_f64()))
    };
    let latencies = |of: &mut Vec<u32>| [50, 99].map(|p| format!("{:.2}", percentile_ms(of, p)));
    let mut row = |name: &str, figure: String, [p50, p99]: [String; 2]| {
        section.row([name.to_owned(), figure, p50, p99]);
    };
    row("replay beyond an empty start", timed(filled.saturating_sub(empty)), Default::default());
    row("`projector rebuild catalogue`", timed(rebuilt), Default::default());
    let rate = format!("{}/s over one connection", grouped(quoted.per_second));
    row("`POST /v1/orders/quote`, 3 lines", rate, latencies(&mut quoted.latencies_us));
    row(&format!("`GET {LIST}`"), format!("{PAGES_PER_SECOND}/s, paced"), latencies(&mut pages));
    Ok(vec![section])
}

/// How long command-api takes to serve with an empty store.
fn started(deployment: &Deployment) -> Result<Duration> {
    let began = Instant::now();
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let took = began.elapsed();
    command_api.stop();
    Ok(took)
}

/// Lists so many products, and gives the ids of three.
fn fill(stack: &Stack, deployment: &Deployment, products: u64) -> Result<Vec<String>> {
    let producer = Producer::new(stack, &deployment.prefix)?;
    let mut some = Vec::new();
    for batch in 0..products.div_ceil(BATCH) {
        producer.begin()?;
        for number in batch * BATCH..products.min((batch + 1) * BATCH) {
            let home = Uuid::now_v7().to_string();
            if some.len() < 3 {
                some.push(home.clone());
            }
            producer.send(&listed(home, number))?;
            if number % 256 == 0 {
                producer.poll();
            }
        }
        producer.commit()?;
    }
    Ok(some)
}

fn listed(home: String, number: u64) -> Event {
    Event::from(ProductListed {
        head: Head { at: Utc::now(), by: "till/1".to_owned(), revision: 1, key: None, print: None },
        product: Ref { home, id: String::new() },
        scope: "v1".to_owned(),
        seller: None,
        title: format!("Dish {number}"),
        description: None,
        section: "dishes".to_owned(),
        price: Some(Money::rounded(Decimal::from_i128_with_scale(i128::from(number % 10_000) + 1, 2))),
        currency: "BRL".to_owned(),
        active: true,
        counts_stock: false,
        keep_one: false,
        count: None,
    })
}

fn order(products: &[String]) -> String {
    let line = |(number, product): (usize, &String)| {
        let note = if number == 0 { id_placeholder() } else { "warm".to_owned() };
        format!(r#"{{"product":"{product}","quantity":"1","note":"{note}"}}"#)
    };
    let lines: Vec<_> = products.iter().enumerate().map(line).collect();
    format!(r#"{{"lines":[{}],"fulfilment":"kitchen","payment":{{"method":"cash"}}}}"#, lines.join(","))
}
