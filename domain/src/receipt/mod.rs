//! Receipts: each is recorded once and never edited, but may be voided.

mod rules;

pub use rules::{
    MAX_ITEMS, Violation, amount, begins_with_year, has_writable_year, is_too_far_ahead, quantity, timestamp,
    totals_match, violations,
};

use chrono::{DateTime, Utc};
use schemas::receipts::{Event, Receipt, ReceiptRecorded, ReceiptVoided};
use schemas::{Position, Topic};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Act, Decision, Recorded, Sort, States};

pub(crate) const FOLD_VERSION: u32 = 1;

commands! { Receipts at home;
    RecordReceipt => record;
    VoidReceipt => void;
}

rejections! {
    IdTaken: Conflict "urn:till:receipt-conflict" "Another receipt has this id",
        "a receipt with this transaction_id and another content was recorded before; an id stays taken, of a void receipt too";
    Unknown: Unknown "urn:till:receipt-unknown" "No such receipt",
        "no receipt with this transaction_id was recorded";
    VoidConflict: Conflict "urn:till:void-conflict" "Voided before",
        "the receipt was voided before, for another reason";
}

/// What a receipt still owes: nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {}

impl Todo {
    pub(crate) const fn sort(&self) -> Sort {
        match *self {}
    }

    pub(crate) fn act(&self, _: Uuid, _: DateTime<Utc>) -> Act {
        match *self {}
    }
}

/// The home of a command is the receipt's own id: no two receipts share a home.
fn home(command: &Command) -> &str {
    match command {
        Command::RecordReceipt(command) => &command.receipt.transaction_id,
        Command::VoidReceipt(command) => &command.transaction_id,
    }
}

/// Record a receipt that a point of sale wrote.
#[derive(Clone, Debug)]
pub struct RecordReceipt {
    /// The content of the receipt, which was checked against the rules of receipts.
    pub receipt: Receipt,
    /// `false` where the total is not the sum of the items. A contract records such a receipt as the fact it is.
    pub totals_match: bool,
    /// The name of the account that sends the receipt.
    pub recorded_by: String,
}

/// Take a receipt out of every figure.
#[derive(Clone, Debug)]
pub struct VoidReceipt {
    /// The id of the receipt.
    pub transaction_id: String,
    /// The receipt as it was recorded; `None` where the sender looked for it and found none.
    pub receipt: Option<Receipt>,
    /// The reason, in the admin's words.
    pub reason: String,
    /// The name of the admin who voids it.
    pub voided_by: String,
}

/// The state of a receipt, in tens of bytes: there are many receipts, and their contents stand in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptState {
    /// The fingerprint of the content that was recorded: a repetition has the same.
    pub fingerprint: Fingerprint,
    /// The position of the event that recorded the receipt.
    pub position: Position,
    /// Where and why the receipt was voided, if it was.
    pub void: Option<VoidState>,
}

/// The state of a voided receipt, beside that of the receipt itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoidState {
    /// The offset of the void's event; its partition is the receipt's.
    pub offset: i64,
    /// The first 8 bytes of the reason's SHA-256: a repetition gives the same reason.
    pub reason: [u8; 8],
}

/// A version byte and the first 16 bytes of SHA-256 over a receipt's content. Two JSON texts that spell the same
/// content differently have the same fingerprint.
pub type Fingerprint = [u8; 17];

const FINGERPRINT_VERSION: u8 = 1;

/// Records the receipt, unless its id is taken. The same content once more is a repetition; another content is refused.
fn record(states: &impl States, command: RecordReceipt) -> Result<Decision, Rejection> {
    let fingerprint = fingerprint(&command.receipt);
    match load(states, &command.receipt.transaction_id) {
        Some(state) if state.fingerprint == fingerprint => Ok(Decision::Already(state.position)),
        Some(_) => Err(Rejection::IdTaken),
        None => Ok(Decision::append(ReceiptRecorded {
            receipt: command.receipt,
            totals_match: command.totals_match,
            recorded_by: command.recorded_by,
            fingerprint: fingerprint.to_vec(),
        })),
    }
}

