//! The headers of the answer to a command.

use std::convert::Infallible;

use axum::http::HeaderValue;
use axum::response::{IntoResponseParts, ResponseParts};

use crate::shard::Answer;

/// `Till-Position`, and `Preference-Applied` where the to-dos of its event were waited for and are settled.
impl IntoResponseParts for &Answer {
    type Error = Infallible;

    fn into_response_parts(self, mut response: ResponseParts) -> Result<ResponseParts, Infallible> {
        let position = HeaderValue::try_from(self.position.to_string()).expect("a position is ASCII");
        response.headers_mut().insert("till-position", position);
        if self.is_settled == Some(true) {
            response.headers_mut().append("preference-applied", HeaderValue::from_static("wait"));
        }
        Ok(response)
    }
}
