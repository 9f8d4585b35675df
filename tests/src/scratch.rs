//! The folders of a run, under `.till/test/`: one for the run, and in it one for each test. A test that passes removes
//! its own; one that fails keeps it and says where it is. The run's folder goes when the process ends, unless a test
//! has failed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use crate::places;

/// A test's own folder, which is kept where the test fails.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a folder for the test `name` in that of this run.
    ///
    /// # Panics
    /// The folder cannot be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let path = RUN.path.join(name);
        make(&path);
        Self { path }
    }

    /// The path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("data and logs are kept in {}", self.path.display());
            let _ = fs::write(RUN.path.join(FAILED), "");
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A file of this name in the run's folder has the folder kept.
const FAILED: &str = "failed";

static RUN: LazyLock<Run> = LazyLock::new(Run::begin);

struct Run {
    path: PathBuf,
    /// Removes the folder when this process has ended: it waits for the end of its standard input, which this process holds.
    _janitor: Mutex<Child>,
}

impl Run {
    fn begin() -> Self {
        let path = places::repository().join(format!(".till/test/run-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        make(&path);
        let janitor = Command::new("sh")
            .args(["-c", "cat > /dev/null; sleep 1; [ -e \"$0/failed\" ] || rm -rf \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts");
        Self { path, _janitor: Mutex::new(janitor) }
    }
}

/// Makes a folder that other users may pass through, because Postgres does not run as root.
fn make(path: &Path) {
    fs::create_dir_all(path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
}
