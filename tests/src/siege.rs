//! Strangers at the ports of a deployment. They have no account, and hold all they can get. Everything is on the
//! loopback, is bounded, and ends with the value.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Connections that announce a body of 1 MiB and send nothing of it.
const IDLE: usize = 49;
/// Connections that send a byte of such a body every second.
const SLOW: usize = 200;
/// Connections whose request is refused with many errors, and that never read the answer.
const UNREAD: usize = 40;
/// Strangers who log in and fail, one login after the other, all at the same time.
const GUESSERS: usize = 40;

/// Routes that take a body from anybody, or from a terminal.
const ROUTES: [&str; 3] = ["/v1/receipts", "/v1/auth/login", "/v1/auth/register"];
const SLOW_EVERY: Duration = Duration::from_secs(1);
/// How long a stranger waits for the port to take its bytes or to answer.
const WAITS: Duration = Duration::from_secs(5);
/// The pause before a stranger's next login, where its last one was refused unseen.
const BACK_OFF: Duration = Duration::from_millis(50);

/// How many logins were answered with each status; 0 stands for no answer.
type Answered = Arc<Mutex<BTreeMap<u16, u64>>>;

/// A siege that goes on until it is dropped.
pub struct Siege {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _held: Vec<TcpStream>,
    answered: Answered,
}

impl Siege {
    /// Begins a siege. Its connections are spread over the ports of these base URLs.
    ///
    /// # Panics
    /// A URL has no address, or its port takes no connections.
    #[must_use]
    pub fn lay(urls: &[&str]) -> Self {
        let ports: Vec<SocketAddr> = urls.iter().map(|url| address(url)).collect();
        let port = |number: usize| ports[number % ports.len()];
        let announced = |number: usize| {
            let route = ROUTES[number % ROUTES.len()];
            request(route, 1 << 20, "")
        };
        let mut held: Vec<_> = (0..IDLE).map(|number| connect(port(number), &announced(number))).collect();
        let refused = refused_with_many_errors();
        held.extend((0..UNREAD).map(|number| connect(port(number), &refused)));
        let slow: Vec<_> = (0..SLOW).map(|number| connect(port(number), &announced(number))).collect();

        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Answered::default());
        let trickling = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || trickle(&slow, &stop)
        });
        let guessing = (0..GUESSERS).map(|number| {
            let (port, stop, answered) = (port(number), Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || guess(port, number, &stop, &answered))
        });
        let threads = [trickling].into_iter().chain(guessing).collect();
        Self { stop, threads, _held: held, answered }
    }

    /// How many logins were answered with each status until now; 0 stands for no answer.
    ///
    /// # Panics
    /// A stranger's thread has panicked.
    #[must_use]
    pub fn logins(&self) -> BTreeMap<u16, u64> {
        self.answered.lock().expect("no holder of the lock panics").clone()
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().unwrap_or_else(|e| panic!("{url} has no address: {e}"))
}

fn request(route: &str, length: usize, body: &str) -> Vec<u8> {
    let head = "host: 127.0.0.1\r\ncontent-type: application/json\r\nconnection: close";
    format!("POST {route} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A registration with some 5,000 members that no account has, each of which is an error.
fn refused_with_many_errors() -> Vec<u8> {
    let members: Vec<_> = (0..5_000).map(|number| format!("\"stranger-{number}\":{number}")).collect();
    let body = format!("{{{}}}", members.join(","));
    request("/v1/auth/register", body.len(), &body)
}

/// Connects and sends. A port may close on a stranger that still sends, which counts as an answer.
fn connect(port: SocketAddr, begin: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(port).unwrap_or_else(|e| panic!("{port} takes no connection: {e}"));
    stream.set_write_timeout(Some(WAITS)).expect("the time is not zero");
    let _ = stream.write_all(begin);
    stream
}

fn trickle(slow: &[TcpStream], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for mut stream in slow {
            let _ = stream.write_all(b" ");
        }
        std::thread::sleep(SLOW_EVERY);
    }
}

/// Logs in to accounts that do not exist, to another one each time, so that no lock of a name ends it.
fn guess(port: SocketAddr, number: usize, stop: &AtomicBool, answered: &Mutex<BTreeMap<u16, u64>>) {
    for guess in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let body = format!("{{\"username\":\"stranger-{number}-{guess}\",\"password\":\"wrong\"}}");
        let status = status_of(port, &request("/v1/auth/login", body.len(), &body)).unwrap_or(0);
        *answered.lock().expect("no holder of the lock panics").entry(status).or_default() += 1;
        if status != 401 {
            std::thread::sleep(BACK_OFF);
        }
    }
}

fn status_of(port: SocketAddr, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(port).ok()?;
    stream.set_read_timeout(Some(WAITS)).expect("the time is not zero");
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}
