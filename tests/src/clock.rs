//! A service's clock in a test's hand: Debian's libfaketime, loaded before the service's own libraries. The monotonic
//! clock is left alone, as it is when somebody sets a machine's clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::till::Service;

/// What libfaketime lacks. It is loaded before libfaketime; the file says more.
const COMPANION: &str = include_str!("clock.c");

/// A clock that can be set while the service runs.
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// The clock of a service that is not started yet. It is right until it is set.
    ///
    /// # Panics
    /// Debian's package faketime, or a C compiler, is missing.
    #[must_use]
    pub fn of(service: &mut Service, folder: &Path) -> Self {
        let file = folder.join(format!("{}-clock", service.name()));
        let clock = Self { file };
        clock.set("+0");
        let preloaded = format!("{}:{}", libfaketime().display(), companion(folder).display());
        service.set("LD_PRELOAD", &preloaded);
        service.set("FAKETIME_TIMESTAMP_FILE", &clock.file.display().to_string());
        // For so many seconds the service may not notice that its clock was set.
        service.set("FAKETIME_CACHE_DURATION", "1");
        for variable in ["DONT_FAKE_MONOTONIC", "FAKETIME_DONT_FAKE_MONOTONIC"] {
            service.set(variable, "1");
        }
        clock
    }

    /// Sets the clock by an offset, as `faketime` takes it: `+1d`, `-10m`, `+0`.
    ///
    /// # Panics
    /// The clock's file cannot be written.
    pub fn set(&self, offset: &str) {
        // A new file is written and renamed to the clock's, so that the service never reads half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).expect("the test's folder can be written");
        fs::rename(&new, &self.file).expect("the test's folder can be written");
    }
}

fn libfaketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("/usr/lib is there").flatten().map(|entry| entry.path());
    let found = folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists());
    found.expect("libfaketime is missing: Debian's package faketime has it")
}

fn companion(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, COMPANION).expect("the test's folder can be written");
    // It is compiled without optimization: the compiler would leave out an allocation that is freed at once.
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O0", "-o"])
        .args([&library, &source])
        .status()
        .expect("a C compiler is there");
    assert!(compiled.success(), "{} does not compile", source.display());
    library
}
