//! The edge as clients meet it: nginx before two replicas of each service, and how much of it strangers can take.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use till_tests::receipts::simple;
use till_tests::{Answer, Client, FrontDoor, Scratch, Siege, Till, contracts};

/// How long an answer may take before the test gives up.
const SURELY: Duration = Duration::from_secs(60);
/// How long a terminal may try to have a receipt recorded.
const TERMINAL_WAITS: Duration = Duration::from_secs(2);

/// A deployment of two replicas of each service, with the contracts, and nginx before it.
async fn behind_nginx(name: &str) -> (Till, FrontDoor) {
    let mut till = Till::prepare(name).await;
    let journals = till.scratch.path().join("journals").display().to_string();
    for service in [&mut till.command_api, &mut till.projector] {
        service.set("TILL_CONTRACTS", &contracts::names());
        service.set("TILL_JOURNAL_DIR", &journals);
        service.set("TILL_ALLOWED_ORIGINS", "https://shop.example.org");
    }
    till.replicate(2);
    till.start_all().await;
    let door = FrontDoor::start(&till).await;
    (till, door)
}

fn client(door: &FrontDoor) -> Client {
    Client::new(&door.url, &door.url)
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().unwrap()
}

/// Sends bytes on a connection of its own, and reads the answer's status and text.
fn raw(to: &str, sent: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address(to)).unwrap();
    stream.set_read_timeout(Some(SURELY)).unwrap();
    stream.write_all(sent).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer: {answer:?}")), answer)
}

/// The bytes of a request that is alone on its connection, with a body.
fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_no_route_reads_is_no_failure_and_marks_no_replica() {
    let (till, door) = behind_nginx("edge-unread").await;
    let body = vec![b'x'; 900 * 1024];
    let cases = [
        ("GET", "/v1/receipts", 401),
        ("GET", "/docs/projector/", 200),
        ("GET", "/v1/auth/login", 405),
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/receipts", 405),
        ("POST", "/v1/nothing", 404),
        ("POST", "/v1/receipts", 401),
        ("PUT", "/v1/accounts/4/roles", 401),
        ("POST", "/v1/receipts/batch", 401),
    ];
    for (method, path, status) in cases {
        for _ in 0..10 {
            let (answered, text) = raw(&door.url, &request(method, path, "", &body));
            assert_eq!(answered, status, "{method} {path}: {text}");
        }
    }
    for _ in 0..10 {
        let (answered, text) =
            raw(&door.url, &request("POST", "/v1/receipts", "origin: http://evil.example\r\n", &body));
        assert_eq!(answered, 403, "{text}");
    }
    // This body is longer than what is read of a body that is not wanted. A client that sends all of it before it reads
    // must still find the answer.
    let batch = vec![b'x'; 8 * 1024 * 1024];
    for url in [&till.command_api.url(), &door.url] {
        let strange = "content-type: application/x-ndjson\r\nauthorization: Bearer expired\r\n";
        let (answered, text) = raw(url, &request("POST", "/v1/receipts/batch", strange, &batch));
        assert_eq!(answered, 401, "a batch to {url}: {text}");
    }
    for service in [&till.command_api, &till.projector] {
        for (method, path, status) in
            [("GET", "/nothing", 404), ("GET", "/readyz", 200), ("PATCH", "/readyz", 405)]
        {
            let (answered, text) = raw(&service.url(), &request(method, path, "", &body));
            assert_eq!(answered, status, "{method} {path} of {}: {text}", service.name());
        }
    }
    no_replica_broke_off(&door);
}

/// No replica was taken out, and none has broken off a connection on which nginx waited.
fn no_replica_broke_off(door: &FrontDoor) {
    let log = door.log();
    for words in ["temporarily disabled", "prematurely closed", "recv() failed (104"] {
        assert!(!log.contains(words), "{words}:\n{log}");
    }
}

