//! HTTP/1.1 over one keep-alive connection, and of it only as much as answers with a `Content-Length` need. The
//! generator shares its cores with the services it measures, so a request must cost it no more than one write, one read
//! and a few comparisons.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest head and body taken together. A longer answer does not come from the server that is measured.
const LIMIT_BYTES: usize = 4 << 20;

/// A connection that sends one request after another.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer; it borrows the connection's buffer.
#[derive(Debug)]
pub struct Response<'a> {
    /// The status code, such as 201.
    pub status: u16,
    /// The body, as many bytes as `Content-Length` said.
    pub body: &'a [u8],
    head: &'a str,
}

impl Response<'_> {
    /// A header's value, its name in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

impl Connection {
    /// Opens a connection without Nagle's algorithm.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1_024) })
    }

    /// Sends a whole request and reads the whole answer.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` for an answer that is not HTTP/1.1 with a length.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Response<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head_end, end) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
            let Some(head_end) = find(&self.buffer, b"\r\n\r\n") else { continue };
            let end = head_end + 4 + body_length(&self.buffer[..head_end])?;
            if end > LIMIT_BYTES {
                return Err(invalid("an answer of over 4 MiB"));
            }
            if self.buffer.len() >= end {
                break (head_end, end);
            }
        };
        let head =
            std::str::from_utf8(&self.buffer[..head_end]).map_err(|_| invalid("a head that is not text"))?;
        let status =
            head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(|| invalid("no status"))?;
        Ok(Response { status, body: &self.buffer[head_end + 4..end], head })
    }
}

fn body_length(head: &[u8]) -> io::Result<usize> {
    let head = std::str::from_utf8(head).map_err(|_| invalid("a head that is not text"))?;
    let length = header(head, "content-length").and_then(|value| value.parse().ok());
    length.ok_or_else(|| invalid("an answer without Content-Length"))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// The bytes of a request with a JSON body (or none), keep-alive.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str("content-type: application/json\r\n");
    }
    text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Reads one request of a known size, then writes the pieces one by one.
    async fn answers(pieces: Vec<&'static str>, request_bytes: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; request_bytes];
            stream.read_exact(&mut request).await.unwrap();
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_put_together() {
        let request = request("POST", "/", &[], "{}");
        let pieces =
            vec!["HTTP/1.1 201 Cre", "ated\r\nTill-Position: p7\r\nContent-Le", "ngth: 5\r\n\r\nhe", "llo"];
        let mut connection = Connection::open(answers(pieces, request.len()).await).await.unwrap();
        let response = connection.exchange(&request).await.unwrap();
        assert_eq!((response.status, response.body), (201, b"hello".as_slice()));
        assert_eq!(response.header("till-position"), Some("p7"));
    }

    #[tokio::test]
    async fn a_closed_connection_and_a_missing_length_are_errors() {
        let request = request("GET", "/", &[], "");
        for (piece, kind) in [
            ("HTTP/1.1 200 OK\r\nConte", io::ErrorKind::UnexpectedEof),
            ("HTTP/1.1 200 OK\r\n\r\n", io::ErrorKind::InvalidData),
        ] {
            let mut connection = Connection::open(answers(vec![piece], request.len()).await).await.unwrap();
            assert_eq!(connection.exchange(&request).await.unwrap_err().kind(), kind);
        }
    }
}
