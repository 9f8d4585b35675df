//! The receipts of a batch that were taken and are not answered yet, in the batch's order.

use std::collections::VecDeque;

use bytes::Bytes;

/// Receipts in the window, at most: several transactions' worth, so that one gathers while another commits.
const MAX_RECEIPTS: usize = 4000;
/// Bytes of these receipts and of the answers that wait for those before them, at most. A single one may have more.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;

#[derive(Default)]
pub struct Window {
    slots: VecDeque<Slot>,
    /// Index of the first slot.
    first: usize,
    bytes: usize,
}

enum Slot {
    /// The receipt has so many bytes and no answer yet.
    Waiting(usize),
    /// The receipt is answered: the tail of its line waits for the lines before it.
    Answered(Bytes),
}

impl Window {
    pub fn has_room(&self) -> bool {
        self.slots.len() < MAX_RECEIPTS && self.bytes < MAX_BYTES
    }

    /// Takes a receipt of so many bytes and gives its index.
    pub fn open(&mut self, bytes: usize) -> usize {
        self.bytes += bytes;
        self.slots.push_back(Slot::Waiting(bytes));
        self.taken() - 1
    }

    /// Answers a receipt with the tail of its line. One that is answered already keeps its answer.
    pub fn answer(&mut self, index: usize, tail: Bytes) {
        let slot = index.checked_sub(self.first).and_then(|at| self.slots.get_mut(at));
        if let Some(slot @ &mut Slot::Waiting(bytes)) = slot {
            self.bytes = self.bytes - bytes + tail.len();
            *slot = Slot::Answered(tail);
        }
    }

    /// Takes the first receipt out, once it is answered: its index and the tail of its line.
    pub fn next_answered(&mut self) -> Option<(usize, Bytes)> {
        let Slot::Answered(tail) = self.slots.pop_front_if(|slot| matches!(slot, Slot::Answered(_)))? else {
            return None;
        };
        self.bytes -= tail.len();
        self.first += 1;
        Some((self.first - 1, tail))
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many receipts were taken so far.
    pub fn taken(&self) -> usize {
        self.first + self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_leave_in_the_order_of_the_batch_however_they_come() {
        let mut window = Window::default();
        for bytes in [100, 200, 300] {
            window.open(bytes);
        }
        window.answer(2, Bytes::from_static(b"c"));
        window.answer(1, Bytes::from_static(b"b"));
        assert_eq!(window.next_answered(), None);
        window.answer(0, Bytes::from_static(b"a"));
        window.answer(0, Bytes::from_static(b"again"));
        let all: Vec<_> = std::iter::from_fn(|| window.next_answered()).collect();
        let expected = [(0, "a"), (1, "b"), (2, "c")].map(|(index, tail)| (index, Bytes::from(tail)));
        assert_eq!(all, expected);
        assert!(window.is_empty() && window.taken() == 3 && window.bytes == 0);
    }

    #[test]
    fn receipts_and_waiting_answers_fill_it() {
        let mut window = Window::default();
        let index = window.open(MAX_BYTES);
        assert!(!window.has_room());
        window.answer(index, Bytes::from_static(b"short"));
        assert!(window.has_room(), "the answer takes less than the receipt");
        for _ in 1..MAX_RECEIPTS {
            window.open(1);
        }
        assert!(!window.has_room());
        let _ = window.next_answered();
        assert!(window.has_room());
    }
}
