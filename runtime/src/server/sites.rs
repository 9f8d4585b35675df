//! Which web sites may speak to a service. A browser sends requests for any page that is open in it, also to this machine and
//! to machines that only it can reach, and names that are made to lead here ("DNS rebinding") let a foreign page read the answers.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{Common, Problem};

/// Request headers that a page of an allowed origin may send, and answer headers that it may read.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "authorization, content-type, idempotency-key, prefer, till-consistency, till-position, traceparent, x-request-id",
    ),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT"),
    (header::ACCESS_CONTROL_MAX_AGE, "600"),
];
const EXPOSED: [(HeaderName, &str); 1] = [(
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    "allow, location, retry-after, till-position, www-authenticate, x-request-id",
)];

/// The names a service has, and the origins whose pages may use it.
pub struct Sites {
    names: Names,
    origins: Vec<String>,
}

enum Names {
    Any,
    These { names: Vec<String>, loopback: bool },
}

impl Sites {
    /// As the settings say. `own` are names by which the service's own replicas reach it.
    #[must_use]
    pub fn new(common: &Common, own: &[&str]) -> Self {
        let listed: Vec<String> = listed(&common.server_names).map(str::to_lowercase).collect();
        let is_any = listed.iter().any(|name| name == "*") || (listed.is_empty() && !common.demo);
        let loopback = listed.is_empty();
        let names = listed.into_iter().chain(own.iter().map(|name| without_port(name)));
        let names = if is_any { Names::Any } else { Names::These { names: names.collect(), loopback } };
        Self { names, origins: listed_origins(&common.allowed_origins) }
    }

    /// Why a request is refused, if it is.
    pub(super) fn refusal(&self, method: &Method, headers: &HeaderMap) -> Option<Problem> {
        let host = headers.get(header::HOST).map_or("", text);
        if !host.is_empty() && !self.names.contain(&without_port(host)) {
            return Some(
                Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "the Host header is no name of this service; TILL_SERVER_NAMES says which it has",
                )
                .kind("urn:till:unknown-host", "Unknown host"),
            );
        }
        self.is_foreign(method, headers, host).then(|| {
            Problem::new(
                StatusCode::FORBIDDEN,
                "a page of another origin may not use this service; TILL_ALLOWED_ORIGINS says which may",
            )
            .kind("urn:till:foreign-origin", "Foreign origin")
        })
    }

    fn is_foreign(&self, method: &Method, headers: &HeaderMap, host: &str) -> bool {
        if let Some(origin) = headers.get(header::ORIGIN) {
            let authority = text(origin).split_once("://").map_or("", |(_, authority)| authority);
            let is_own = !authority.is_empty() && authority.eq_ignore_ascii_case(host);
            return !is_own && self.allowed(headers).is_none();
        }
        let says = |name: &str, value: &str| headers.get(name).is_some_and(|said| said == value);
        // A link that somebody follows shows the answer to them, and to no page.
        let is_link = *method == Method::GET && says("sec-fetch-mode", "navigate");
        says("sec-fetch-site", "cross-site") && !is_link
    }

    /// The request's origin, where its pages may use the service.
    fn allowed<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.origins.iter().any(|allowed| text(origin).eq_ignore_ascii_case(allowed)).then_some(origin)
    }

    /// What lets a browser hand the answer to the page that asked, and tells one that asks before it sends (CORS).
    pub(super) fn cors(&self, method: &Method, request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
        let Some(origin) = self.allowed(request) else { return Vec::new() };
        let mut headers = vec![(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())];
        let told = if is_preflight(method, request) { &PREFLIGHT[..] } else { &EXPOSED[..] };
        headers.extend(told.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))));
        headers
    }

    /// Whether answers differ by who asks, so that a cache must keep them apart.
    pub(super) fn differ(&self) -> bool {
        !self.origins.is_empty()
    }
}

