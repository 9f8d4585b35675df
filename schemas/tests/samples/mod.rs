//! Events to test with: one fixed of each type, and any.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use rust_decimal::Decimal;
use schemas::{
    AccountRegistered, CategorySums, Event, HourClosed, Item, LastEvent, LoginLocked, LoginTokenIssued,
    LoginTokenRevoked, LoginUnlocked, Money, PasswordChanged, PlaceHourComputed, Receipt, ReceiptRecorded,
    ReceiptVoided, RolesAssigned, ShardAnnounced, Slice, Sums, TopologyDeclared,
};
use uuid::Uuid;

fn money(text: &str) -> Money {
    Money::from(Decimal::from_str_exact(text).unwrap())
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn receipt() -> Receipt {
    let item = |product_id: &str, quantity, price: &str, category: &str| Item {
        product_id: product_id.into(),
        quantity,
        price: money(price),
        category: category.into(),
    };
    Receipt {
        transaction_id: "unique_transaction_id".into(),
        occurred_at: instant("2024-02-07T09:34:56.000001Z"),
        items: vec![
            item("product_id_1", 2, "10.99", "groceries"),
            item("product_id_2", 1, "5.49", "electronics"),
        ],
        total_amount: money("27.47"),
        tax_amount: money("2.47"),
        tips_amount: money("-3.00"),
        payment_method: "credit_card".into(),
        place_id: "011".into(),
        place_name: "Магазин №1".into(),
    }
}

fn sums(purchases: i64, total: &str) -> Sums {
    Sums {
        purchases,
        total_amount: money(total),
        tax_amount: money("0.01"),
        tips_amount: money("-1.28"),
        returns: 1,
        returned_amount: money("300.00"),
    }
}

/// The sample of a type.
#[allow(clippy::too_many_lines, reason = "a list, one entry a type")]
pub fn of(event_type: &str) -> Event {
    let (realm, username) = ("till".to_owned(), "mayara".to_owned());
    let (window_start, window_end) = (instant("2024-02-07T09:00:00Z"), instant("2024-02-07T10:00:00Z"));
    match event_type {
        "ReceiptRecorded" => ReceiptRecorded {
            receipt: receipt(),
            totals_match: true,
            recorded_by: "terminal".into(),
            fingerprint: vec![1, 0xFF, 0],
        }
        .into(),
        "ReceiptVoided" => {
            ReceiptVoided { receipt: receipt(), reason: "sent twice".into(), voided_by: "admin".into() }
                .into()
        }
        "AccountRegistered" => AccountRegistered {
            realm,
            username,
            number: 7,
            password_hash: "$argon2id$…".into(),
            roles: vec!["terminal".into(), "staff".into()],
            places: vec!["011".into()],
            idempotency_id: Some(Uuid::from_u128(0x0123_4567_89AB_CDEF)),
        }
        .into(),
        "RolesAssigned" => RolesAssigned {
            realm,
            username,
            roles: vec!["analyst".into()],
            places: vec![],
            assigned_by: "admin".into(),
        }
        .into(),
        "LoginLocked" => LoginLocked { realm, username, until: instant("2024-02-07T09:35:56Z") }.into(),
        "LoginUnlocked" => LoginUnlocked { realm, username }.into(),
        "LoginTokenIssued" => {
            LoginTokenIssued { realm, username, generation: 2, token_hash: vec![0xAB; 32] }.into()
        }
        "LoginTokenRevoked" => LoginTokenRevoked { realm, username, generation: 2 }.into(),
        "PasswordChanged" => PasswordChanged { realm, username, password_hash: "$argon2id$…".into() }.into(),
        "PlaceHourComputed" => PlaceHourComputed {
            window_start,
            window_end,
            place_id: "011".into(),
            place_name: "Магазин №1".into(),
            recorded: 3,
            voided: 1,
            sums: sums(2, "54.94"),
            average_receipt: money("27.47"),
            categories: vec![CategorySums {
                category: "groceries".into(),
                quantity: 4,
                amount: money("43.96"),
                running_quantity: 400,
                running_amount: money("4396.00"),
                thousandths: 345,
                running_thousandths: -7,
            }],
            running: sums(200, "123456789012345678.90"),
            part: 1,
            parts: 3,
        }
        .into(),
        "HourClosed" => HourClosed {
            window_start,
            window_end,
            slices: vec![
                Slice {
                    partition: 0,
                    start: 0,
                    end: 42,
                    last: Some(LastEvent { offset: 40, event_id: Uuid::from_u128(0x0199_AB00) }),
                },
                Slice { partition: 1, start: 7, end: 7, last: None },
            ],
            recorded: 3,
            voided: 1,
            places: 1,
            parts: 3,
        }
        .into(),
        "ShardAnnounced" => ShardAnnounced {
            shard: 3,
            topology_epoch: 1,
            url: "http://127.0.0.1:8000".into(),
            instance: Uuid::from_u128(0xFEDC_BA98),
        }
        .into(),
        "TopologyDeclared" => TopologyDeclared { epoch: 1, shards: 4, partitions: 16 }.into(),
        other => panic!("{other} needs a sample"),
    }
}

prop_compose! {
    fn any_money()(minor in -999_999_999_999_999_999_i64..999_999_999_999_999_999) -> Money {
        Money::from(Decimal::new(minor, 2))
    }
}

prop_compose! {
    fn any_item()(product_id in ".{0,20}", quantity in any::<i64>(), price in any_money(), category in ".{0,20}") -> Item {
        Item { product_id, quantity, price, category }
    }
}

prop_compose! {
    fn any_receipt()(
        transaction_id in ".{0,150}",
        micros in -62_135_596_800_000_000_i64..253_402_300_799_000_000,
        items in prop::collection::vec(any_item(), 0..5),
        amounts in (any_money(), any_money(), any_money()),
        texts in (".{0,20}", ".{0,20}", ".{0,20}"),
    ) -> Receipt {
        Receipt {
            transaction_id,
            occurred_at: DateTime::from_timestamp_micros(micros).unwrap(),
            items,
            total_amount: amounts.0,
            tax_amount: amounts.1,
            tips_amount: amounts.2,
            payment_method: texts.0,
            place_id: texts.1,
            place_name: texts.2,
        }
    }
}

/// Any receipt event, and the samples of the other types.
pub fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any_receipt(), any::<bool>(), ".{0,20}", prop::collection::vec(any::<u8>(), 0..20)).prop_map(
            |(receipt, totals_match, recorded_by, fingerprint)| ReceiptRecorded {
                receipt,
                totals_match,
                recorded_by,
                fingerprint
            }
            .into()
        ),
        (any_receipt(), ".{0,20}", ".{0,20}").prop_map(|(receipt, reason, voided_by)| ReceiptVoided {
            receipt,
            reason,
            voided_by
        }
        .into()),
        prop::sample::select(Event::TYPES).prop_map(of),
    ]
}