/// A stand-in for a replica. It takes requests, breaks off without an answer, and counts them.
fn broken_replica() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(SURELY)).unwrap();
            let mut buffer = [0; 65_536];
            if stream.read(&mut buffer).is_ok_and(|bytes| bytes > 0) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (port, taken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_sent_to_one_replica_once_and_a_read_to_the_next_one_too() {
    let scratch = Scratch::new("edge-once");
    let replicas = [broken_replica(), broken_replica()];
    let ports = [replicas[0].0, replicas[1].0];
    let door = FrontDoor::before(scratch.path(), &ports, &ports).await;
    let sent = || replicas.iter().map(|(_, taken)| taken.swap(0, Ordering::SeqCst)).sum::<usize>();
    let body = br#"{"roles": ["admin"]}"#;
    for method in ["PUT", "POST", "DELETE", "PATCH"] {
        let (status, text) = raw(&door.url, &request(method, "/v1/accounts/4/roles", "", body));
        assert_eq!((status, sent()), (503, 1), "{method}: {text}");
        assert!(
            text.contains("Retry-After: 1") && text.contains("Whether a write happened is unknown"),
            "{text}"
        );
    }
    let (status, text) = raw(&door.url, &request("GET", "/v1/receipts", "", b""));
    assert_eq!((status, sent()), (503, 2), "a read changes nothing: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_goes_on_to_the_next_replica_where_one_takes_no_connection() {
    let scratch = Scratch::new("edge-refused");
    let (port, taken) = broken_replica();
    let door =
        FrontDoor::before(scratch.path(), &[till_tests::ports::free_port(), port], &[port, port]).await;
    for _ in 0..6 {
        let _ = raw(&door.url, &request("POST", "/v1/receipts", "", b"{}"));
    }
    assert_eq!(taken.load(Ordering::SeqCst), 6, "the one that is there was asked each time");
}

/// Records a receipt within the time that a terminal waits. A shard moves where a commit took over a second, as it may
/// on a slow machine. The receipt is then sent again at once. Gives whether it was recorded at the first try.
async fn is_recorded(client: &Client, receipt: &Value, when: &str) -> bool {
    let until = Instant::now() + TERMINAL_WAITS;
    let mut at_first = true;
    loop {
        let answer = client.receipt(receipt).await;
        if answer.status == 201 {
            return at_first;
        }
        let moves = answer.status == 503 && answer.body["type"] == "urn:till:moving";
        assert!(moves && Instant::now() < until, "{when}: {}", answer.text);
        at_first = false;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strangers_take_no_room_that_a_terminal_needs() {
    let (till, door) = behind_nginx("edge-strangers").await;
    let terminal = client(&door).login("terminal", "terminal").await;
    let direct = till.terminal().await;
    // Each port has a siege of its own. The 49 bodies of a MiB that it announces would be all the room that a service
    // has for bodies.
    let sieges = [Siege::lay(&[&till.command_api.url()]), Siege::lay(&[&door.url])];
    let (mut numbers, mut sent_again) = (0, 0);
    for second in 0..8 {
        for _ in 0..10 {
            numbers += 1;
            for (way, client) in [("nginx", &terminal), ("direct", &direct)] {
                let receipt = simple(&format!("calm-{way}-{numbers}"), "calm", "1.00");
                let at_first = is_recorded(client, &receipt, &format!("second {second}, {way}")).await;
                sent_again += usize::from(!at_first);
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(sent_again <= numbers / 10, "{sent_again} of {} receipts met a shard that moved", 2 * numbers);
    for siege in &sieges {
        let logins = siege.logins();
        println!("strangers' logins by status, 0 for no answer: {logins:?}");
        assert!(
            !logins.is_empty() && logins.keys().all(|status| [0, 401, 429, 503].contains(status)),
            "{logins:?}"
        );
    }
    drop(sieges);
    for replica in till.replicas("command-api") {
        let peak = replica.peak_mib();
        println!("{} had {peak} MiB at most", replica.name());
        assert!(peak < 300, "{} had {peak} MiB", replica.name());
    }
    no_replica_broke_off(&door);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_page_and_a_foreign_name_are_refused_on_every_port() {
    let (till, door) = behind_nginx("edge-foreign").await;
    let receipt = simple("foreign-page", "p", "1.00").to_string();
    let ports = [
        (&door.url, "/v1/receipts", "application/problem+json"),
        (door.contract("receipts", "producer"), "/api/checks/", "application/json"),
        (door.contract("receipts", "consumer"), "/api/add_checks/", "application/json"),
        (&till.command_api.url(), "/v1/receipts", "application/problem+json"),
        (&till.analytics.url(), "/v1/receipts", "application/problem+json"),
    ];
    for (port, path, shape) in ports {
        for foreign in
            ["origin: http://evil.example\r\n", "sec-fetch-site: cross-site\r\n", "origin: null\r\n"]
        {
            let headers = format!("content-type: text/plain\r\n{foreign}");
            let (status, text) = raw(port, &request("POST", path, &headers, receipt.as_bytes()));
            assert_eq!(status, 403, "{port}{path} {foreign}: {text}");
            assert!(text.to_lowercase().contains(&format!("content-type: {shape}\r\n")), "{text}");
        }
        let named = request("POST", path, "", receipt.as_bytes());
        let named = String::from_utf8(named).unwrap().replace("host: 127.0.0.1", "host: rebound.example");
        let (status, text) = raw(port, named.as_bytes());
        assert_eq!(status, 421, "{port}{path}: {text}");
    }
    // A shell's request has no Origin, and a form's media type.
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let login = br#"{"username": "terminal", "password": "terminal"}"#;
    let (status, text) = raw(&door.url, &request("POST", "/v1/auth/login", form, login));
    assert_eq!(status, 200, "{text}");
    let own = format!("origin: {}\r\n", door.url);
    let own = String::from_utf8(request("POST", "/v1/auth/login", &own, login)).unwrap();
    let own = own.replace("host: 127.0.0.1", &format!("host: {}", door.url.trim_start_matches("http://")));
    assert_eq!(raw(&door.url, own.as_bytes()).0, 200, "a page of the front door itself");
    let asks = "origin: https://shop.example.org\r\naccess-control-request-method: POST\r\n";
    let (status, text) = raw(&door.url, &request("OPTIONS", "/v1/receipts", asks, b""));
    assert_eq!(status, 204, "{text}");
    assert!(text.contains("access-control-allow-origin: https://shop.example.org"), "{text}");
}

/// The value of a header in the text of a raw answer.
fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let head = answer.split("\r\n\r\n").next().unwrap();
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_of_nginx_itself_are_problems_or_the_contracts_own() {
    let (till, door) = behind_nginx("edge-errors").await;
    let long_path = format!("/v1/{}", "x".repeat(20_000));
    let long_header = format!("x-long: {}\r\n", "x".repeat(40_000));
    let errors = [
        (b"nothing like HTTP\r\n\r\n".to_vec(), 400),
        (request("GET", "/nothing", "", b""), 404),
        (request("GET", &long_path, "", b""), 414),
        (request("GET", "/v1/receipts", &long_header, b""), 431),
        (b"POST /v1/receipts HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2000000\r\n\r\n".to_vec(), 413),
        (b"TRACE / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".to_vec(), 405),
    ];
    for (sent, status) in &errors {
        let (answered, text) = raw(&door.url, sent);
        assert_eq!(answered, *status, "{text}");
        assert_eq!(header(&text, "content-type"), "application/problem+json", "{text}");
        let problem: Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(problem["status"], *status, "{text}");
        assert_eq!(problem["request_id"], header(&text, "x-request-id"), "{text}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{text}");
        assert_eq!(header(&text, "x-content-type-options"), "nosniff");
    }
    let of_contracts = [&errors[0], &errors[3], &errors[4], &errors[5]];
    for (sent, status) in of_contracts {
        for port in ["producer", "consumer"].map(|service| door.contract("receipts", service)) {
            let (answered, text) = raw(port, sent);
            assert_eq!(answered, *status, "{text}");
            assert_eq!(header(&text, "content-type"), "application/json", "{text}");
            assert!(text.contains("{\"detail\":\""), "{text}");
        }
    }
    for path in
        ["/consumer/auth/login/", "/consumer/api/places/", "/%63onsumer/swagger/", "//consumer/redoc/"]
    {
        let (status, text) = raw(door.contract("receipts", "producer"), &request("GET", path, "", b""));
        assert_eq!(status, 404, "the producer has no {path}: {text}");
    }
    drop(till);
    let (status, text) = raw(&door.url, &request("GET", "/v1/receipts", "", b""));
    assert_eq!((status, header(&text, "content-type")), (503, "application/problem+json"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_have_the_methods_of_both_services_and_say_what_is_there() {
    let (_till, door) = behind_nginx("edge-methods").await;
    for (method, path, allow) in [
        ("DELETE", "/v1/receipts/x", "GET, HEAD, OPTIONS"),
        ("POST", "/v1/places", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/receipts/validate/x", ""),
        ("PATCH", "/v1/receipts", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/docs/command-api/openapi.json", "GET, HEAD, OPTIONS"),
        ("POST", "/docs/projector/", "GET, HEAD, OPTIONS"),
    ] {
        let (status, text) = raw(&door.url, &request(method, path, "", b""));
        let expected = if allow.is_empty() { 404 } else { 405 };
        assert_eq!((status, header(&text, "allow")), (expected, allow), "{method} {path}: {text}");
        let (status, text) = raw(&door.url, &request("OPTIONS", path, "", b""));
        assert_eq!(
            (status, header(&text, "allow")),
            (if allow.is_empty() { 404 } else { 204 }, allow),
            "{text}"
        );
    }
    let (status, text) = raw(&door.url, &request("GET", "/v1/receipts/", "", b""));
    assert!(status == 404 && text.contains("leave out the slash"), "{text}");
    for (path, linked) in
        [("/", "/v1"), ("/v1", "/v1/receipts"), ("/v1/", "/docs/"), ("/docs/", "/docs/projector/")]
    {
        let (status, text) = raw(&door.url, &request("GET", path, "", b""));
        assert!(status == 200 && text.contains(linked), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_have_their_requests_id_and_say_who_may_keep_them() {
    let (_till, door) = behind_nginx("edge-headers").await;
    let id = "0af7651916cd43dd8448eb211c80319c";
    let named = format!("x-request-id: {id}\r\naccept-encoding: gzip\r\n");
    let login = br#"{"username": "admin", "password": "admin"}"#;
    let (status, text) = raw(&door.url, &request("POST", "/v1/auth/login", &named, login));
    assert_eq!((status, header(&text, "cache-control")), (200, "no-store"), "{text}");
    assert_eq!((header(&text, "x-request-id"), header(&text, "content-encoding")), (id, ""));
    let token = text.split("\"access_token\":\"").nth(1).unwrap().split('"').next().unwrap();
    let named = format!("{named}authorization: Bearer {token}\r\n");
    let (status, text) = raw(&door.url, &request("GET", "/v1/receipts", &named, b""));
    assert_eq!((status, header(&text, "cache-control")), (200, "private"), "{text}");
    assert_eq!((header(&text, "x-request-id"), header(&text, "x-content-type-options")), (id, "nosniff"));
    let (_, text) = raw(&door.url, &request("GET", "/docs/projector/openapi.json", &named, b""));
    assert_eq!(header(&text, "content-encoding"), "gzip");
    let (_, text) = raw(&door.url, &request("GET", "/v1/receipts/x", &named, b""));
    assert!(text.contains(&format!("\"request_id\":\"{id}\"")), "{text}");
    let (_, text) = raw(&door.url, &request("GET", "/v1/receipts", "x-request-id: ann@example.org\r\n", b""));
    let made = header(&text, "x-request-id");
    assert!(made.len() == 32 && text.contains(&format!("\"request_id\":\"{made}\"")), "{text}");
    let (_, text) = raw(&door.url, &request("GET", "/docs/projector/", "", b""));
    assert!(header(&text, "content-security-policy").contains("script-src 'self'"), "{text}");
    for path in ["/v1/receipts", "/v1/receipts/batch"] {
        let gzip = format!("{named}content-encoding: gzip\r\n");
        let (status, text) = raw(&door.url, &request("POST", path, &gzip, b"\x1f\x8b"));
        assert_eq!((status, header(&text, "accept-encoding")), (415, "identity"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_of_one_address_are_limited_generously() {
    let (_till, door) = behind_nginx("edge-logins").await;
    let anyone = client(&door);
    let mut answers: Vec<Answer> = Vec::new();
    let sent = (0..400).map(|_| {
        let anyone = anyone.clone();
        tokio::spawn(async move { anyone.post("/v1/auth/login", &json!({})).await })
    });
    for answer in sent.collect::<Vec<_>>() {
        answers.push(answer.await.unwrap());
    }
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert!(answers.len() - refused >= 50, "a shop's terminals may log in at once: {refused} were refused");
    assert!(refused > 0, "400 at once are no shop's");
    let refused = answers.into_iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    let _ = refused.problem(429);
}
