//! Who asks for a command, and when.

use chrono::{DateTime, SubsecRound, Utc};
use domain::Asked;
use runtime::auth::Caller;
use schemas::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Bytes that a fingerprint has.
const PRINT_BYTES: usize = 16;

/// The present instant, to the microseconds that an event keeps: an answer shows the same as later reads.
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// The caller asks now. Where there is a key, the fingerprint of `content` tells a repeated request from another one; nothing
/// of `content` may be personal.
pub fn asked(caller: &Caller, key: Option<Uuid>, content: &impl Serialize) -> Asked {
    Asked { at: now(), by: caller.account(), key, print: key.map(|_| print(content)) }
}

/// The fingerprint of the content, as JSON.
pub fn print(content: &impl Serialize) -> Bytes {
    print_of(&serde_json::to_vec(content).expect("what is asked for has text keys only"))
}

/// A fingerprint: the first bytes of the SHA-256.
pub fn print_of(content: &[u8]) -> Bytes {
    Bytes(Sha256::digest(content)[..PRINT_BYTES].to_vec())
}
