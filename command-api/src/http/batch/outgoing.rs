//! The answer on its way to the client.
//!
//! It is held back while the body comes without a pause. Few clients read before they have sent everything, and a proxy
//! may stop sending once it sees an answer (nginx does). Past [`HELD_BYTES`] it begins all the same.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use runtime::Problem;
use tokio::sync::mpsc;

use super::line;

/// Bytes of lines held for the client, at most. While there are more, no receipt is taken from the body.
pub const HELD_BYTES: usize = 2 * 1024 * 1024;
/// Bytes handed to the connection at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait for the connection to take them, at most.
const PIECES: usize = 2;
/// A client that takes nothing for so long has gone.
const STALLED: Duration = Duration::from_secs(30);

/// A part of the answer.
pub enum Piece {
    Lines(Bytes),
    /// The whole answer, a problem instead of lines.
    Refused(Problem),
    /// The answer is complete. Where the pieces end without this one, the client must see that the answer was cut off.
    End,
}

/// Nobody reads the answer any more.
#[derive(Debug)]
pub struct Gone;

/// The side of the answer that is written to.
pub struct Answers {
    pieces: mpsc::Sender<Piece>,
    held: BytesMut,
    begun: bool,
}

impl Answers {
    pub fn channel() -> (Self, mpsc::Receiver<Piece>) {
        let (pieces, answer) = mpsc::channel(PIECES);
        (Self { pieces, held: BytesMut::new(), begun: false }, answer)
    }

    pub fn write(&mut self, index: usize, tail: &[u8]) {
        line::write(&mut self.held, index, tail);
    }

    pub fn is_full(&self) -> bool {
        self.held.len() >= HELD_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// From here on lines go out as they are written.
    pub fn begin(&mut self) {
        self.begun = true;
    }

    /// Whether lines wait for [`Self::begin`].
    pub fn are_held_back(&self) -> bool {
        !self.begun && !self.held.is_empty()
    }

    /// Hands a piece on as soon as the client has room for it. Where none may go out, it waits until the client is gone. The
    /// future may be dropped while it waits: nothing is lost.
    pub async fn progress(&mut self) -> Result<(), Gone> {
        if !self.begun || self.held.is_empty() {
            self.pieces.closed().await;
            return Err(Gone);
        }
        let Ok(Ok(room)) = tokio::time::timeout(STALLED, self.pieces.reserve()).await else {
            return Err(Gone);
        };
        let piece = self.held.split_to(self.held.len().min(PIECE_BYTES));
        room.send(Piece::Lines(piece.freeze()));
        Ok(())
    }

    /// Says that this was all, or why there is no answer.
    pub async fn end(self, with: Piece) -> Result<(), Gone> {
        tokio::time::timeout(STALLED, self.pieces.send(with)).await.map_err(|_| Gone)?.map_err(|_| Gone)
    }
}
