//! Connections of the services' ports. There are so many at once, and each is bounded in memory and in time: while it idles,
//! while the head of a request comes, and while its client takes nothing of an answer. Bodies have bounds of their own, where
//! they are read.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The pause after a connection could not be accepted, mostly because the process has no file left for it.
const NO_ROOM: Duration = Duration::from_secs(1);
/// Connections at once, at most: each costs memory, however little its client sends.
const MAX_CONNECTIONS: usize = 10_000;
/// What is read ahead of a connection, and so the head of a request, at most. Twice what nginx passes on.
const HEAD_BYTES: usize = 64 * 1024;

/// How many connections there may be, and how long one may be kept without progress.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub connections: usize,
    /// A client may idle between two requests, or take for the head of one. Clients that keep connections must give an idle
    /// one up earlier, or a request meets a connection that is just being closed: nginx and the other replicas after 15 s.
    pub head: Duration,
    /// The client's machine may leave sent bytes unacknowledged, or its window shut.
    pub unread: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        // A quarter of the process's files stays free for the store, the log and the database.
        let of_files = max_open_files().map_or(MAX_CONNECTIONS, |files| files / 4 * 3);
        Self {
            connections: MAX_CONNECTIONS.min(of_files),
            head: Duration::from_secs(30),
            unread: Duration::from_secs(30),
        }
    }
}

/// How many files the process may open (`RLIMIT_NOFILE`), as Linux tells it; `None` where it is not told or there is no limit.
fn max_open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    soft.split_whitespace().next()?.parse().ok()
}

/// Answers requests until `stopping`, then lets those under way end.
pub(super) async fn serve<F: Future<Output = Response> + Send + 'static>(
    listener: TcpListener,
    answer: impl Fn(Request) -> F + Clone + Send + 'static,
    bounds: Bounds,
    stopping: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(HEAD_BYTES);
    let (connections, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(bounds.connections)));
    loop {
        let accept = async {
            let place = places.clone().acquire_owned().await.expect("the places stay open");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accept => accepted,
            () = stopping.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_clients(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(NO_ROOM).await;
                continue;
            }
        };
        if let Err(error) = prepare(&stream, bounds) {
            tracing::debug!(%error, "a connection's options were refused");
        }
        let answer = answer.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            answer(request).map(Ok::<_, Infallible>)
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

/// Whether the client was gone before its connection was accepted. Then nothing is wrong here, and the next one is accepted at
/// once.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn prepare(stream: &TcpStream, bounds: Bounds) -> io::Result<()> {
    // Answers are small and one at a time: Nagle's algorithm would hold them back.
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(bounds.unread))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;
    use tower::Service;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);
    /// A server that never answers fails the test after this time.
    const AT_LAST: Duration = Duration::from_secs(60);

    async fn serving(router: Router) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounds = Bounds { connections: 2, head: SOON, unread: SOON };
        let answer = move |request: Request| router.clone().call(request).map(Result::unwrap);
        tokio::spawn(serve(listener, answer, bounds, CancellationToken::new()));
        address
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_until_another_ends() {
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let open = gate.clone();
        let held = move || {
            begun.send(()).unwrap();
            let gate = gate.clone();
            async move { gate.acquire_owned().await.map(drop).unwrap() }
        };
        let address = serving(Router::new().route("/", get(held))).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
            clients.push(client);
        }
        for _ in 0..2 {
            begins.recv().await.unwrap();
        }
        assert!(tokio::time::timeout(SOON, begins.recv()).await.is_err(), "two are open");
        open.add_permits(3);
        tokio::time::timeout(AT_LAST, begins.recv()).await.expect("the third is taken").unwrap();
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let address = serving(Router::new().route("/", get(async || "here"))).await;
        let answered = async |head: String| {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(head.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            client.read_exact(&mut answer).await.unwrap();
            String::from_utf8(answer.to_vec()).unwrap()
        };
        let begun = format!("GET / HTTP/1.1\r\nhost: a\r\nlong: {}", "x".repeat(HEAD_BYTES / 2));
        assert_eq!(answered(format!("{begun}\r\n\r\n")).await, "HTTP/1.1 200");
        // Exactly as many bytes are sent as the server reads. With one more, the connection would be reset and the answer lost.
        let rest = "x".repeat(HEAD_BYTES - begun.len());
        assert_eq!(answered(begun + &rest).await, "HTTP/1.1 431");
    }

    /// Whether the server closes the connection after these bytes.
    async fn is_closed_after(address: SocketAddr, sent: &str) -> bool {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(AT_LAST, stream.read_to_end(&mut answer)).await.is_ok()
    }

    #[tokio::test]
    async fn a_connection_without_a_whole_head_and_an_idle_one_are_closed() {
        let address = serving(Router::new().route("/", get(async || "here"))).await;
        assert!(is_closed_after(address, "").await, "nothing was sent");
        assert!(is_closed_after(address, "GET / HTTP/1.1\r\nhost: a\r\n").await, "half a head was sent");
        assert!(is_closed_after(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, "nothing more was sent");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_given_up() {
        struct Dropped(Option<oneshot::Sender<()>>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                let _ = self.0.take().map(|sender| sender.send(()));
            }
        }
        let (sender, dropped) = oneshot::channel();
        let guard = Arc::new(std::sync::Mutex::new(Some(Dropped(Some(sender)))));
        let endless = move || {
            let guard = guard.lock().unwrap().take();
            let parts = stream::unfold(guard, async |guard| {
                Some((Ok::<_, io::Error>(Bytes::from(vec![0; 64 * 1024])), guard))
            });
            async { Body::from_stream(Box::pin(parts)) }
        };
        let address = serving(Router::new().route("/", get(endless))).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        tokio::time::timeout(AT_LAST, dropped).await.expect("the answer is given up").unwrap();
    }
}
