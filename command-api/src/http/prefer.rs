//! The header `Prefer` (RFC 7240): what a client would like. `Preference-Applied` of the answer says what it got.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::{IntoParams, PartialSchema};

const LENIENT: &str =
    "`handling=lenient` (RFC 7240): fields that are not described are passed over, not refused.";
const WAIT: &str = "`wait=N`: the answer waits until all that follows from the command is done, `N` seconds at most, and has\n`Preference-Applied: wait` where it is.";

/// What is done with fields that are not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Handling {
    /// An unknown field is an error.
    #[default]
    Strict,
    /// Unknown fields are passed over, because the client sent `Prefer: handling=lenient`.
    Lenient,
}

impl Handling {
    pub fn of(headers: &HeaderMap) -> Self {
        match preference(headers, "handling") {
            Some(value) if value.eq_ignore_ascii_case("lenient") => Self::Lenient,
            _ => Self::Strict,
        }
    }

    /// Adds `Preference-Applied` to the answer where the client asked for leniency.
    pub fn tell(self, headers: &mut HeaderMap) {
        if self == Self::Lenient {
            let applied = HeaderName::from_static("preference-applied");
            headers.append(applied, HeaderValue::from_static("handling=lenient"));
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Handling {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

/// Describes the header where only [`Handling`] is read from it.
impl IntoParams for Handling {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![described(LENIENT, "handling=lenient")]
    }
}

/// Describes the header of a route that submits a command by [`super::App::submit`], which reads [`preferred_wait`] from it too.
pub struct CommandPreferences;

impl IntoParams for CommandPreferences {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![described(&format!("{LENIENT}\n{WAIT}"), "handling=lenient, wait=5")]
    }
}

fn described(description: &str, example: &str) -> Parameter {
    let prefer = ParameterBuilder::new().name("Prefer").parameter_in(ParameterIn::Header);
    let prefer = prefer.description(Some(description)).required(Required::False);
    prefer.schema(Some(String::schema())).example(Some(example.into())).build()
}

/// How long the client would wait for the to-dos that its command raises: `Prefer: wait=N`, in seconds.
pub fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    preference(headers, "wait")?.parse().ok().map(Duration::from_secs)
}

/// The value of a preference. Where a client sends several, the first counts.
fn preference<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(',')).filter_map(|text| text.split(';').next());
    preferences.find_map(|text| {
        let (found, value) = text.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leniency_is_asked_for_in_any_of_the_preferences() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("prefer", value.parse().unwrap());
            Handling::of(&headers)
        };
        for lenient in ["handling=lenient", "wait=10, Handling=\"lenient\"", "handling=lenient; x=1"] {
            assert_eq!(of(lenient), Handling::Lenient, "{lenient}");
        }
        for strict in
            ["handling=strict", "handling", "lenient", "wait=1", "handling=strict, handling=lenient"]
        {
            assert_eq!(of(strict), Handling::Strict, "{strict}");
        }
    }
}