/// Voids the receipt, once. A command without a receipt is refused even where the receipt is recorded by now: it was
/// unknown when its sender looked for it.
fn void(states: &impl States, command: VoidReceipt) -> Result<Decision, Rejection> {
    let state = load(states, &command.transaction_id);
    let (state, receipt) = state.zip(command.receipt).ok_or(Rejection::Unknown)?;
    match state.void {
        Some(void) if void.reason == reason_digest(&command.reason) => {
            Ok(Decision::Already(Position { offset: void.offset, ..state.position }))
        }
        Some(_) => Err(Rejection::VoidConflict),
        None => Ok(Decision::append(ReceiptVoided {
            receipt,
            reason: command.reason,
            voided_by: command.voided_by,
        })),
    }
}

pub(crate) fn evolve(states: &mut impl States, event: &Event, at: &Recorded) {
    match event {
        Event::ReceiptRecorded(event) => recorded(states, event, at),
        Event::ReceiptVoided(event) => voided(states, event, at),
    }
}

/// The state of the receipt with this id, if it was recorded.
pub fn load(states: &impl States, transaction_id: &str) -> Option<ReceiptState> {
    ReceiptState::from_bytes(&states.get(&key(transaction_id))?)
}

fn recorded(states: &mut impl States, event: &ReceiptRecorded, recorded: &Recorded) {
    let Ok(fingerprint) = event.fingerprint.as_slice().try_into() else { return };
    let state = ReceiptState { fingerprint, position: recorded.position, void: None };
    states.put(key(&event.receipt.transaction_id), state.to_bytes());
}

fn voided(states: &mut impl States, event: &ReceiptVoided, recorded: &Recorded) {
    let Some(mut state) = load(states, &event.receipt.transaction_id) else { return };
    state.void = Some(VoidState { offset: recorded.position.offset, reason: reason_digest(&event.reason) });
    states.put(key(&event.receipt.transaction_id), state.to_bytes());
}

/// The key of a receipt's state. Transaction ids have up to 150 characters, so half a SHA-256 stands for them: keys are
/// short and of one length.
fn key(transaction_id: &str) -> Vec<u8> {
    let digest = Sha256::digest(transaction_id.as_bytes());
    let mut key = Vec::with_capacity(17);
    key.push(b'r');
    key.extend_from_slice(&digest[..16]);
    key
}

fn reason_digest(reason: &str) -> [u8; 8] {
    Sha256::digest(reason.as_bytes())[..8].try_into().expect("SHA-256 has 32 bytes")
}

/// The fingerprint of a receipt's content. Each field stands behind its length, so that two contents whose fields run
/// together to the same bytes still differ.
#[must_use]
pub fn fingerprint(receipt: &Receipt) -> Fingerprint {
    let mut content = Vec::with_capacity(256);
    let mut field = |bytes: &[u8]| {
        content.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        content.extend_from_slice(bytes);
    };
    field(receipt.transaction_id.as_bytes());
    field(&receipt.occurred_at.timestamp_micros().to_be_bytes());
    field(receipt.payment_method.as_bytes());
    field(receipt.place_id.as_bytes());
    field(receipt.place_name.as_bytes());
    for amount in [receipt.total_amount, receipt.tax_amount, receipt.tips_amount] {
        field(&amount.minor_units().to_be_bytes());
    }
    for item in &receipt.items {
        field(item.product_id.as_bytes());
        field(&item.quantity.to_be_bytes());
        field(&item.price.minor_units().to_be_bytes());
        field(item.category.as_bytes());
    }
    let digest = Sha256::digest(&content);
    let mut fingerprint = [FINGERPRINT_VERSION; 17];
    fingerprint[1..].copy_from_slice(&digest[..16]);
    fingerprint
}

impl ReceiptState {
    /// Writes 27 bytes: fingerprint, partition, offset. A void adds 16: its offset and the digest of its reason.
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(43);
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(&self.position.partition.to_be_bytes()[2..]);
        bytes.extend_from_slice(&self.position.offset.to_be_bytes());
        if let Some(void) = self.void {
            bytes.extend_from_slice(&void.offset.to_be_bytes());
            bytes.extend_from_slice(&void.reason);
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fingerprint, rest) = bytes.split_first_chunk::<17>()?;
        let (partition, rest) = rest.split_first_chunk::<2>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let position = Position {
            topic: Topic::Receipts,
            partition: u16::from_be_bytes(*partition).into(),
            offset: i64::from_be_bytes(*offset),
        };
        let void = rest.split_first_chunk::<8>().and_then(|(offset, reason)| {
            Some(VoidState { offset: i64::from_be_bytes(*offset), reason: reason.try_into().ok()? })
        });
        Some(Self { fingerprint: *fingerprint, position, void })
    }
}
