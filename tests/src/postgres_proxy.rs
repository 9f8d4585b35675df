//! A TCP proxy before Postgres. It holds back answers on one connection: a slow database, at a moment that a test
//! chooses.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How much is read at once. Till's statements are shorter, so each comes in one piece, and its text can be found in
/// it.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long [`PostgresProxy::held`] waits for a connection before it fails the test.
const AT_LAST: Duration = Duration::from_secs(60);

/// What answers have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Answers pass at once.
    Pass,
    /// The next connection that sends this text gets no more answers.
    Hold(&'static str),
    /// A connection has sent the text, and gets no more answers.
    Held,
}

/// A running proxy; it ends with the test's runtime.
pub struct PostgresProxy {
    port: u16,
    rule: watch::Sender<Rule>,
}

impl PostgresProxy {
    /// Begins to listen before a server on this machine.
    ///
    /// # Panics
    /// The proxy cannot listen.
    pub async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let rule = watch::Sender::new(Rule::Pass);
        let rules = rule.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let rule = rules.clone();
                // A connection that breaks on either side ends on both.
                tokio::spawn(async move { drop(connect(client, server_port, rule).await) });
            }
        });
        Self { port, rule }
    }

    /// The port that clients are given as the server's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next connection that sends the text gets no more answers until [`Self::release`]. What it sends still
    /// reaches Postgres.
    pub fn hold_answers_after(&self, text: &'static str) {
        self.rule.send_replace(Rule::Hold(text));
    }

    /// Waits until the answers of a connection are held.
    ///
    /// # Panics
    /// No connection is held within a minute.
    pub async fn held(&self) {
        let mut rule = self.rule.subscribe();
        let held = tokio::time::timeout(AT_LAST, rule.wait_for(|rule| *rule == Rule::Held));
        held.await.expect("a connection sends the text").expect("the sender lives");
    }

    /// Lets the answers that are held go on.
    pub fn release(&self) {
        self.rule.send_replace(Rule::Pass);
    }
}

async fn connect(client: TcpStream, server_port: u16, rule: watch::Sender<Rule>) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server_port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_held = Arc::new(AtomicBool::new(false));
    tokio::select! {
        ended = statements(from_client, to_server, &rule, &is_held) => ended,
        ended = answers(from_server, to_client, &rule, &is_held) => ended,
    }
}

async fn statements(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    rule: &watch::Sender<Rule>,
    is_held: &AtomicBool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        let sent = &chunk[..length];
        rule.send_if_modified(|rule| match *rule {
            Rule::Hold(text) if sent.windows(text.len()).any(|window| window == text.as_bytes()) => {
                is_held.store(true, Ordering::SeqCst);
                *rule = Rule::Held;
                true
            }
            Rule::Pass | Rule::Hold(_) | Rule::Held => false,
        });
        to.write_all(sent).await?;
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    rule: &watch::Sender<Rule>,
    is_held: &AtomicBool,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return Ok(());
        }
        if is_held.swap(false, Ordering::SeqCst) {
            let released = rule.subscribe().wait_for(|rule| *rule == Rule::Pass).await.map(drop);
            released.expect("the sender lives");
        }
        to.write_all(&chunk[..length]).await?;
    }
}
