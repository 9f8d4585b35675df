//! Sends as many receipts as a number of connections can, each connection waiting for its answer before the next.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::Utc;

use super::stats::micros;
use super::wire::{Connection, request};
use crate::failure::{Explain, Result};
use crate::rng::Rng;
use crate::shop::Shop;

/// How many different receipts are prepared. When they are sent, only their ids change.
const TEMPLATES: usize = 256;
const ID_DIGITS: usize = 20;
/// How long a connection that was refused for overload waits.
const BACK_OFF: Duration = Duration::from_millis(20);

/// Requests that are ready to be sent once they have a receipt's id.
pub struct Requests {
    templates: Vec<(Vec<u8>, usize)>,
    next_id: AtomicU64,
}

impl Requests {
    /// Requests to `POST path` under `token`. Their ids begin at `first_id`. Two sets with ids in common would send
    /// each other's repetitions.
    pub fn new(path: &str, token: &str, first_id: u64) -> Self {
        let authorization = format!("Bearer {token}");
        Self::prepared(first_id, |body| request("POST", path, &[("authorization", &authorization)], body))
    }

    /// The receipts' bodies alone, without the HTTP request around them.
    pub fn of_bodies(first_id: u64) -> Self {
        Self::prepared(first_id, |body| body.as_bytes().to_vec())
    }

    /// Requests of one body, in which [`id_placeholder`] stands for the id. An empty token is left out. Fields that a route
    /// does not know are passed over.
    pub fn of_template(path: &str, token: &str, body: &str) -> Self {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("prefer", "handling=lenient")];
        if !token.is_empty() {
            headers.push(("authorization", authorization.as_str()));
        }
        Self { templates: vec![template(request("POST", path, &headers, body))], next_id: AtomicU64::new(0) }
    }

    fn prepared(first_id: u64, around: impl Fn(&str) -> Vec<u8>) -> Self {
        let (shop, mut rng, now) = (Shop::new(), Rng::new(11), Utc::now());
        let mut receipt = || shop.receipt(id_placeholder(), now, &mut rng).to_json();
        let templates = (0..TEMPLATES).map(|_| template(around(&receipt()))).collect();
        Self { templates, next_id: AtomicU64::new(first_id) }
    }

    /// Puts the next request into `buffer` and gives back its receipt's id.
    pub fn next_into(&self, buffer: &mut Vec<u8>) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let at = usize::try_from(id).expect("usize has 64 bits") % self.templates.len();
        let (bytes, id_at) = &self.templates[at];
        buffer.clear();
        buffer.extend_from_slice(bytes);
        let mut rest = id;
        for digit in buffer[*id_at..*id_at + ID_DIGITS].iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
            rest /= 10;
        }
        id
    }
}

/// What stands in a template for the id.
pub fn id_placeholder() -> String {
    "#".repeat(ID_DIGITS)
}

/// A template, and where its id stands.
fn template(bytes: Vec<u8>) -> (Vec<u8>, usize) {
    let placeholder = id_placeholder();
    let id_at = bytes.windows(ID_DIGITS).position(|window| window == placeholder.as_bytes());
    (bytes, id_at.expect("the request holds its id"))
}

/// The text of an id as [`Requests`] writes it.
pub fn id_text(id: u64) -> String {
    format!("{id:0ID_DIGITS$}")
}

/// What one round of requests gave.
#[derive(Debug, Default)]
pub struct Round {
    /// Answers a second that had the status hoped for.
    pub per_second: f64,
    /// How long those answers took, in microseconds, unsorted.
    pub latencies_us: Vec<u32>,
    /// The number of answers with other statuses, by status; 0 stands for a lost connection.
    pub others: BTreeMap<u16, u64>,
}

/// Sends over `connections` connections for `warm_up`, which is not counted, and then for `length`.
///
/// # Errors
/// When the connections cannot be opened.
pub fn round(
    address: SocketAddr,
    requests: &Arc<Requests>,
    connections: usize,
    (warm_up, length): (Duration, Duration),
    hoped_for: u16,
) -> Result<Round> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().explain("starting a runtime")?;
    runtime.block_on(async {
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(Connection::open(address).await.explain(format!("connecting to {address}"))?);
        }
        let from = Instant::now() + warm_up;
        let window = Window { from, to: from + length, hoped_for };
        let tasks: Vec<_> = open
            .into_iter()
            .map(|connection| tokio::spawn(send(address, connection, requests.clone(), window)))
            .collect();
        let mut sum = Round::default();
        for task in tasks {
            let part = task.await.explain("a connection's task")?;
            sum.latencies_us.extend(part.latencies_us);
            for (status, count) in part.others {
                *sum.others.entry(status).or_default() += count;
            }
        }
        sum.per_second = sum.latencies_us.len() as f64 / length.as_secs_f64();
        Ok(sum)
    })
}

#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    to: Instant,
    hoped_for: u16,
}

async fn send(
    address: SocketAddr,
    mut connection: Connection,
    requests: Arc<Requests>,
    window: Window,
) -> Round {
    let (mut part, mut buffer) = (Round::default(), Vec::with_capacity(2_048));
    loop {
        let start = Instant::now();
        if start >= window.to {
            return part;
        }
        requests.next_into(&mut buffer);
        let status = match connection.exchange(&buffer).await {
            Ok(response) => response.status,
            Err(_) => 0,
        };
        let end = Instant::now();
        if status == window.hoped_for {
            if end >= window.from && end < window.to {
                part.latencies_us.push(micros(end - start));
            }
            continue;
        }
        *part.others.entry(status).or_default() += 1;
        tokio::time::sleep(BACK_OFF).await;
        if status == 0 {
            match Connection::open(address).await {
                Ok(fresh) => connection = fresh,
                Err(_) => return part,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_differs_between_rounds_of_templates_and_the_body_stays_json() {
        let requests = Requests::new("/v1/receipts", "token", 41);
        let mut buffer = Vec::new();
        let id = requests.next_into(&mut buffer);
        let text = String::from_utf8(buffer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("authorization: Bearer token"));
        let json: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(json["transaction_id"], id_text(id).as_str());
        assert_eq!(id, 41);
    }
}
