//! A description as a document: its text, and whether the committed one is the same.

use utoipa::openapi::OpenApi;

/// The description as it is printed, committed and served.
///
/// # Panics
/// Never: a description has text keys only.
#[must_use]
pub fn text(description: &OpenApi) -> String {
    let mut text = description.to_pretty_json().expect("a description has text keys only");
    text.push('\n');
    text
}

/// Compares with what is committed as `docs/openapi/<service>.json`; with `TILL_WRITE=1` in the environment, writes it.
///
/// # Panics
/// Where they differ. It is for tests.
pub fn assert_committed(description: &OpenApi, service: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi");
    let path = format!("{folder}/{service}.json");
    let text = text(description);
    if std::env::var_os("TILL_WRITE").is_some() {
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(&path, &text).expect("the description can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/openapi/{service}.json is not of this code: TILL_WRITE=1 cargo test --release -p {service} description"
    );
}
