//! The producer's journal: a line for each check, in the service's log (UTF-8) and in `journal.csv` (windows-1251).

use std::path::Path;

use chrono::Utc;
use contracts::journal::JournalFile;
use contracts::receipts::{local_time, words};
use encoding_rs::WINDOWS_1251;
use schemas::receipts::Receipt;
use tokio::sync::mpsc;

/// Lines that may wait for the disk; past it requests wait too.
const WAITING: usize = 1024;

/// Writes on a thread of its own, so that a slow disk holds nobody up until many lines wait.
#[derive(Clone)]
pub struct CheckJournal(mpsc::Sender<String>);

impl CheckJournal {
    /// A journal in a folder.
    pub fn start(folder: &Path) -> Self {
        let file = JournalFile::new(folder.join("journal.csv"));
        let (sender, lines) = mpsc::channel(WAITING);
        let write = move || write(&file, lines);
        std::thread::Builder::new().name("journal".into()).spawn(write).expect("a thread can be started");
        Self(sender)
    }

    /// Notes a check that was recorded just now. The log in Kafka is the truth: a line may be lost in a crash.
    pub async fn note(&self, receipt: &Receipt) {
        let (now, at) = (local_time(Utc::now()), local_time(receipt.occurred_at));
        let line = words::check_recorded(&now, &receipt.transaction_id, &at, receipt.items.len());
        // A check must not be able to write lines of others.
        let line = line.replace(char::is_control, " ");
        tracing::info!("{line}");
        if self.0.send(line).await.is_err() {
            tracing::error!("the journal's thread has ended");
        }
    }
}

fn write(file: &JournalFile, mut lines: mpsc::Receiver<String>) {
    while let Some(line) = lines.blocking_recv() {
        let mut text = line + "\n";
        while let Ok(line) = lines.try_recv() {
            text.push_str(&line);
            text.push('\n');
        }
        // What the encoding does not have becomes a numeric character reference.
        let (bytes, _, _) = WINDOWS_1251.encode(&text);
        if let Err(error) = file.append(&bytes) {
            tracing::warn!(%error, "lines of the journal are lost: TILL_JOURNAL_DIR chooses its folder");
        }
    }
}
