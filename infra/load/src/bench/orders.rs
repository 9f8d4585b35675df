//! Orders: placed, and only quoted, which is the same work without the log; and the kitchen's queue under many open orders.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::blast::{self, Requests, id_placeholder};
use super::control;
use super::kinds::{self, Kind};
use super::plan::Plan;
use super::report::Section;
use super::services::Deployment;
use super::stack::Stack;
use super::stats::{grouped, micros, percentile_ms};
use super::wire::{Connection, request};
use crate::failure::{Explain, Failure, Result};

const PRODUCTS: usize = 3;
/// The orders that are open while the queue is read, at least.
const OPEN: u64 = 10_000;
const PAGES_PER_SECOND: u32 = 500;
const READERS: u32 = 16;
const WARM_UP: Duration = Duration::from_secs(2);
const LENGTH: Duration = Duration::from_secs(20);
const QUEUE: &str = "/v1/kitchen/queue?limit=50";

/// Measures placing beside quoting, and pages of the queue at a paced rate.
///
/// # Errors
/// When a service does not start, or any request was refused.
pub fn measure(stack: &Stack, plan: &Plan) -> Result<Vec<Section>> {
    let deployment = Deployment::new(stack, "bench-orders", &plan.settings)?;
    let mut command_api = deployment.start("command-api")?;
    command_api.ready()?;
    let address = command_api.address;
    let (admin, terminal) = (control::login(address, "admin")?, control::terminal(address)?);
    let order = order(address, &admin)?;
    let sent = |path| Arc::new(Requests::of_template(path, &terminal, &order));
    let placed = Kind {
        name: "`POST /v1/orders`, 3 lines",
        requests: sent("/v1/orders"),
        hoped_for: 201,
        connections: &[1, 64, 512],
    };
    let quoted = Kind {
        name: "`POST /v1/orders/quote`, 3 lines",
        requests: sent("/v1/orders/quote"),
        hoped_for: 200,
        connections: &[1, 64, 512],
    };
    let what = "each order is new, priced from products of three other homes, and answered after the commit";
    let section = kinds::measure("orders", address, &[placed, quoted], plan, what)?;

    deployment.run("projector", &["migrate"])?;
    let mut projector = deployment.start("projector")?;
    projector.ready()?;
    let mut open = 0;
    let requests = sent("/v1/orders");
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
    let latencies = control::block_on(paced(projector.address, &admin))?;
    command_api.stop();
    projector.stop();
    Ok(vec![section, queue(latencies)])
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

/// The note of a line: that of the first has the request's id.
fn note(number: usize) -> String {
    if number == 0 { id_placeholder() } else { "without onions".to_owned() }
}

/// Reads pages on a schedule, and gives the latencies from each page's turn, in microseconds. So a page that is late does
/// not hide what made it late.
async fn paced(address: SocketAddr, admin: &str) -> Result<Vec<u32>> {
    let authorization = format!("Bearer {admin}");
    let get = Arc::new(request("GET", QUEUE, &[("authorization", authorization.as_str())], ""));
    let start = Instant::now() + Duration::from_millis(200);
    let readers = (0..READERS).map(|number| {
        let get = Arc::clone(&get);
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await.explain("connecting to the projector")?;
            let mut latencies = Vec::new();
            for step in 0.. {
                let due = start + Duration::from_secs(1) / PAGES_PER_SECOND * (step * READERS + number);
                if due >= start + WARM_UP + LENGTH {
                    break;
                }
                sleep_until(due.into()).await;
                let response = connection.exchange(&get).await.explain("reading a page")?;
                if response.status != 200 {
                    return Err(Failure::new(format!("a page was answered {}", response.status)));
                }
                if due >= start + WARM_UP {
                    latencies.push(micros(due.elapsed()));
                }
            }
            Ok(latencies)
        })
    });
    let mut latencies = Vec::new();
    for reader in readers.collect::<Vec<_>>() {
        latencies.extend(reader.await.explain("a reader's task")??);
    }
    Ok(latencies)
}

fn queue(mut latencies: Vec<u32>) -> Section {
    let taken = format!(
        "{PAGES_PER_SECOND} pages/s for {} s over {READERS} connections, on a schedule, each of 50 of over {} open orders with 3 lines each; not strong.",
        LENGTH.as_secs(),
        grouped(OPEN as f64)
    );
    let mut section = Section::new("queue", &["request", "p50 ms", "p99 ms"], taken);
    let (p50, p99) = (percentile_ms(&mut latencies, 50), percentile_ms(&mut latencies, 99));
    section.row(["`GET /v1/kitchen/queue`".to_owned(), format!("{p50:.2}"), format!("{p99:.2}")]);
    section
}
