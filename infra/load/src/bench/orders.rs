//! Orders: placed, and only quoted, which is the same work without the log; and the kitchen's queue under many open orders.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::blast::{self, Requests, id_placeholder};
use super::control;
use super::kinds::{self, Kind};
use super::paced;
use super::plan::Plan;
use super::report::Section;
use super::services::Deployment;
use super::stack::Stack;
use super::stats::{grouped, median, percentile_ms};
use crate::failure::{Failure, Result};

const PRODUCTS: usize = 3;
/// The orders that are open while the queue is read, at least.
const OPEN: u64 = 10_000;
const PAGES_PER_SECOND: u32 = 500;
/// How long after the last order the pages begin.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);
const ORDERS: &str = "/v1/orders";
const RESTAURANT: &str = "/contracts/restaurant";
const CHECKOUT: &str = "/contracts/restaurant/pedidos/checkout/";
const QUEUE: &str = "/v1/kitchen/queue";
/// What is read at the same pace: a page, and what costs next to nothing, which shows how often the machine itself stands still.
const PACED: [&str; 2] = [QUEUE, "/healthz"];

/// Measures placing beside quoting, and contract 004's checkouts, which are all of one home.
///
/// # Errors
/// When a service does not start, or any request was refused.
pub fn measure(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let restaurant = ("TILL_CONTRACTS".to_owned(), "restaurant".to_owned());
    let settings: Vec<_> = plan.settings.iter().cloned().chain([restaurant]).collect();
    let deployment = Deployment::new(stack, "bench-orders", &settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let address = command_api.address;
    let (admin, terminal) = (control::login(address, "admin")?, control::terminal(address)?);
    let order = order(address, &admin)?;
    let kind = |name, path, hoped_for, token: &str, body: &str| Kind {
        name,
        requests: Arc::new(Requests::of_template(path, token, body)),
        hoped_for,
        connections: &[1, 64, 512],
    };
    let kinds = [
        kind("`POST /v1/orders`, 3 lines", ORDERS, 201, &terminal, &order),
        kind("`POST /v1/orders/quote`, 3 lines", "/v1/orders/quote", 200, &terminal, &order),
        kind("`POST /pedidos/checkout/` (004), 3 lines", CHECKOUT, 200, "", &checkout(address)?),
    ];
    let what = "each order is new, and answered after the commit; those of /v1 are priced from products of three other homes, those of contract 004 are all of one home, with their products";
    let section = kinds::measure("orders", address, &kinds, plan, what)?;
    command_api.stop();
    Ok(vec![section])
}

/// Measures pages of the kitchen's queue at a paced rate, under many open orders.
///
/// # Errors
/// When a service does not start, or any request was refused.
pub fn measure_queue(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = Deployment::new(stack, "bench-queue", &plan.settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let address = command_api.address;
    let (admin, terminal) = (control::login(address, "admin")?, control::terminal(address)?);
    deployment.run("projector", &["migrate"])?;
    let mut projector = deployment.start("projector")?;
    projector.ready()?;
    let requests = Arc::new(Requests::of_template(ORDERS, &terminal, &order(address, &admin)?));
    let mut open = 0;
    while open < OPEN {
        let second = (Duration::ZERO, Duration::from_secs(1));
        let round = blast::round(address, &requests, 64, second, 201)?;
        open += round.latencies_us.len() as u64;
    }
    // A strong page is answered once all of them can be read.
    let strong = [("authorization", format!("Bearer {admin}")), ("till-consistency", "strong".to_owned())];
    let strong: Vec<_> = strong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, text) = control::call(projector.address, "GET", QUEUE, &strong, "")?;
    if status != 200 {
        return Err(Failure::new(format!("the queue was answered {status} {text}")));
    }
    // What follows from the orders is done meanwhile, and Postgres has looked at the tables.
    std::thread::sleep(SETTLES_WITHIN);
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds {
        for (path, of_path) in PACED.iter().zip(&mut rounds) {
            let pages = paced::pages(projector.address, &admin, path, PAGES_PER_SECOND);
            of_path.push(control::block_on(pages)?);
        }
    }
    command_api.stop();
    projector.stop();
    Ok(vec![queue(rounds)])
}

/// Lists three products, and gives the body of an order of them. The id of each request stands in a note.
fn order(address: SocketAddr, admin: &str) -> Result<String> {
    let headers = [("authorization", format!("Bearer {admin}"))];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut lines = Vec::new();
    for number in 0..PRODUCTS {
        let product = format!(r#"{{"title":"Dish {number}","price":"{number}.50","section":"dishes"}}"#);
        let (status, text) = control::call(address, "POST", "/v1/products", &headers, &product)?;
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(id) = json["id"].as_str().filter(|_| status == 201) else {
            return Err(Failure::new(format!("POST /v1/products: {status} {text}")));
        };
        lines.push(format!(r#"{{"product":"{id}","quantity":"{}","note":"{}"}}"#, number + 1, note(number)));
    }
    Ok(format!(r#"{{"lines":[{}],"fulfilment":"kitchen","payment":{{"method":"cash"}}}}"#, lines.join(",")))
}

/// Lists three products of contract 004 and a client, and gives the body of a checkout of them.
fn checkout(address: SocketAddr) -> Result<String> {
    let create = |path: &str, body: String| {
        let path = format!("{RESTAURANT}{path}");
        let (status, text) = control::call(address, "POST", &path, &[], &body)?;
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        json["id"].as_i64().ok_or_else(|| Failure::new(format!("POST {path}: {status} {text}")))
    };
    let client = create(
        "/clientes/",
        r#"{"nome":"Ana","cpf":"00000000191","email":"ana@example.com","hashed_password":"x"}"#.to_owned(),
    )?;
    let mut lines = Vec::new();
    for number in 0..PRODUCTS {
        let dish = format!(r#"{{"nome":"Dish {number}","categoria":1,"valor":{number}.5,"descricao":null}}"#);
        let product = create("/produtos/", dish)?;
        lines.push(format!(
            r#"{{"produto":{product},"quantidade":{},"descricao":"{}"}}"#,
            number + 1,
            note(number)
        ));
    }
    Ok(format!(r#"{{"id_cliente":{client},"itens":[{}]}}"#, lines.join(",")))
}

/// The note of a line: that of the first has the request's id.
fn note(number: usize) -> String {
    if number == 0 { id_placeholder() } else { "without onions".to_owned() }
}

fn queue(rounds: [Vec<Vec<u32>>; 2]) -> Section {
    let taken = format!(
        "Medians of {} alternating rounds, and the best and worst of them: {PAGES_PER_SECOND} a second for {} s over {} connections, on a schedule. A page has 50 of over {} open orders with 3 lines each, and is not strong; the other path answers without Postgres.",
        rounds[0].len(),
        paced::LENGTH.as_secs(),
        paced::READERS,
        grouped(OPEN as f64)
    );
    let mut section = Section::new("queue", &["request", "p50 ms", "p99 ms", "of all rounds", "aim"], taken);
    for (path, mut rounds) in PACED.iter().zip(rounds) {
        let mut of_rounds = |percent| -> Vec<f64> {
            let mut all: Vec<_> = rounds.iter_mut().map(|round| percentile_ms(round, percent)).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let (p50, p99) = (median(of_rounds(50)), of_rounds(99));
        let all = p99.first().zip(p99.last()).map(|(best, worst)| format!("{best:.2} to {worst:.2}"));
        let aim = if *path == QUEUE { "p99 under 5 ms" } else { "" };
        section.row([
            format!("`GET {path}`"),
            format!("{p50:.2}"),
            format!("{:.2}", median(p99)),
            all.unwrap_or_default(),
            aim.to_owned(),
        ]);
    }
    section
}
