//! A key of 256 bits. It encrypts by AES-256-GCM (NIST SP 800-38D), or hashes by HMAC-SHA-256 (RFC 2104).

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::rand_core::RngCore as _;
use aes_gcm::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng, Payload};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// How much of an HMAC is kept.
const HASH_BYTES: usize = 16;

/// The cipher with nonces of 96 bits. `aes::Aes256` overwrites its round keys when it is dropped, of which the first two are
/// the key.
type Cipher = AesGcm<aes::Aes256, U12>;

/// A key, whose memory is overwritten when it is dropped. It is boxed, so that moving it leaves no copy behind.
pub(super) struct Key(Box<Zeroizing<[u8; KEY_BYTES]>>);

impl Key {
    /// Draws a key from the operating system.
    pub fn random() -> Self {
        let mut key = Self::zeros();
        OsRng.fill_bytes(key.0.as_mut_slice());
        key
    }

    /// Reads a key of 64 hexadecimal digits.
    pub fn from_hex(digits: &str) -> Option<Self> {
        let mut key = Self::zeros();
        hex::decode_to_slice(digits, key.0.as_mut_slice()).ok()?;
        Some(key)
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Self::zeros();
        if bytes.len() != KEY_BYTES {
            return None;
        }
        key.0.copy_from_slice(bytes);
        Some(key)
    }

    fn zeros() -> Self {
        Self(Box::default())
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Encrypts a text: a nonce of 12 bytes, the ciphertext, and a tag of 16 bytes, which proves that neither they nor `bound`
    /// were changed. Nonces are random, so a key may encrypt 2^32 texts (NIST SP 800-38D, 8.3).
    pub fn seal(&self, bound: &[u8], clear: &[u8]) -> Vec<u8> {
        let nonce = Cipher::generate_nonce(OsRng);
        let sealed = self.cipher().encrypt(&nonce, Payload { msg: clear, aad: bound });
        [&*nonce, &sealed.expect("a text is shorter than AES-GCM's limit of 64 GiB")].concat()
    }

    /// Decrypts what [`Self::seal`] gave; `None` where the key, what it is bound to or any bit of it is another.
    pub fn open(&self, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let clear = self.cipher().decrypt(nonce.into(), Payload { msg: sealed, aad: bound });
        clear.ok().map(Zeroizing::new)
    }

    /// The first 16 bytes of the HMAC of these parts, one after the other.
    pub fn hash<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(self.bytes()).expect("HMAC takes keys of any length");
        let hash = parts.into_iter().fold(mac, Mac::chain_update).finalize().into_bytes();
        hash[..HASH_BYTES].to_vec()
    }

    fn cipher(&self) -> Cipher {
        Cipher::new(self.bytes().into())
    }
}
