//! Boxes, keys and indexes. The known answers are those of Python 3.11 (hmac, and AESGCM of cryptography 48.0).

use schemas::keys::{DOCUMENT, EMAIL, PersonKeyed, USERNAME};
use schemas::shards::{MasterCheck, SecretsDeclared};
use schemas::{Bytes, Clear, Personal, Sealed};
use uuid::Uuid;

use super::*;

const FIRST: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SECOND: &str = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
const INDEX: &str = "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f";
const HOME: &str = "till";

fn of_masters(master_keys: &str) -> Vault {
    Vault::new(&VaultSettings { master_keys: master_keys.to_owned(), index_key: INDEX.to_owned() })
}

fn with_one_master() -> Vault {
    of_masters(&format!("1:{FIRST}"))
}

fn rotated() -> Vault {
    of_masters(&format!("2:{SECOND}, 1:{FIRST}"))
}

fn ann() -> Personal {
    let clear = |text: &str| Some(Clear::from(text));
    Personal {
        name: clear("Ann Ohara"),
        email: clear("ann@example.com"),
        document: clear("123.456.789-09"),
        ..Personal::default()
    }
}

/// The bytes with each of their bits turned, one at a time.
fn damaged(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    (0..bytes.0.len() * 8).map(|bit| {
        let mut damaged = bytes.clone();
        damaged.0[bit / 8] ^= 1 << (bit % 8);
        damaged
    })
}

/// The key 60 61 … 7f, under the first master key.
fn known_record() -> PersonKeyed {
    let wrapped = "909192939495969798999a9b96ab975c5cfc989827952a48061481311a68c77f56cbe874f4603a8d92cf94cbbdcaead63a5e5e98964c0d53c7c527f0";
    PersonKeyed {
        home: HOME.to_owned(),
        subject: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
        wrapped: Bytes(hex::decode(wrapped).unwrap()),
        master: 1,
        indexes: Vec::new(),
    }
}

#[test]
fn keys_and_boxes_made_elsewhere_open() {
    let record = known_record();
    let known = "01808182838485868788898a8be13e557f6718a57d9f5e87f1b3a135ee217e8b7c0e8f63e9f4e777442102c20ce5867311bf9d318633511104f1e668e3e144753de2ce8c962e77cbed4146c325cf76e76c0aa458dc26a2b88a0216";
    let sealed = Sealed { subject: record.subject, sealed: Bytes(hex::decode(known).unwrap()) };
    let key = with_one_master().open_key(&record).unwrap();
    assert_eq!(key.open(&sealed), Ok(ann()));
    assert_eq!(key.record(Vec::new()), record);
}

#[test]
fn indexes_and_checks_are_the_hmacs_they_are_said_to_be() {
    let vault = rotated();
    for (kind, value, known) in [
        (USERNAME, "Ann", "05fbbcaf6a4a32312f26a52806bc6fad"),
        (EMAIL, "ann@example.com", "c477cc7912c58904dda67172650a6d18"),
        (DOCUMENT, "12345678909", "bf5e83280635a1b3149a316577969650"),
    ] {
        let index = vault.index(HOME, kind, value).unwrap();
        assert_eq!((index.kind.as_str(), hex::encode(index.value)), (kind, known.to_owned()));
    }
    let master = |number, check| MasterCheck { number, check: hex::decode::<&str>(check).unwrap() };
    let known = SecretsDeclared {
        index_check: hex::decode("cebd345089faba798f113c4adfb69eed").unwrap(),
        masters: vec![
            master(2, "32da5d6da2afb16797565cb427459998"),
            master(1, "209badc2bdb33c5a1217c9be653ebb36"),
        ],
    };
    assert_eq!(vault.checks(), known);
}

#[test]
fn a_box_opens_with_its_own_key_alone() {
    let vault = with_one_master();
    let (own, other) = (vault.new_key(HOME), vault.new_key(HOME));
    let sealed = own.seal(&ann());
    assert_eq!(own.open(&sealed), Ok(ann()));
    assert_eq!(other.open(&sealed), Err(VaultError::Sealed));
    assert_ne!(own.seal(&ann()), sealed, "a nonce is never used twice");
    let reopened = vault.open_key(&own.record(Vec::new())).unwrap();
    assert_eq!(reopened.open(&sealed), Ok(ann()));
}

#[test]
fn a_box_opens_for_its_own_subject_alone() {
    let key = with_one_master().new_key(HOME);
    let sealed = key.seal(&ann());
    let of_another = Sealed { subject: Uuid::now_v7(), ..sealed };
    assert_eq!(key.open(&of_another), Err(VaultError::Sealed));
}

