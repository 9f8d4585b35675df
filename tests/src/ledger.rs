//! The ledger: the oracle's input. It has every request that was sent, with its answer or that there was none.
//!
//! Each line is a JSON object: `kind` (`receipt` or `void`), `transaction_id`, `sent_at` and `answered_at` (seconds
//! since 1970), `body` (the text that was sent), `status` (a number, or `null` where no answer came), `position` and
//! `answer` (the body, `null` where there is none).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::client::{Answer, Client};

/// A ledger that is being written.
pub struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    kind: &'a str,
    transaction_id: &'a str,
    sent_at: f64,
    answered_at: f64,
    body: &'a str,
    status: Option<u16>,
    position: Option<&'a str>,
    answer: &'a Value,
}

impl Ledger {
    /// Makes a new ledger in a folder.
    ///
    /// # Panics
    /// The file cannot be made.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let path = folder.join("ledger.jsonl");
        let file = Mutex::new(File::create(&path).expect("the test's folder is ours"));
        Self { path, file }
    }

    /// The path of the ledger's file, for the oracle.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Posts a receipt, and writes down what came of it. `None` where there was no answer.
    pub async fn receipt(&self, client: &Client, receipt: &Value) -> Option<Answer> {
        let id = receipt["transaction_id"].as_str().unwrap_or_default().to_owned();
        self.send(client, "receipt", &id, "/v1/receipts", receipt).await
    }

    /// Voids a receipt, and writes down what came of it. `None` where there was no answer.
    pub async fn void(&self, client: &Client, transaction_id: &str, reason: &str) -> Option<Answer> {
        let body = serde_json::json!({ "reason": reason });
        self.send(client, "void", transaction_id, &format!("/v1/receipts/{transaction_id}/void"), &body).await
    }

    async fn send(&self, client: &Client, kind: &str, id: &str, path: &str, body: &Value) -> Option<Answer> {
        let body = body.to_string();
        let sent_at = now();
        let answer = client.try_post(path, body.clone()).await.ok();
        let line = Line {
            kind,
            transaction_id: id,
            sent_at,
            answered_at: now(),
            body: &body,
            status: answer.as_ref().map(|a| a.status),
            position: answer.as_ref().and_then(|a| a.position.as_deref()),
            answer: answer.as_ref().map_or(&Value::Null, |a| &a.body),
        };
        let text = serde_json::to_string(&line).expect("plain fields");
        writeln!(self.file.lock().expect("no holder of the lock panics"), "{text}")
            .expect("the ledger is writable");
        answer
    }

    /// All lines of the ledger, parsed.
    ///
    /// # Panics
    /// A line is not as this type writes it.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.path).expect("the ledger is readable");
        text.lines().map(|line| serde_json::from_str(line).expect("the ledger holds JSON lines")).collect()
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs_f64()
}
