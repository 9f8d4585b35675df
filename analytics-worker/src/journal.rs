//! The journal of contract 003's consumer: a line for each closed window, written by the one replica that closed it, and by
//! nothing that reads the figures later: no rebuild and no restart repeats a line.

use chrono::Utc;
use runtime::Common;
use runtime::contracts::journal::JournalFile;
use runtime::contracts::receipts::{NAME, messages, moment};

pub(crate) struct Journal(Option<JournalFile>);

impl Journal {
    /// `journal.txt` in the journals' folder, where the contract is switched on.
    pub(crate) fn new(common: &Common) -> Self {
        let file = || JournalFile::new(common.journal_dir.join("journal.txt"));
        Self(common.serves(NAME).then(file))
    }

    /// Notes that so many windows were closed just now. Figures do not wait for it: a line that cannot be written is lost.
    pub(crate) fn note(&self, windows: usize) {
        let Some(file) = &self.0 else { return };
        let line = messages::figures_computed(&moment(Utc::now())) + "\n";
        if let Err(error) = file.append(line.repeat(windows).as_bytes()) {
            tracing::warn!(%error, "lines of the journal are lost: TILL_JOURNAL_DIR chooses its folder");
        }
    }
}