#[test]
fn a_box_with_any_bit_turned_or_its_end_cut_off_does_not_open() {
    let key = with_one_master().new_key(HOME);
    let Sealed { subject, sealed } = key.seal(&ann());
    for sealed in damaged(&sealed) {
        assert!(key.open(&Sealed { subject, sealed }).is_err());
    }
    for length in 0..sealed.0.len() {
        let cut = Bytes(sealed.0[..length].to_vec());
        assert!(key.open(&Sealed { subject, sealed: cut }).is_err(), "{length} bytes");
    }
}

#[test]
fn a_box_of_a_newer_version_is_told_from_a_damaged_one() {
    let key = with_one_master().new_key(HOME);
    let mut sealed = key.seal(&ann());
    sealed.sealed.0[0] = 2;
    assert!(matches!(key.open(&sealed), Err(VaultError::Unreadable(_))));
}

#[test]
fn a_persons_key_opens_with_its_own_master_key_in_its_own_record_alone() {
    let vault = with_one_master();
    let record = vault.new_key(HOME).record(Vec::new());
    let is_shut =
        |record: PersonKeyed| vault.open_key(&record).is_err_and(|error| error == VaultError::Wrapped(1));
    assert!(is_shut(PersonKeyed { home: "shop.000".to_owned(), ..record.clone() }));
    assert!(is_shut(PersonKeyed { subject: Uuid::now_v7(), ..record.clone() }));
    assert!(damaged(&record.wrapped).all(|wrapped| is_shut(PersonKeyed { wrapped, ..record.clone() })));
    let with_another = of_masters(&format!("1:{SECOND}"));
    assert_eq!(with_another.open_key(&record).unwrap_err(), VaultError::Wrapped(1));
    let without = of_masters(&format!("2:{SECOND}"));
    assert_eq!(without.open_key(&record).unwrap_err(), VaultError::UnknownMaster(1));
}

#[test]
fn a_key_that_is_wrapped_anew_opens_the_same_boxes() {
    let before = with_one_master();
    let key = before.new_key(HOME);
    let (sealed, record) = (key.seal(&ann()), key.record(Vec::new()));
    assert_eq!(before.rewrapped(&record), Ok(None));
    let (wrapped, master) = rotated().rewrapped(&record).unwrap().unwrap();
    assert_eq!(master, 2);
    let record = PersonKeyed { wrapped, master, ..record };
    assert_eq!(rotated().rewrapped(&record), Ok(None));
    let after = of_masters(&format!("2:{SECOND}"));
    assert_eq!(after.open_key(&record).unwrap().open(&sealed), Ok(ann()));
    assert_eq!(before.rewrapped(&record), Err(VaultError::UnknownMaster(2)));
}

#[test]
fn spellings_of_a_name_have_one_index_and_names_their_own() {
    let vault = with_one_master();
    let index = |kind, value| vault.index(HOME, kind, value);
    assert_eq!(index(EMAIL, "Ann@Example.COM"), index(EMAIL, "ann@example.com"));
    assert_eq!(index(DOCUMENT, "123.456.789-09"), index(DOCUMENT, " 123 456 789/09\u{a0}"));
    assert_ne!(index(USERNAME, "Ann"), index(USERNAME, "ann"));
    assert_ne!(index(USERNAME, "a-b"), index(USERNAME, "ab"));
    assert_ne!(index(EMAIL, "a-b"), index(EMAIL, "ab"));
    for (kind, empty) in [(USERNAME, ""), (EMAIL, ""), (DOCUMENT, ""), (DOCUMENT, " .-/ ")] {
        assert_eq!(index(kind, empty), None, "{kind} {empty:?}");
    }
    let of_another_home = vault.index("till2", USERNAME, "Ann");
    assert_ne!(of_another_home, index(USERNAME, "Ann"));
    let parts_shifted =
        [("till", "username", "Ann"), ("tillu", "sername", "Ann"), ("till", "usernameA", "nn")];
    let values = parts_shifted.map(|(home, kind, value)| vault.index(home, kind, value).unwrap().value);
    assert!(values[0] != values[1] && values[0] != values[2]);
}

#[test]
fn nothing_prints_a_secret() {
    let settings = VaultSettings { master_keys: format!("1:{FIRST}"), index_key: INDEX.to_owned() };
    let vault = Vault::new(&settings);
    let key = vault.open_key(&known_record()).unwrap();
    let errors = [
        VaultError::UnknownMaster(1),
        VaultError::Wrapped(1),
        VaultError::Sealed,
        schemas::personal::Unreadable.into(),
    ];
    let printed = format!("{settings:?} {vault:?} {key:?} {:?} {errors:?}", ann())
        + &errors.map(|error| error.to_string()).join(" ");
    for secret in
        ["000102", "404142", "606162", "0, 1, 2", "64, 65, 66", "96, 97, 98", "Ann", "123", "example"]
    {
        assert!(!printed.contains(secret), "{secret} is in {printed}");
    }
}
