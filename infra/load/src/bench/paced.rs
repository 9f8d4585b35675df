//! Reads on a schedule: what each took from its turn, so that a read that is late does not hide what made it late.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::stats::micros;
use super::wire::{Connection, request};
use crate::failure::{Explain, Failure, Result};

/// How many connections the reads are spread over.
pub const READERS: u32 = 16;
/// For how long latencies are taken.
pub const LENGTH: Duration = Duration::from_secs(20);
const WARM_UP: Duration = Duration::from_secs(2);

/// Reads a page so many times a second, and gives the latencies in microseconds.
///
/// # Errors
/// When a page is answered with anything but 200.
pub async fn pages(address: SocketAddr, token: &str, path: &str, per_second: u32) -> Result<Vec<u32>> {
    let authorization = format!("Bearer {token}");
    let get = Arc::new(request("GET", path, &[("authorization", authorization.as_str())], ""));
    let start = Instant::now() + Duration::from_millis(200);
    let readers = (0..READERS).map(|number| {
        let get = Arc::clone(&get);
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await.explain("connecting to the projector")?;
            let mut latencies = Vec::new();
            for step in 0.. {
                let due = start + Duration::from_secs(1) / per_second * (step * READERS + number);
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
