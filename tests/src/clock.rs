//! A service's wall clock in a test's hand: a library that is loaded before the service's own ones. The monotonic clock is
//! left alone, as it is when somebody sets a machine's clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::TimeDelta;

use crate::till::Service;

/// The library; the file says more.
const LIBRARY: &str = include_str!("clock.c");

/// A clock that can be set while the service runs.
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// The clock of a service that is not started yet. It is right until it is set.
    ///
    /// # Panics
    /// A C compiler is missing.
    #[must_use]
    pub fn of(service: &mut Service, folder: &Path) -> Self {
        let file = folder.join(format!("{}-clock", service.name()));
        let clock = Self { file };
        clock.set(TimeDelta::zero());
        service.set("LD_PRELOAD", &library(folder).display().to_string());
        service.set("CLOCK_OFFSET_FILE", &clock.file.display().to_string());
        clock
    }

    /// Sets the clock by whole seconds from what is right. The service notices within a tenth of a second.
    ///
    /// # Panics
    /// The clock's file cannot be written.
    pub fn set(&self, offset: TimeDelta) {
        // A new file is written and renamed to the clock's, so that the service never reads half of it.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{}\n", offset.num_seconds())).expect("the test's folder can be written");
        fs::rename(&new, &self.file).expect("the test's folder can be written");
    }
}

fn library(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, LIBRARY).expect("the test's folder can be written");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .status()
        .expect("a C compiler is there");
    assert!(compiled.success(), "{} does not compile", source.display());
    library
}
