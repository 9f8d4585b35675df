//! The journal of contract 003's consumer: a line for each closed window, written by the one replica that closed it, and by
//! nothing that reads the figures later: no rebuild and no restart repeats a line.

use chrono::Utc;
use contracts::RECEIPTS;
use contracts::journal::JournalFile;
use contracts::receipts::{local_time, words};
use contracts::settings::Settings;

pub(crate) struct Journal(Option<JournalFile>);

impl Journal {
    /// `journal.txt` in the journals' folder, where the contract is switched on.
    pub(crate) fn new(contracts: &Settings) -> Self {
        let file = || JournalFile::new(contracts.journal_dir.join("journal.txt"));
        Self(contracts.serve(&RECEIPTS).then(file))
    }

    /// Notes that so many windows were closed just now. Figures do not wait for it: a line that cannot be written is lost.
    pub(crate) fn note(&self, windows: usize) {
        let Some(file) = &self.0 else { return };
        let line = words::figures_computed(&local_time(Utc::now())) + "\n";
        if let Err(error) = file.append(line.repeat(windows).as_bytes()) {
            tracing::warn!(%error, "lines of the journal are lost: TILL_JOURNAL_DIR chooses its folder");
        }
    }
}
