//! A TCP proxy before the broker. It holds back, delays and cuts single kinds of requests, as a test chooses: what a
//! bad network does to one client. It reads frames by Kafka's protocol (KIP-482: length, api key, version, correlation
//! id). The broker's address in answers is rewritten, so that clients connect to the proxy again.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// How long a connection's end is kept from the broker. A broker that has read a request goes on with it although its
/// client is gone, if the end comes late enough.
const LINGER: Duration = Duration::from_secs(1);
/// The pause between two looks whether a request is still held.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The pause between two requests that were held and are let go.
const ONE_BY_ONE: Duration = Duration::from_millis(50);
/// The longest frame that is taken. A broker sends Till's clients a few MiB at most.
const FRAME_BYTES: usize = 64 * 1024 * 1024;
/// The api keys whose answers name brokers: Metadata and FindCoordinator.
const NAMING_BROKERS: [i16; 2] = [3, 10];

/// A kind of request, by its key in Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Api {
    /// A producer sends records.
    Produce = 0,
    /// A group's member says that it is there.
    Heartbeat = 12,
    /// A producer takes its transactional id, which fences the former holders of it.
    InitProducerId = 22,
    /// A producer commits or aborts a transaction.
    EndTxn = 26,
}

/// A request that the proxy has seen.
struct Seen {
    api: i16,
    frame: Vec<u8>,
}

#[derive(Default)]
struct Rules {
    /// Requests of these kinds wait where they contain the bytes.
    held: Vec<(Api, Vec<u8>)>,
    /// The numbers of the requests that wait.
    waiting: BTreeSet<u64>,
    count: u64,
    /// Answers of these kinds wait so long.
    delayed: Vec<(Api, Duration)>,
    /// The next answer of this kind is withheld, and its connection closed.
    cut: Option<Api>,
    seen: Vec<Seen>,
}

/// A running proxy, which ends when this value is dropped.
pub struct KafkaProxy {
    brokers: String,
    rules: Arc<Mutex<Rules>>,
    _end: oneshot::Sender<()>,
}

impl KafkaProxy {
    /// Begins to listen before a broker at `127.0.0.1:PORT`, on a thread of its own.
    ///
    /// # Panics
    /// The proxy cannot listen.
    #[must_use]
    pub fn start(broker: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let port = listener.local_addr().expect("it is bound").port();
        let rules = Arc::new(Mutex::new(Rules::default()));
        let (end, ended) = oneshot::channel();
        let way = Way { broker: broker.to_owned(), port, rules: Arc::clone(&rules) };
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(async {
                tokio::select! {
                    () = way.accept(listener) => {}
                    _ = ended => {}
                }
            });
        };
        std::thread::Builder::new().name("kafka-proxy".into()).spawn(run).expect("a thread can be started");
        Self { brokers: format!("127.0.0.1:{port}"), rules, _end: end }
    }

    /// The broker's address for clients that are to go through the proxy.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Requests of this kind that contain the text reach the broker only after [`Self::release`], even where their
    /// client is gone by then. Later requests on the same connection wait too.
    pub fn hold_requests(&self, api: Api, containing: &str) {
        lock(&self.rules).held.push((api, containing.as_bytes().to_vec()));
    }

    /// Lets the held requests go on, one after the other in the order in which they came, and holds no further ones. So
    /// a client that has asked again is answered last.
    pub fn release(&self) {
        lock(&self.rules).held.clear();
    }

    /// Answers of this kind reach the client so much later. A delay of zero ends that.
    pub fn delay_answers(&self, api: Api, by: Duration) {
        let mut rules = lock(&self.rules);
        rules.delayed.retain(|(delayed, _)| *delayed != api);
        rules.delayed.push((api, by));
    }

    /// The broker carries out the next request of this kind, but its answer is withheld and the connection closed.
    pub fn cut_next(&self, api: Api) {
        lock(&self.rules).cut = Some(api);
    }

    /// Whether a request was cut since [`Self::cut_next`].
    #[must_use]
    pub fn has_cut(&self) -> bool {
        lock(&self.rules).cut.is_none()
    }

    /// Whether a client has sent a request of this kind that contains the text. Only InitProducerId and EndTxn are
    /// noted.
    #[must_use]
    pub fn has_seen(&self, api: Api, containing: &str) -> bool {
        let wanted = |seen: &Seen| seen.api == api as i16 && contains(&seen.frame, containing.as_bytes());
        lock(&self.rules).seen.iter().any(wanted)
    }
}

fn lock(rules: &Mutex<Rules>) -> MutexGuard<'_, Rules> {
    rules.lock().unwrap_or_else(PoisonError::into_inner)
}

fn contains(frame: &[u8], text: &[u8]) -> bool {
    frame.windows(text.len()).any(|window| window == text)
}

