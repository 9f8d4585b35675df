//! Clients such as there are in shops. They send receipts right and wrong, repeat, contradict and void them, and keep a
//! ledger.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use till_tests::receipts::{Random, Receipts};
use till_tests::{Answer, Client, Ledger, Till};

/// The number of clients, each of which sends one request after the other.
const CLIENTS: u64 = 6;
/// How long a client waits for an answer. After that it gives up, and does not know what came of its request.
const PATIENCE: Duration = Duration::from_secs(8);

/// Waits for a random time within these bounds.
pub async fn pause(random: &mut Random, from_ms: u64, to_ms: u64) {
    tokio::time::sleep(Duration::from_millis(from_ms + random.below(to_ms - from_ms))).await;
}

/// Clients that send receipts right and wrong, repeat, contradict and void them.
pub struct Load {
    stop: Arc<AtomicBool>,
    ledger: Arc<Ledger>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

struct Sender {
    /// The clients that a request may go through, of which any takes any request.
    clients: Arc<[Client]>,
    ledger: Arc<Ledger>,
    random: Random,
    fresh: Receipts,
    /// The receipts that all clients have sent, whatever came of them.
    sent: Arc<Mutex<Vec<Value>>>,
}

impl Load {
    /// Begins to send, through this client.
    pub fn begin(till: &Till, admin: &Client) -> Self {
        Self::begin_through(till, std::slice::from_ref(admin))
    }

    /// Begins to send. Each request goes through one of these clients, at random.
    pub fn begin_through(till: &Till, through: &[Client]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ledger = Arc::new(Ledger::new(till.scratch.path()));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let through: Arc<[Client]> = through.iter().map(|client| client.with_timeout(PATIENCE)).collect();
        let clients = (0..CLIENTS).map(|number| {
            let mut sender = Sender {
                clients: Arc::clone(&through),
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

    /// Stops sending, and gives the ledger.
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
            60..70 => {
                let invalid = self.fresh.make_invalid();
                self.send(&invalid).await;
            }
            70..85 => {
                if let Some(receipt) = self.earlier() {
                    self.send(&receipt).await;
                }
            }
            85..92 => {
                if let Some(mut receipt) = self.earlier() {
                    receipt["place_name"] = format!("Conflict {}", self.random.below(3)).into();
                    self.send(&receipt).await;
                }
            }
            _ => {
                if let Some(receipt) = self.earlier() {
                    let reason = *self.random.pick(&["wrong till", "returned"]);
                    let client = self.client();
                    self.ledger.void(&client, receipt["transaction_id"].as_str().unwrap(), reason).await;
                }
            }
        }
        pause(&mut self.random, 1, 20).await;
    }

    /// Sends a new receipt. Most of the time a terminal sends it again where it got no answer.
    async fn new_receipt(&mut self) {
        let receipt = self.fresh.make();
        self.sent.lock().unwrap().push(receipt.clone());
        for _ in 0..20 {
            match self.send(&receipt).await {
                Some(answer) if answer.status != 503 => {
                    return self.read_back(&receipt, answer.position.as_deref()).await;
                }
                _ if self.random.chance(15) => return,
                _ => pause(&mut self.random, 100, 600).await,
            }
        }
    }

    /// Reads back a receipt that was answered with a position. The read must wait for it and find it, or say that it
    /// cannot tell.
    async fn read_back(&mut self, receipt: &Value, position: Option<&str>) {
        let Some(position) = position.filter(|_| self.random.chance(10)) else { return };
        let path = format!("/v1/receipts/{}", receipt["transaction_id"].as_str().unwrap());
        let header = *self.random.pick(&[("till-position", position), ("till-consistency", "strong")]);
        let reader = self.client().with_header(header.0, header.1).with_header("prefer", "wait=2");
        if let Ok(answer) = reader.try_get(&path).await {
            assert!(
                [200, 503].contains(&answer.status),
                "{path} at {position}, read with {header:?}: {} {}",
                answer.status,
                answer.text
            );
        }
    }

    async fn send(&mut self, receipt: &Value) -> Option<Answer> {
        let client = self.client();
        self.ledger.receipt(&client, receipt).await
    }

    fn client(&mut self) -> Client {
        self.random.pick(&self.clients).clone()
    }

    fn earlier(&mut self) -> Option<Value> {
        let sent = self.sent.lock().unwrap();
        if sent.is_empty() { None } else { Some(self.random.pick(&sent).clone()) }
    }
}