impl Names {
    fn contain(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These { names, loopback } => {
                names.iter().any(|name| name == host) || (*loopback && is_loopback(host))
            }
        }
    }
}

/// Whether a browser asks what a page may send before it sends it.
pub(super) fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
    *method == Method::OPTIONS && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The name of `name:port`, in lower case; an IPv6 address stays in its brackets.
fn without_port(authority: &str) -> String {
    let bracket = authority.find(']').map_or(0, |at| at + 1);
    let port = authority[bracket..].find(':').map_or(authority.len(), |at| bracket + at);
    authority[..port].trim_end_matches('.').to_lowercase()
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("?")
}

fn listed(setting: &str) -> impl Iterator<Item = &str> {
    setting.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn listed_origins(setting: &str) -> Vec<String> {
    listed(setting).map(|origin| origin.trim_end_matches('/').to_owned()).collect()
}

/// What is wrong with `TILL_SERVER_NAMES` and `TILL_ALLOWED_ORIGINS`.
pub(crate) fn check(common: &Common, faults: &mut Vec<String>) {
    let is_name =
        |name: &str| name == "*" || (!name.contains(['/', ' ']) && without_port(name) == name.to_lowercase());
    if !listed(&common.server_names).all(is_name) {
        faults.push("TILL_SERVER_NAMES must be names or addresses without port, separated by commas, such as till.example.org; * is any".into());
    }
    let is_origin = |origin: &String| {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '*', ' ']))
    };
    if !listed_origins(&common.allowed_origins).iter().all(is_origin) {
        faults.push(
            "TILL_ALLOWED_ORIGINS must be origins separated by commas, such as https://shop.example.org"
                .into(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs =
            list.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    fn demo() -> Sites {
        let names = Names::These { names: vec!["command-api".into()], loopback: true };
        Sites { names, origins: vec!["https://shop.example.org".into()] }
    }

    fn status(method: &Method, list: &[(&'static str, &'static str)]) -> Option<u16> {
        demo().refusal(method, &headers(list)).map(|problem| problem.status().as_u16())
    }

    #[test]
    fn a_name_is_taken_with_any_port_and_another_is_misdirected() {
        for host in [
            "127.0.0.1:8080",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8000",
            "127.8.0.1",
            "command-api:8000",
            "localhost.",
        ] {
            assert_eq!(status(&Method::POST, &[("host", host)]), None, "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example:8080", "localhost.evil.example", "[::2]", "10.0.0.1"]
        {
            assert_eq!(status(&Method::GET, &[("host", host)]), Some(421), "{host}");
        }
        assert_eq!(status(&Method::GET, &[]), None, "HTTP/1.0 has no Host");
    }

    #[test]
    fn a_foreign_page_is_refused_an_own_and_an_allowed_one_are_not() {
        let host = ("host", "127.0.0.1:8080");
        for origin in ["http://evil.example", "null", "http://127.0.0.1:8081", "file://", "127.0.0.1:8080"] {
            assert_eq!(status(&Method::POST, &[host, ("origin", origin)]), Some(403), "{origin}");
        }
        for origin in ["http://127.0.0.1:8080", "https://127.0.0.1:8080", "https://shop.example.org"] {
            assert_eq!(status(&Method::POST, &[host, ("origin", origin)]), None, "{origin}");
        }
        let cross_site = ("sec-fetch-site", "cross-site");
        assert_eq!(status(&Method::GET, &[host, cross_site]), Some(403));
        assert_eq!(status(&Method::POST, &[host, cross_site, ("sec-fetch-mode", "navigate")]), Some(403));
        assert_eq!(status(&Method::GET, &[host, cross_site, ("sec-fetch-mode", "navigate")]), None, "a link");
        assert_eq!(status(&Method::POST, &[host, ("sec-fetch-site", "same-origin")]), None);
        assert_eq!(status(&Method::POST, &[host]), None, "no browser");
    }
}
