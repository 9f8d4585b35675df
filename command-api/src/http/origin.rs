//! Where a command comes from, as the headers of its request say.

use axum::http::{HeaderMap, HeaderName};
use runtime::server::REQUEST_ID;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::shard::Origin;

/// A trace context, at most: a longer one is not kept.
const MAX_TRACEPARENT_CHARS: usize = 128;

impl Origin {
    /// The request's id, which the edge has checked or made, and the client's trace context unless it is too long.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name: &HeaderName, at_most: usize| {
            let value = headers.get(name)?.to_str().ok()?;
            (1..=at_most).contains(&value.len()).then(|| value.to_owned())
        };
        Self {
            correlation_id: text(&REQUEST_ID, 36),
            traceparent: text(&HeaderName::from_static("traceparent"), MAX_TRACEPARENT_CHARS),
            causation_id: None,
        }
    }
}

/// The headers that [`Origin::of`] reads.
impl IntoParams for Origin {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = |name: &str, description: &str, schema: ObjectBuilder, example: &str| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Header)
                .description(Some(description))
                .required(Required::False)
                .schema(Some(schema.schema_type(Type::String)))
                .example(Some(example.into()))
                .build()
        };
        vec![
            header(
                "X-Request-Id",
                "A UUID, or 16 to 32 hexadecimal digits: kept in the event's headers, and told with the answer. Another one, or none, is\nreplaced by a new one.",
                ObjectBuilder::new(),
                "0af7651916cd43dd8448eb211c80319c",
            ),
            header(
                "traceparent",
                "W3C trace context, kept in the event's headers.",
                ObjectBuilder::new().max_length(Some(MAX_TRACEPARENT_CHARS)),
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
        ]
    }
}
