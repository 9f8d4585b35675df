//! Receipts: recorded once, never edited, perhaps voided.

mod rules;

pub use rules::{
    MAX_ITEMS, Violation, amount, begins_with_year, has_writable_year, is_too_far_ahead, quantity, timestamp,
    totals_match, violations,
};

use schemas::receipts::{Event, Receipt, ReceiptRecorded, ReceiptVoided};
use schemas::{Position, Topic};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Act, Decision, Recorded, States};

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

/// Receipts owe nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {}

impl Todo {
    pub(crate) fn act(&self, _: Uuid) -> Act {
        match *self {}
    }
}

/// A receipt is its own home.
fn home(command: &Command) -> &str {
    match command {
        Command::RecordReceipt(command) => &command.receipt.transaction_id,
        Command::VoidReceipt(command) => &command.transaction_id,
    }
}

/// Record a receipt that a till wrote.
#[derive(Clone, Debug)]
pub struct RecordReceipt {
    /// What it says; its rules were checked.
    pub receipt: Receipt,
    /// `false`: a fact whose total is not the sum of its items.
    pub totals_match: bool,
    /// The account that sends it.
    pub recorded_by: String,
}

/// Take a receipt out of every figure.
#[derive(Clone, Debug)]
pub struct VoidReceipt {
    /// The receipt's id.
    pub transaction_id: String,
    /// The receipt as recorded; `None` where the sender found none.
    pub receipt: Option<Receipt>,
    /// Why.
    pub reason: String,
    /// The admin.
    pub voided_by: String,
}

/// What is kept of a receipt: tens of bytes, since there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptState {
    /// Of the command's content.
    pub fingerprint: Fingerprint,
    /// Where it was recorded.
    pub position: Position,
    /// Where and why it was voided.
    pub void: Option<VoidState>,
}

/// What is kept of a void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoidState {
    /// Offset of the event, in the receipt's partition.
    pub offset: i64,
    /// Digest of the reason.
    pub reason: [u8; 8],
}

/// Version byte and 16 bytes of SHA-256 over a receipt's content: the same content, however it was
/// spelt in JSON, has the same fingerprint.
pub type Fingerprint = [u8; 17];

const FINGERPRINT_VERSION: u8 = 1;

/// Records the receipt unless its id is taken.
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

/// Voids the receipt once. One that was recorded only after the sender had looked for it was unknown when the command was
/// sent.
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

/// The state of the receipt with this id.
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

/// Transaction ids are up to 150 characters; half a SHA-256 keeps keys short and of one length.
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

/// The fingerprint of a receipt's content: its fields in order, each behind its length, so that no two
/// contents run together.
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
    /// 27 bytes, or 43 with a void: fingerprint, partition, offset, void's offset, reason's digest.
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
