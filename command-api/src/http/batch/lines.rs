//! Cuts NDJSON into its lines as it comes: a receipt a line, blank lines are none.

use bytes::{Buf, Bytes};

use super::framed::{Begun, Framed, is_space};

/// The media type of a body that is cut into lines, and of the answer to a batch.
pub const NDJSON: &str = "application/x-ndjson";

/// Cuts at each line feed.
#[derive(Default)]
pub struct Lines {
    chunk: Bytes,
    begun: Begun,
}

impl Lines {
    /// See [`super::framer::Framer::push`].
    pub fn push(&mut self, chunk: Bytes) {
        assert!(self.chunk.is_empty(), "what came before was not read");
        self.chunk = chunk;
    }

    /// See [`super::framer::Framer::next`].
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

    /// See [`super::framer::Framer::finish`].
    pub fn finish(&mut self) -> Option<Framed> {
        Some(self.begun.complete(Bytes::new())).filter(|framed| !is_blank(framed))
    }
}

fn is_blank(framed: &Framed) -> bool {
    matches!(framed, Framed::Receipt(bytes) if bytes.iter().all(|byte| is_space(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::framed::MAX_RECEIPT_BYTES;
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Framed> {
        let (mut lines, mut all) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(Bytes::copy_from_slice(chunk));
            all.extend(std::iter::from_fn(|| lines.next()));
        }
        all.extend(lines.finish());
        all
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
