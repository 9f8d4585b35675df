//! Clients as there are in shops: they send receipts right and wrong, repeat, contradict and void them, and keep a ledger.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use till_tests::receipts::{Random, Receipts};
use till_tests::{Client, Ledger, Till};

/// Clients that send one request after the other.
const CLIENTS: u64 = 6;
/// A client that hears nothing for so long gives up and does not know.
const PATIENCE: Duration = Duration::from_secs(8);

/// A random wait.
pub async fn pause(random: &mut Random, from_ms: u64, to_ms: u64) {
    tokio::time::sleep(Duration::from_millis(from_ms + random.below(to_ms - from_ms))).await;
}

/// Clients sending receipts, right and wrong ones, repeats, conflicts and voids.
pub struct Load {
    stop: Arc<AtomicBool>,
    ledger: Arc<Ledger>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

struct Sender {
    client: Client,
    ledger: Arc<Ledger>,
    random: Random,
    fresh: Receipts,
    /// Receipts of all clients, whatever came of them.
    sent: Arc<Mutex<Vec<Value>>>,
}

impl Load {
    /// Begins to send.
    pub fn begin(till: &Till, admin: &Client) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ledger = Arc::new(Ledger::new(till.scratch.path()));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let clients = (0..CLIENTS).map(|number| {
            let mut sender = Sender {
                client: admin.with_timeout(PATIENCE),
                ledger: Arc::clone(&ledger),
                random: Random::new(100 + number),
                fresh: Receipts::new(&format!("client-{number}"), 200 + number, 12),
                sent: Arc::clone(&sent),
            };
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    sender.turn().await;
                }
            })
        });
        Self { clients: clients.collect(), stop, ledger }
    }

    /// Stops sending.
    pub async fn end(self) -> Arc<Ledger> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        self.ledger
    }
}

impl Sender {
    async fn turn(&mut self) {
        match self.random.below(100) {
            0..60 => self.new_receipt().await,
            60..70 => drop(self.ledger.receipt(&self.client, &self.fresh.make_invalid()).await),
            70..85 => {
                if let Some(receipt) = self.earlier() {
                    self.ledger.receipt(&self.client, &receipt).await;
                }
            }
            85..92 => {
                if let Some(mut receipt) = self.earlier() {
                    receipt["place_name"] = format!("Conflict {}", self.random.below(3)).into();
                    self.ledger.receipt(&self.client, &receipt).await;
                }
            }
            _ => {
                if let Some(receipt) = self.earlier() {
                    let reason = *self.random.pick(&["wrong till", "returned"]);
                    self.ledger.void(&self.client, receipt["transaction_id"].as_str().unwrap(), reason).await;
                }
            }
        }
        pause(&mut self.random, 1, 20).await;
    }

    /// A terminal keeps sending what it got no answer to, most of the time.
    async fn new_receipt(&mut self) {
        let receipt = self.fresh.make();
        self.sent.lock().unwrap().push(receipt.clone());
        for _ in 0..20 {
            match self.ledger.receipt(&self.client, &receipt).await {
                Some(answer) if answer.status != 503 => {
                    return self.read_back(&receipt, answer.position.as_deref()).await;
                }
                _ if self.random.chance(15) => return,
                _ => pause(&mut self.random, 100, 600).await,
            }
        }
    }

    /// What was answered is found by a read that waits for it, or the read says that it cannot tell.
    async fn read_back(&mut self, receipt: &Value, position: Option<&str>) {
        let Some(position) = position.filter(|_| self.random.chance(5)) else { return };
        let path = format!("/v1/receipts/{}", receipt["transaction_id"].as_str().unwrap());
        let reader = self.client.with_header("till-position", position).with_header("prefer", "wait=2");
        if let Ok(answer) = reader.try_get(&path).await {
            assert!(
                [200, 503].contains(&answer.status),
                "{path} at {position}: {} {}",
                answer.status,
                answer.text
            );
        }
    }

    fn earlier(&mut self) -> Option<Value> {
        let sent = self.sent.lock().unwrap();
        if sent.is_empty() { None } else { Some(self.random.pick(&sent).clone()) }
    }
}
