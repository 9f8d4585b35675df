//! Runs the oracle, a Python program that judges from outside what a deployment has done.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::places;
use crate::process::{Finished, Spec};
use crate::till::Till;

/// How long the oracle may take before the test gives up.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

/// Runs `oracle CHECK…` on a deployment and a ledger, with `more` arguments behind.
#[must_use]
pub fn judge(till: &Till, token: &str, ledger: &Path, checks: &[&str], more: &[&str]) -> Finished {
    let mut spec = Spec::new("oracle", &places::python(), till.scratch.path());
    let tests = places::repository().join("tests");
    spec.env.insert("PYTHONPATH".into(), tests.display().to_string());
    spec.env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    spec.env.insert("ORACLE_TOKEN".into(), token.into());
    let (schemas, ledger) = (places::repository().join("schemas/avro"), ledger.display().to_string());
    let options = [
        ("--brokers", till.servers.kafka.brokers().to_owned()),
        ("--prefix", till.prefix.clone()),
        ("--reads", till.projector.url()),
        ("--schemas", schemas.display().to_string()),
        ("--ledger", ledger),
    ];
    let options = options.into_iter().flat_map(|(name, value)| [OsString::from(name), value.into()]);
    let module = ["-m", "oracle"].map(OsString::from);
    spec.args(module.into_iter().chain(checks.iter().chain(more).map(OsString::from)).chain(options))
        .run(ENDS_WITHIN)
}
