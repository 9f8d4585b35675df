//! Secrets that are drawn here and told once.

use argon2::password_hash::rand_core::{OsRng, RngCore};

/// 256 random bits, as 64 hexadecimal digits.
pub fn draw() -> String {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}
