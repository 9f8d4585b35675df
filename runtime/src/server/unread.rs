//! Bodies that a handler leaves unread. A connection that is closed over one takes the answer with it: a client that sends
//! everything before it listens, as nginx does, sees a broken connection instead (RFC 9112, 9.6). So the rest is read and
//! thrown away, within bounds, before the answer goes out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// How much of a body that no handler wants is read before the connection is given up.
const MAX_BYTES: usize = 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(5);

/// What a handler has left of a request's body.
#[derive(Clone)]
pub(super) struct Unread(Arc<Mutex<Option<Body>>>);

impl Unread {
    /// Lends the request's body to whoever handles it.
    pub fn of(request: &mut Request) -> Self {
        let unread = Self(Arc::default());
        if !request.body().is_end_stream() {
            // A client that waits to be asked for its body (RFC 9110, 10.1.1) has sent nothing: to read would be to ask.
            let waits = request.headers().contains_key(header::EXPECT);
            let body = std::mem::take(request.body_mut());
            *request.body_mut() = Body::new(Lent { body, asked: !waits, unread: unread.clone() });
        }
        unread
    }

    /// Reads and drops what is left, once the handler has let go of it.
    pub async fn drain(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left else { return };
        let all = async {
            let mut bytes = 0;
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > MAX_BYTES {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(WITHIN, all).await;
    }
}

struct Lent {
    body: Body,
    asked: bool,
    unread: Unread,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.asked = true;
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.asked && !self.body.is_end_stream() {
            let left = std::mem::take(&mut self.body);
            *self.unread.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        }
    }
}
