//! A receipt as it stands in the body of a batch, put together from the chunks that it comes in.

use bytes::{Bytes, BytesMut};

/// Bytes of a receipt's JSON, at most.
pub const MAX_RECEIPT_BYTES: usize = 1024 * 1024;

/// One receipt as it stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// Its bytes; whether they are JSON is not looked at.
    Receipt(Bytes),
    /// It has more than [`MAX_RECEIPT_BYTES`], which were passed over.
    TooLong,
}

/// The part of a receipt that came in former chunks. Of one that is too long nothing is kept.
#[derive(Default)]
pub struct Begun {
    kept: BytesMut,
    too_long: bool,
}

impl Begun {
    /// Adds a part that does not end the receipt.
    pub fn keep(&mut self, part: &[u8]) {
        if self.too_long || self.kept.len() + part.len() > MAX_RECEIPT_BYTES {
            *self = Self { kept: BytesMut::new(), too_long: true };
        } else {
            self.kept.extend_from_slice(part);
        }
    }

    /// Ends the receipt with its last part.
    pub fn complete(&mut self, last: Bytes) -> Framed {
        if self.kept.is_empty() && !self.too_long && last.len() <= MAX_RECEIPT_BYTES {
            return Framed::Receipt(last);
        }
        self.keep(&last);
        let Self { kept, too_long } = std::mem::take(self);
        if too_long { Framed::TooLong } else { Framed::Receipt(kept.freeze()) }
    }
}

/// White space of JSON (RFC 8259).
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
