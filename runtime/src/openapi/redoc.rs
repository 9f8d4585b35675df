//! Redoc, which shows a description on one page. Its script comes with Till: `runtime/assets/redoc`.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The file of the script.
pub const SCRIPT: &str = "redoc.standalone.js";

/// The script as npm has it. It is kept and served as it is, so that everybody can compare it with npm's; nginx compresses it for
/// clients that take it, as it does all reads.
const STANDALONE: &[u8] = include_bytes!("../../assets/redoc/redoc.standalone.js");

/// Redoc loads its description, writes styles into its page, and searches in a worker whose script it makes itself. Its sidebar
/// would load a logo from elsewhere, and goes without where it may not.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src blob:; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The page that shows the description at `url`, with the script at `script`. Both are relative to the page, so that a prefix before
/// it does not matter. None of the three may have a character that HTML gives a meaning to.
#[must_use]
pub fn page(title: &str, url: &str, script: &str) -> Response {
    let html = format!(
        r#"<!doctype html>
<html>
<head>
<title>{title}</title>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ margin: 0; padding: 0; }}</style>
</head>
<body>
<noscript>ReDoc requires Javascript to function. Please enable it to browse the documentation.</noscript>
<redoc spec-url="{url}"></redoc>
<script src="{script}"></script>
</body>
</html>
"#
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    ];
    (headers, html).into_response()
}

/// The script of the page.
#[must_use]
pub fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], STANDALONE).into_response()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_script_is_the_one_that_its_readme_names() {
        let readme = include_str!("../../assets/redoc/README.md");
        let digest = hex::encode(Sha256::digest(STANDALONE));
        assert!(readme.contains(&digest), "runtime/assets/redoc/README.md names no script of {digest}");
    }
}
