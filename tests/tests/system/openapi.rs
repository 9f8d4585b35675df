//! The committed descriptions are compared with what the services answer: schemathesis sends what they allow, and what
//! they do not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use till_tests::process::Finished;
use till_tests::receipts::simple;
use till_tests::{FrontDoor, Spec, Till, places};

/// How long a run may take before the test gives up.
const ENDS_WITHIN: Duration = Duration::from_secs(900);
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";

fn committed(service: &str) -> PathBuf {
    places::repository().join(format!("docs/openapi/{service}.json"))
}

fn python(till: &Till, label: &str, args: &[OsString]) -> Finished {
    let mut spec = Spec::new(label, &places::python(), till.scratch.path());
    spec.env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
    spec.env.insert("PYTHONIOENCODING".into(), "utf-8".into());
    spec.args(args.iter().cloned()).run(ENDS_WITHIN)
}

/// Sends requests that are made of a description, always the same. The answers must be as the description says.
fn fuzz(till: &Till, label: &str, description: &Path, url: &str, token: &str, more: &[&str]) -> Finished {
    let script = places::repository().join("tests/descriptions/fuzz.py");
    let header = format!("Authorization: Bearer {token}");
    let options = ["run", "--url", url, "--header", &header, "--checks", CHECKS]
        .into_iter()
        // With more workers, Python 3.11 mixes up how deep its parser is in each thread, and ends a run for that.
        .chain(["--phases", "coverage,fuzzing", "--max-examples", "10", "--workers", "1"])
        .chain(["--seed", "1", "--generation-deterministic"])
        .chain(["--request-timeout", "60", "--continue-on-failure", "--no-shrink", "--no-color"])
        .chain(more.iter().copied());
    let args: Vec<OsString> = [script.into_os_string()]
        .into_iter()
        .chain(options.map(OsString::from))
        .chain([description.as_os_str().to_owned()])
        .collect();
    python(till, &format!("fuzz-{label}"), &args)
}

/// A copy of the description with a change in it, in a file of the test.
fn spoilt(till: &Till, service: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut description: Value = serde_json::from_slice(&std::fs::read(committed(service)).unwrap()).unwrap();
    let before = description.clone();
    change(&mut description);
    assert_ne!(description, before, "the fault is planted");
    let path = till.scratch.path().join(format!("spoilt-{service}.json"));
    std::fs::write(&path, description.to_string()).unwrap();
    path
}

fn remove(description: &mut Value, pointer: &str, member: &str) {
    description.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap().remove(member);
}

/// Fills the log, so that answers with 200 have something to show, and so that `Till-Position: r0-0` lies in the log:
/// it is an example in the description.
async fn seed(till: &Till) {
    let terminal = till.terminal().await;
    for number in 0.. {
        let answer = terminal.receipt(&simple(&format!("demo-{number}"), "cafe-1", "2.50")).await.expect(201);
        if answer.position.is_some_and(|position| position.starts_with("r0-")) && number > 3 {
            break;
        }
        assert!(number < 500, "a quarter of the receipts is of partition 0");
    }
    let ann = serde_json::json!({"username": "ann", "password": "correct horse"});
    let _ = till.anyone().post("/v1/auth/register", &ann).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_services_answer_is_what_their_descriptions_say() {
    let till = Till::start("openapi").await;
    seed(&till).await;
    let admin = till.admin().await;
    let (writes, reads) = (till.command_api.url(), till.projector.url());
    // Whoever logs out everywhere is nobody from then on, so that comes last, and by somebody else.
    let (leaving, analyst) = ("/v1/auth/logout-everywhere", till.analyst().await);
    for (service, url, token, which) in [
        ("command-api", &writes, admin.token(), ["--exclude-path", leaving]),
        ("projector", &reads, admin.token(), ["--exclude-path", leaving]),
        ("command-api", &writes, analyst.token(), ["--include-path", leaving]),
    ] {
        let fuzzed = fuzz(&till, service, &committed(service), url, token, &which);
        let printed = fuzzed.success(&format!("schemathesis on {service}"));
        assert!(
            which[0] == "--include-path" || !printed.contains("operations returned only 401/403"),
            "{printed}"
        );
        println!("{printed}");
    }

    // schemathesis must notice faults: here a status that is not described, below an answer of another form.
    let only = |path| ["--include-path", path, "--phases", "coverage"];
    let untold = spoilt(&till, "command-api", |description| {
        remove(description, "/paths/~1v1~1receipts/post/responses", "422");
    });
    let found = fuzz(&till, "untold-status", &untold, &writes, admin.token(), &only("/v1/receipts"));
    assert!(
        !found.status.success() && found.output.contains("ST103 Undocumented status code"),
        "{}",
        found.output
    );
    let other_form = spoilt(&till, "projector", |description| {
        description["components"]["schemas"]["Place"]["properties"]["place_name"]["type"] = "integer".into();
    });
    let found = fuzz(&till, "other-form", &other_form, &reads, admin.token(), &only("/v1/places"));
    assert!(!found.status.success() && found.output.contains("ST108"), "{}", found.output);
}

/// The text with which a GET is answered, redirects followed.
async fn text(url: &str) -> String {
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_serves_the_description_that_is_committed_and_valid() {
    let till = super::common::shared().await;
    for service in [&till.command_api, &till.projector] {
        let path = committed(service.name());
        let description = std::fs::read_to_string(&path).unwrap();
        let url = service.url();
        assert_eq!(text(&format!("{url}/openapi.json")).await, description, "{}", service.name());
        assert_eq!(service.run("openapi", &[]).success("openapi"), description);
        assert!(text(&format!("{url}/docs")).await.contains("swagger-ui"), "{}", service.name());
        assert!(text(&format!("{url}/docs/swagger-initializer.js")).await.contains("\"openapi.json\""));
        let valid = |path: &Path| {
            let args = ["-m".into(), "openapi_spec_validator".into(), path.as_os_str().to_owned()];
            python(&till, &format!("valid-{}", service.name()), &args)
        };
        let _ = valid(&path).success("the OpenAPI validator");
        let wrong = spoilt(&till, service.name(), |description| {
            remove(description, "/components/schemas", "Problem");
        });
        assert!(!valid(&wrong).status.success(), "a reference to nothing is noticed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_front_door_shows_the_descriptions() {
    let till = Till::start("openapi-front-door").await;
    let door = FrontDoor::start(&till).await;
    for service in ["command-api", "projector"] {
        let docs = format!("{}/docs/{service}", door.url);
        assert!(text(&format!("{docs}/")).await.contains("swagger-ui"), "Swagger UI of {service}");
        let served = text(&format!("{docs}/openapi.json")).await;
        assert_eq!(served, std::fs::read_to_string(committed(service)).unwrap());
    }
}
