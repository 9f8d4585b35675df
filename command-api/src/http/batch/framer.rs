//! Cuts a body into its receipts as it comes, without holding more of it than one receipt.

use bytes::{Buf, Bytes, BytesMut};

use super::array::Array;

/// A receipt's JSON, at most.
pub const MAX_RECEIPT_BYTES: usize = 1024 * 1024;

/// One receipt as it stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// Its bytes; whether they are JSON is not looked at.
    Receipt(Bytes),
    /// It has more than [`MAX_RECEIPT_BYTES`], which were passed over.
    TooLong,
}

/// Where the body cannot be cut any further. Says where and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// How a body is cut.
pub enum Framer {
    /// NDJSON: a receipt a line; blank lines are none.
    Lines(Lines),
    /// The elements of one JSON array.
    Array(Array),
}

impl Framer {
    /// Adds what came next, once [`Self::next`] has given all of what came before.
    pub fn push(&mut self, chunk: Bytes) {
        match self {
            Self::Lines(lines) => lines.push(chunk),
            Self::Array(array) => array.push(chunk),
        }
    }

    /// The next receipt; `None` where more of the body must come first.
    pub fn next(&mut self) -> Result<Option<Framed>, Malformed> {
        match self {
            Self::Lines(lines) => Ok(lines.next()),
            Self::Array(array) => array.next(),
        }
    }

    /// The receipt that the body's end ends, if any, once [`Self::next`] has given all before.
    pub fn finish(&mut self) -> Result<Option<Framed>, Malformed> {
        match self {
            Self::Lines(lines) => Ok(lines.finish()),
            Self::Array(array) => array.finish().map(|()| None),
        }
    }
}

/// Cuts at each line feed.
#[derive(Default)]
pub struct Lines {
    chunk: Bytes,
    begun: Begun,
}

impl Lines {
    /// See [`Framer::push`].
    pub fn push(&mut self, chunk: Bytes) {
        assert!(self.chunk.is_empty(), "what came before was not read");
        self.chunk = chunk;
    }

    /// See [`Framer::next`].
    pub fn next(&mut self) -> Option<Framed> {
        while let Some(end) = self.chunk.iter().position(|&byte| byte == b'\n') {
            let line = self.chunk.split_to(end);
            self.chunk.advance(1);
            let framed = self.begun.complete(line);
            if !is_blank(&framed) {
                return Some(framed);
            }
        }
        self.begun.keep(&std::mem::take(&mut self.chunk));
        None
    }

    /// See [`Framer::finish`].
    pub fn finish(&mut self) -> Option<Framed> {
        Some(self.begun.complete(Bytes::new())).filter(|framed| !is_blank(framed))
    }
}

fn is_blank(framed: &Framed) -> bool {
    matches!(framed, Framed::Receipt(bytes) if bytes.iter().all(|byte| is_space(*byte)))
}

/// White space of JSON (RFC 8259).
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The part of a receipt that former chunks had. Of one that is too long nothing is kept.
#[derive(Default)]
pub struct Begun {
    kept: BytesMut,
    too_long: bool,
}

impl Begun {
    /// Adds a part that does not end it.
    pub fn keep(&mut self, part: &[u8]) {
        if self.too_long || self.kept.len() + part.len() > MAX_RECEIPT_BYTES {
            *self = Self { kept: BytesMut::new(), too_long: true };
        } else {
            self.kept.extend_from_slice(part);
        }
    }

    /// Ends it with its last part.
    pub fn complete(&mut self, last: Bytes) -> Framed {
        if self.kept.is_empty() && !self.too_long && last.len() <= MAX_RECEIPT_BYTES {
            return Framed::Receipt(last);
        }
        self.keep(&last);
        let Self { kept, too_long } = std::mem::take(self);
        if too_long { Framed::TooLong } else { Framed::Receipt(kept.freeze()) }
    }
}

/// All receipts of a body that comes in these chunks, and why it ends early where it does.
#[cfg(test)]
pub fn cut(mut framer: Framer, chunks: &[&[u8]]) -> (Vec<Framed>, Option<Malformed>) {
    let mut all = Vec::new();
    for chunk in chunks {
        framer.push(Bytes::copy_from_slice(chunk));
        loop {
            match framer.next() {
                Ok(Some(framed)) => all.push(framed),
                Ok(None) => break,
                Err(malformed) => return (all, Some(malformed)),
            }
        }
    }
    match framer.finish() {
        Ok(last) => all.extend(last),
        Err(malformed) => return (all, Some(malformed)),
    }
    (all, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Framed> {
        let (framed, malformed) = cut(Framer::Lines(Lines::default()), chunks);
        assert_eq!(malformed, None);
        framed
    }

    fn receipt(text: &str) -> Framed {
        Framed::Receipt(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn blank_lines_are_no_receipts_and_the_last_needs_no_line_feed() {
        let framed = lines(&[b"\n{\"a\":1}\r\n \t\r\n\n{\"b\"", b":2}", b"\n\n{}"]);
        assert_eq!(framed, [receipt("{\"a\":1}\r"), receipt("{\"b\":2}"), receipt("{}")]);
        assert_eq!(lines(&[b" \n", b"\r\n"]), []);
    }

    #[test]
    fn a_line_is_too_long_by_one_byte_however_it_comes_and_the_next_is_none_the_worse() {
        let longest = "x".repeat(MAX_RECEIPT_BYTES);
        let body = format!("{longest}\n{longest}y\n{{}}\n");
        let expected = [receipt(&longest), Framed::TooLong, receipt("{}")];
        assert_eq!(lines(&[body.as_bytes()]), expected);
        let chunks: Vec<&[u8]> = body.as_bytes().chunks(100_003).collect();
        assert_eq!(lines(&chunks), expected);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_body_wherever_it_is_cut_into_chunks(
            body in "[a{}\" \r\n]{0,60}",
            cuts in proptest::collection::vec(0_usize..=60, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(body.len())).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &body.as_bytes()[cut[0]..cut[1]]).collect();
            let expected: Vec<Framed> = body
                .split('\n')
                .filter(|line| !line.trim_matches([' ', '\t', '\r', '\n']).is_empty())
                .map(receipt)
                .collect();
            prop_assert_eq!(lines(&chunks), expected);
        }
    }
}
