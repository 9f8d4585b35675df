//! Personal fields in the clear, between a handler and the box that seals them. [`Personal`] cannot be serialised, and
//! prints nothing, so that no event, state, command or log line can hold one.

use std::fmt;
use std::sync::LazyLock;

use apache_avro::Schema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::codec::SINGLE_OBJECT;
use crate::datum::{self, Reader, Writer};
use crate::history::{Fingerprint, fingerprint};

/// The texts of all released schemas of what is sealed, oldest first. As an event's, none is ever edited or removed.
pub const RELEASED: &[&str] = &[include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/avro/personal/v1.avsc"))];

/// A text that is nobody's business. It prints `…`, and its memory is overwritten when it is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Clear(Zeroizing<String>);

impl Clear {
    /// The text itself, for whoever must have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Clear {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Clear {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for Clear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Declares [`Personal`] and the form in which it is written, from one list of its fields.
macro_rules! personal {
    ($($(#[doc = $doc:literal])+ $field:ident,)+) => {
        /// What is personal of an account, a customer, or the address of an order.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Personal {
            $($(#[doc = $doc])+ pub $field: Option<Clear>,)+
        }

        /// The fields as Avro has them.
        #[derive(Serialize, Deserialize)]
        #[serde(rename = "Personal")]
        struct Written {
            $($field: Option<Zeroizing<String>>,)+
        }

        impl From<&Personal> for Written {
            fn from(personal: &Personal) -> Self {
                Self { $($field: personal.$field.clone().map(|Clear(text)| text),)+ }
            }
        }

        impl From<Written> for Personal {
            fn from(written: Written) -> Self {
                Self { $($field: written.$field.map(Clear),)+ }
            }
        }
    };
}

personal! {
    /// The whole name.
    name,
    /// The given name, where it is told apart.
    first_name,
    /// The family name, where it is told apart.
    last_name,
    /// The name that the account logs in with.
    username,
    /// The e-mail address.
    email,
    /// The number of an identity document, such as a CPF.
    document,
    /// The phone number.
    phone,
    /// The postal address.
    address,
    /// Who takes a delivery.
    recipient,
    /// Where a delivery is fetched.
    origin,
    /// The password's Argon2id hash, as a PHC string.
    password_hash,
}

/// The bytes are no personal fields of this binary's history: they are damaged, or a newer Till wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed cannot be read by this binary")]
pub struct Unreadable;

impl Personal {
    /// The fields in Avro single-object encoding, with the latest schema. Whoever takes the bytes must overwrite them.
    ///
    /// # Panics
    /// Never: the fields fit their schema.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let latest = HISTORY.last().expect("one was released");
        // Longer than nearly all, so that the buffer seldom grows and leaves a copy behind.
        let mut bytes = Vec::with_capacity(1024);
        bytes.extend_from_slice(&SINGLE_OBJECT);
        bytes.extend_from_slice(&latest.fingerprint);
        latest.writer.write_ser(&mut bytes, &Written::from(self)).expect("the fields fit their schema");
        Zeroizing::new(bytes)
    }

    /// Reads what [`Self::to_bytes`] of this or an earlier Till wrote.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let rest = bytes.strip_prefix(&SINGLE_OBJECT).ok_or(Unreadable)?;
        let (fingerprint, mut datum) = rest.split_first_chunk::<8>().ok_or(Unreadable)?;
        let version = HISTORY.iter().find(|version| version.fingerprint == *fingerprint).ok_or(Unreadable)?;
        let written: Written = version.reader.read_deser(&mut datum).map_err(|_| Unreadable)?;
        if datum.is_empty() { Ok(written.into()) } else { Err(Unreadable) }
    }
}

struct Version {
    fingerprint: Fingerprint,
    writer: Writer,
    reader: Reader,
}

static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    RELEASED.iter().map(|text| Schema::parse_str(text).expect("released schemas parse")).collect()
});

/// Every version's writer and reader, built once, as those of events are.
static HISTORY: LazyLock<Vec<Version>> = LazyLock::new(|| {
    let version = |(text, schema): (&&str, &'static Schema)| {
        let (writer, reader) = datum::of(schema);
        Version { fingerprint: fingerprint(text), writer, reader }
    };
    RELEASED.iter().zip(SCHEMAS.iter()).map(version).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_printed() {
        let personal = Personal {
            name: Some("Ann Ohara".into()),
            email: Some("ann@example.com".into()),
            ..Personal::default()
        };
        let bytes = personal.to_bytes();
        assert_eq!(Personal::from_bytes(&bytes), Ok(personal.clone()));
        assert!(!format!("{personal:?}").contains("nn"), "{personal:?}");
    }

    #[test]
    fn other_bytes_are_unreadable() {
        let bytes = Personal { phone: Some("1".into()), ..Personal::default() }.to_bytes();
        let longer = [&bytes[..], &[0]].concat();
        for wrong in [&bytes[1..], &bytes[..bytes.len() - 1], &longer, &[], &bytes[..9]] {
            assert_eq!(Personal::from_bytes(wrong), Err(Unreadable));
        }
    }
}
