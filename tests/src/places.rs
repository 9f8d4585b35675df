//! The places of things on this machine: the repository, the release binaries, Kafka's jars, Postgres' binaries,
//! Python.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The root of the repository.
///
/// # Panics
/// This crate does not lie in the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_owned()
}

/// A service's binary, beside the running test's own: `target/release/NAME`.
///
/// # Panics
/// The binary has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the running test has a path");
    let path = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").join(name);
    assert!(path.exists(), "{} is missing; build first: cargo build --release", path.display());
    path
}

/// The folder of Kafka's jars: `TILL_KAFKA_LIBS`, else where `./till up` puts them.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn kafka_libs() -> PathBuf {
    let libs =
        env::var_os("TILL_KAFKA_LIBS").map_or_else(|| repository().join(".till/kafka/libs"), PathBuf::from);
    assert!(
        libs.is_dir(),
        "no Kafka jars in {}; run the tests by ./till test, or set TILL_KAFKA_LIBS to a folder with Kafka's jars",
        libs.display()
    );
    libs
}

/// The options of the broker's JVM, as one argument.
#[must_use]
pub fn kafka_jvm_options() -> OsString {
    let mut argument = OsString::from("@");
    argument.push(repository().join("infra/kafka/jvm.options"));
    argument
}

/// The folder of Postgres' server binaries: `TILL_POSTGRES_BIN`, else the newest under `/usr/lib/postgresql`.
///
/// # Panics
/// If Postgres is not installed.
#[must_use]
pub fn postgres_bin() -> PathBuf {
    if let Some(bin) = env::var_os("TILL_POSTGRES_BIN") {
        return PathBuf::from(bin);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("postgres").exists())
        .max_by_key(|bin| bin.iter().rev().nth(1).and_then(|v| v.to_str()?.parse::<u32>().ok()))
        .expect("no Postgres under /usr/lib/postgresql; install postgresql or set TILL_POSTGRES_BIN to its bin folder")
}

/// The path of nginx. Debian keeps it in a folder that only root's PATH has.
#[must_use]
pub fn nginx() -> PathBuf {
    let debian = Path::new("/usr/sbin/nginx");
    if debian.exists() { debian.to_owned() } else { PathBuf::from("nginx") }
}

/// The folder of Apicurio Registry: `TILL_APICURIO_HOME`, else where `./till test` puts it. `None` where it is in
/// neither.
#[must_use]
pub fn apicurio() -> Option<PathBuf> {
    let home = env::var_os("TILL_APICURIO_HOME")
        .map_or_else(|| repository().join(".till/apicurio/app"), PathBuf::from);
    home.join("quarkus-run.jar").exists().then_some(home)
}

/// A Java of version 21 or newer: `TILL_JAVA21`, which `./till test` finds or fetches. `None` where there is none.
#[must_use]
pub fn java_21() -> Option<PathBuf> {
    env::var_os("TILL_JAVA21").map(PathBuf::from).filter(|java| java.exists())
}

/// The Python that has `tests/requirements.txt`: `TILL_PYTHON`, else the one of `./till test`'s virtual environment,
/// else `python3`.
#[must_use]
pub fn python() -> PathBuf {
    let venv = repository().join(".till/venv/bin/python");
    match env::var_os("TILL_PYTHON") {
        Some(python) => PathBuf::from(python),
        None if venv.exists() => venv,
        None => PathBuf::from("python3"),
    }
}
