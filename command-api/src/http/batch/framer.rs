//! Cuts a body into its receipts as it comes, without holding more of it than one receipt.

use bytes::Bytes;

use super::array::{Array, Malformed};
use super::framed::Framed;
use super::lines::Lines;

/// How a body is cut.
pub enum Framer {
    /// NDJSON, a receipt a line.
    Lines(Lines),
    /// The elements of one JSON array.
    Array(Array),
}

impl Framer {
    /// Adds the next chunk of the body. It panics unless [`Self::next`] has given all receipts of the chunk before.
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

    /// The last receipt, where only the body's end ends it. [`Self::next`] must have given all before.
    pub fn finish(&mut self) -> Result<Option<Framed>, Malformed> {
        match self {
            Self::Lines(lines) => Ok(lines.finish()),
            Self::Array(array) => array.finish().map(|()| None),
        }
    }
}
