//! Journals for people: text files lines are appended to, bounded.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// A journal file's size, at most; past it the file becomes `NAME.1`, in place of the one before.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A file that several processes may append to: each call is one write.
#[derive(Clone, Debug)]
pub struct JournalFile {
    path: PathBuf,
    max_bytes: u64,
}

impl JournalFile {
    /// The file at `path`; it and its folder are made when first written to.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: MAX_BYTES }
    }

    /// Appends whole lines.
    ///
    /// # Errors
    /// What the file system says.
    pub fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.open()?;
        if file.metadata()?.len() >= self.max_bytes {
            fs::rename(&self.path, self.former())?;
            file = self.open()?;
        }
        file.write_all(lines)
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        OpenOptions::new().create(true).append(true).open(&self.path)
    }

    fn former(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".1");
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_a_full_file_makes_room() {
        let folder = std::env::temp_dir().join(format!("till-journal-{}", std::process::id()));
        let journal = JournalFile { path: folder.join("made/journal.csv"), max_bytes: 8 };
        for line in ["first\n", "second\n", "third\n"] {
            journal.append(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(journal.former()).unwrap(), "first\nsecond\n");
        assert_eq!(fs::read_to_string(&journal.path).unwrap(), "third\n");
        fs::remove_dir_all(folder).unwrap();
    }
}