/// The way from the proxy's port to the broker.
#[derive(Clone)]
struct Way {
    broker: String,
    port: u16,
    rules: Arc<Mutex<Rules>>,
}

/// A request that has no answer yet. Answers come in the order of the requests.
struct Awaited {
    api: i16,
    cut: bool,
}

type Waiting = Arc<Mutex<VecDeque<Awaited>>>;

impl Way {
    async fn accept(self, listener: std::net::TcpListener) {
        let listener = TcpListener::from_std(listener).expect("the listener is non-blocking");
        while let Ok((client, _)) = listener.accept().await {
            let way = self.clone();
            // A connection that breaks on either side ends on both.
            tokio::spawn(async move { drop(way.connect(client).await) });
        }
    }

    async fn connect(&self, client: TcpStream) -> io::Result<()> {
        let broker = TcpStream::connect(&self.broker).await?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_broker, to_broker) = broker.into_split();
        let waiting = Waiting::default();
        let requests = async {
            let ended = self.requests(from_client, to_broker, &waiting).await;
            tokio::time::sleep(LINGER).await;
            ended
        };
        tokio::select! {
            ended = requests => ended,
            ended = self.answers(from_broker, to_client, &waiting) => ended,
        }
    }

    async fn requests(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        waiting: &Waiting,
    ) -> io::Result<()> {
        loop {
            let frame = read_frame(&mut from).await?;
            let api = i16::from_be_bytes([frame[4], frame[5]]);
            self.note(api, &frame);
            self.hold(api, &frame).await;
            let cut = self.is_cut(api);
            waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(Awaited { api, cut });
            to.write_all(&frame).await?;
        }
    }

    async fn answers(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        waiting: &Waiting,
    ) -> io::Result<()> {
        loop {
            let mut frame = read_frame(&mut from).await?;
            let awaited = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(Awaited { api, cut }) = awaited else { return Err(io::ErrorKind::InvalidData.into()) };
            if cut {
                return Ok(());
            }
            tokio::time::sleep(self.delay(api)).await;
            if NAMING_BROKERS.contains(&api) {
                self.rewrite(&mut frame);
            }
            to.write_all(&frame).await?;
        }
    }

    /// Notes a request. Only the kinds that tests ask for are kept.
    fn note(&self, api: i16, frame: &[u8]) {
        if [Api::InitProducerId as i16, Api::EndTxn as i16].contains(&api) {
            lock(&self.rules).seen.push(Seen { api, frame: frame.to_vec() });
        }
    }

    async fn hold(&self, api: i16, frame: &[u8]) {
        let Some(number) = self.wait_in_line(api, frame) else { return };
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            let rules = lock(&self.rules);
            if rules.held.is_empty() && rules.waiting.first() == Some(&number) {
                break;
            }
        }
        let rules = Arc::clone(&self.rules);
        tokio::spawn(async move {
            tokio::time::sleep(ONE_BY_ONE).await;
            lock(&rules).waiting.remove(&number);
        });
    }

    fn wait_in_line(&self, api: i16, frame: &[u8]) -> Option<u64> {
        let mut rules = lock(&self.rules);
        if !rules.held.iter().any(|(held, text)| *held as i16 == api && contains(frame, text)) {
            return None;
        }
        rules.count += 1;
        let number = rules.count;
        rules.waiting.insert(number);
        Some(number)
    }

    fn is_cut(&self, api: i16) -> bool {
        lock(&self.rules).cut.take_if(|cut| *cut as i16 == api).is_some()
    }

    fn delay(&self, api: i16) -> Duration {
        let rules = lock(&self.rules);
        rules.delayed.iter().find(|(delayed, _)| *delayed as i16 == api).map_or(Duration::ZERO, |(_, by)| *by)
    }

    /// Puts the proxy's address in the place of the broker's. A frame names a broker by its host, as text, and its
    /// port, in four bytes.
    fn rewrite(&self, frame: &mut [u8]) {
        let (host, port) = self.broker.split_once(':').expect("host:port");
        let named = |port: u16| [host.as_bytes(), &u32::from(port).to_be_bytes()].concat();
        let (theirs, ours) = (named(port.parse().expect("a port")), named(self.port));
        let mut at = 0;
        while at + theirs.len() <= frame.len() {
            if frame[at..].starts_with(&theirs) {
                frame[at..at + ours.len()].copy_from_slice(&ours);
            }
            at += 1;
        }
    }
}

/// Reads a whole frame, with its length in front.
async fn read_frame(from: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    from.read_exact(&mut frame).await?;
    let length = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    if !(4..=FRAME_BYTES).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    frame.resize(4 + length, 0);
    from.read_exact(&mut frame[4..]).await?;
    Ok(frame)
}
