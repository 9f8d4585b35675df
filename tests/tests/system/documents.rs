//! Every example in the documents and descriptions is sent as it stands there, and must be answered as they say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use till_tests::process::Finished;
use till_tests::{FrontDoor, Spec, Till, places};

use crate::common::serve_contracts;

/// How long all examples may take. Liveness only.
const ENDS_WITHIN: Duration = Duration::from_secs(600);

/// A new deployment for each test, because the examples open accounts and record receipts under ids of their own.
async fn fresh(name: &str) -> (Till, FrontDoor) {
    let mut till = Till::prepare(name).await;
    serve_contracts(&mut till);
    till.start_all().await;
    let door = FrontDoor::start(&till).await;
    (till, door)
}

/// Sends the examples of `what` that lie under `root`.
fn examples(till: &Till, door: &FrontDoor, what: &str, root: &Path) -> Finished {
    let script = places::repository().join("tests/documents/examples.py");
    let mut spec = Spec::new(&format!("examples-{what}"), &places::python(), till.scratch.path());
    spec.env.insert("PYTHONIOENCODING".into(), "utf-8".into());
    spec.env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    let options = [
        ("--front-door", &door.url),
        ("--producer", door.contract("receipts", "producer")),
        ("--consumer", door.contract("receipts", "consumer")),
        ("--restaurant", door.contract("restaurant", "restaurant")),
    ];
    let options = options.into_iter().flat_map(|(name, url)| [name.into(), url.into()]);
    spec.args(
        [script.into_os_string(), what.into(), "--root".into(), root.as_os_str().to_owned()]
            .into_iter()
            .chain(options),
    )
    .run(ENDS_WITHIN)
}

/// A copy of one document with a fault in it, in the test's folder.
fn spoilt(till: &Till, document: &str, right: &str, wrong: &str) -> PathBuf {
    let root = till.scratch.path().join("spoilt");
    for name in ["README.md", "docs/api.md", "docs/contracts.md"] {
        let copy = root.join(name);
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::write(&copy, "").unwrap();
    }
    let text = std::fs::read_to_string(places::repository().join(document)).unwrap();
    assert!(text.contains(right), "{document} has no {right}");
    std::fs::write(root.join(document), text.replace(right, wrong)).unwrap();
    root
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_documents_succeeds_and_is_answered_as_they_say() {
    let (till, door) = fresh("documents").await;
    let sent = examples(&till, &door, "documents", &places::repository());
    println!("{}", sent.success("the examples of the documents"));

    // The script must notice faults: here another status is told, below another key.
    let status = spoilt(&till, "docs/contracts.md", "    200 {\"key\":", "    201 {\"key\":");
    let found = examples(&till, &door, "documents", &status);
    assert!(!found.status.success() && found.output.contains("told is 201"), "{}", found.output);
    let key = spoilt(&till, "docs/contracts.md", "\"key\":", "\"token\":");
    let found = examples(&till, &door, "documents", &key);
    assert!(!found.status.success() && found.output.contains("told are ['token']"), "{}", found.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_the_descriptions_succeeds() {
    let (till, door) = fresh("descriptions").await;
    let sent = examples(&till, &door, "descriptions", &places::repository());
    println!("{}", sent.success("the examples of the descriptions"));
}
