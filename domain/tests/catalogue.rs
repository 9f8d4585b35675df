//! The catalogue: the rules as given, when and then.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so")]

mod memory;
mod shop;

use domain::Decision;
use domain::catalogue::{
    ChangeCashbackType, ChangeProduct, ChangeSeller, ListCashbackType, ListProduct, ListSeller,
    ProductChange, ProductContent, Rejection, RemoveCashbackType, RemoveSeller, SellerChange, SellerContent,
    load_product, load_seller,
};
use memory::Memory;
use schemas::{Exact, Ref};
use shop::*;

fn cashback_type(name: &str) -> ListCashbackType {
    ListCashbackType {
        home: "cashback.002".into(),
        id: None,
        scope: "cashback".into(),
        name: name.into(),
        rate: Exact::parse("0.05").unwrap(),
        asked: asked(),
    }
}

fn rename_type(id: &str, name: &str) -> ChangeCashbackType {
    let (home, id, name) = ("cashback.002".into(), id.into(), Some(name.into()));
    ChangeCashbackType { home, id, name, rate: None, asked: asked() }
}

fn of_seller(mut listed: ListProduct, number: u8) -> ListProduct {
    listed.content.seller = Some(seller(number));
    listed
}

fn rename_seller(number: u8, revision: Option<i32>) -> ChangeSeller {
    let Ref { home, id } = seller(number);
    let change = SellerChange { name: Some("another".into()), ..SellerChange::default() };
    ChangeSeller { home, id, revision, change, asked: asked() }
}

fn remove_seller(number: u8) -> RemoveSeller {
    let Ref { home, id } = seller(number);
    RemoveSeller { home, id, asked: asked() }
}

#[test]
fn what_is_not_changed_of_a_product_stays() {
    let mut till = till(1);
    let before = load_product(&till, &product(1)).unwrap();
    till.when(reprice(&product(1), "12.50")).unwrap();
    let after = load_product(&till, &product(1)).unwrap();
    assert_eq!(after.content, ProductContent { price: Some(money("12.50")), ..before.content });
    assert_eq!((before.version.revision, after.version.revision), (1, 2));
}

#[test]
fn a_change_that_was_made_from_another_revision_is_stale() {
    let mut till = till(1);
    till.when(list_seller(1)).unwrap();
    let change = ChangeProduct { revision: Some(1), ..reprice(&product(1), "11.00") };
    till.when(change.clone()).unwrap();
    assert!(is_refused(&till, change, Rejection::Stale));
    till.when(rename_seller(1, Some(1))).unwrap();
    assert!(is_refused(&till, rename_seller(1, Some(1)), Rejection::Stale));
}

#[test]
fn what_was_removed_is_not_there_and_is_removed_once() {
    let mut till = till(1);
    till.when(list_seller(1)).unwrap();
    till.when(remove(&product(1))).unwrap();
    till.when(remove_seller(1)).unwrap();
    assert!(load_product(&till, &product(1)).is_none() && load_seller(&till, &seller(1)).is_none());
    assert!(is_known(&till, remove(&product(1))) && is_known(&till, remove_seller(1)));
    assert!(is_refused(&till, reprice(&product(1), "1.00"), Rejection::ProductUnknown));
    assert!(is_refused(&till, rename_seller(1, None), Rejection::SellerUnknown));
    assert!(is_refused(&till, list(1, "1.00", None), Rejection::Known), "its id is not given again");
    assert!(is_refused(&till, remove(&product(9)), Rejection::ProductUnknown));
}

#[test]
fn a_product_belongs_to_a_seller_that_is_there_or_to_nobody() {
    let mut till = Memory::default();
    assert!(is_refused(&till, of_seller(list(1, "1.00", None), 1), Rejection::NoSeller));
    till.when(list_seller(1)).unwrap();
    till.when(of_seller(list(1, "1.00", None), 1)).unwrap();
    till.when(remove_seller(1)).unwrap();
    till.when(reprice(&product(1), "2.00")).unwrap();
    let to_the_gone = ProductChange { seller: Some(Some(seller(1))), ..ProductChange::default() };
    till.when(list(2, "1.00", None)).unwrap();
    assert!(is_refused(&till, change(&product(2), to_the_gone), Rejection::NoSeller));
}

#[test]
fn a_product_that_does_not_count_its_stock_takes_no_count() {
    let mut till = till(1);
    assert!(is_refused(&till, recount(&product(2), 5), Rejection::NotCounted));
    let mut listed = list(3, "1.00", Some(1));
    listed.content.counts_stock = false;
    assert!(is_refused(&till, listed, Rejection::NotCounted));
    let counted = ProductChange { counts_stock: Some(true), ..ProductChange::default() };
    till.when(ChangeProduct { count: Some(pieces(5)), ..change(&product(2), counted) }).unwrap();
    answer_all(&mut till);
    assert_eq!(available(&till, &product(2)), pieces(5));
}

#[test]
fn a_count_is_told_to_the_stock_and_its_to_do_ends_with_what_the_stock_has() {
    let mut till = till(1);
    till.when(recount(&product(1), 8)).unwrap();
    let waiting = next_tell(&till).unwrap();
    let answers = tell(&mut till, &waiting);
    assert_eq!(available(&till, &product(1)), pieces(8));
    assert!(matches!(hear(&mut till, &waiting, &answers), Decision::Append(..)));
    assert!(till.todos().is_empty());
    assert!(matches!(hear(&mut till, &waiting, &answers), Decision::Already(_)), "it is settled once");
}

#[test]
fn counts_that_arrive_in_the_wrong_order_leave_the_newest() {
    let mut till = till(1);
    till.when(recount(&product(1), 8)).unwrap();
    let older = next_tell(&till).unwrap();
    till.when(recount(&product(1), 3)).unwrap();
    let (_, newer) = till.todos().pop().unwrap();
    perform(&mut till, &newer);
    perform(&mut till, &older);
    assert_eq!(available(&till, &product(1)), pieces(3));
    assert!(till.todos().is_empty());
}

#[test]
fn a_product_that_is_removed_still_hears_of_its_count() {
    let mut till = till(1);
    till.when(recount(&product(1), 8)).unwrap();
    till.when(remove(&product(1))).unwrap();
    answer_all(&mut till);
    assert!(till.todos().is_empty());
}

#[test]
fn each_kind_has_numbers_of_its_own_in_a_home_and_an_import_brings_the_next_one() {
    let mut till = Memory::default();
    let seller = ListSeller { home: "restaurant.004".into(), id: None, ..list_seller(1) };
    till.when(seller.clone()).unwrap();
    till.when(list_in_restaurant("1.00")).unwrap();
    till.when(list_in_restaurant("1.00")).unwrap();
    assert!(
        load_seller(&till, &of_restaurant(1)).is_some() && load_product(&till, &of_restaurant(2)).is_some()
    );
    let numbered = |id: &str| ListProduct { id: Some(id.into()), ..list_in_restaurant("1.00") };
    for id in ["2", "4", "03", "+3"] {
        assert!(is_refused(&till, numbered(id), Rejection::NumberNotNext), "{id}");
    }
    till.when(numbered("3")).unwrap();
    assert!(load_product(&till, &of_restaurant(3)).is_some());
}

#[test]
fn a_listing_under_the_same_idempotency_id_happens_once() {
    let mut till = Memory::default();
    let listed = ListProduct { asked: keyed(5, 1), ..list_in_restaurant("1.00") };
    till.when(listed.clone()).unwrap();
    assert!(is_known(&till, listed.clone()));
    let other = ListProduct { asked: keyed(5, 2), ..listed };
    assert!(is_refused(&till, other, Rejection::IdempotencyKeyReused));
    let change = ChangeProduct { asked: keyed(6, 1), ..reprice(&of_restaurant(1), "2.00") };
    till.when(change.clone()).unwrap();
    assert!(is_known(&till, change), "a change has one too");
}

#[test]
fn a_name_is_one_cashback_types_alone_whatever_its_case_and_blanks() {
    let mut till = Memory::default();
    till.when(cashback_type("Gold Card")).unwrap();
    assert!(is_refused(&till, cashback_type("goldcard"), Rejection::NameTaken));
    till.when(cashback_type("Silver")).unwrap();
    assert!(is_refused(&till, rename_type("2", "GOLD card"), Rejection::NameTaken));
    till.when(rename_type("1", "goldCARD")).unwrap();
    till.when(rename_type("1", "Platinum")).unwrap();
    till.when(rename_type("2", "Gold Card")).unwrap();
    assert!(is_refused(&till, rename_type("9", "x"), Rejection::CashbackTypeUnknown));
}

#[test]
fn the_name_of_a_removed_cashback_type_is_free() {
    let mut till = Memory::default();
    till.when(cashback_type("Gold")).unwrap();
    let gone = RemoveCashbackType { home: "cashback.002".into(), id: "1".into(), asked: asked() };
    till.when(gone.clone()).unwrap();
    assert!(is_known(&till, gone));
    assert!(is_refused(&till, rename_type("1", "Gold"), Rejection::CashbackTypeUnknown));
    till.when(cashback_type("gold")).unwrap();
}

#[test]
fn what_a_seller_is_stays_where_it_is_not_changed() {
    let mut till = Memory::default();
    let content = SellerContent {
        address: "Main Street 1".into(),
        managers: vec![of_restaurant(7)],
        ..list_seller(1).content
    };
    till.when(ListSeller { content: content.clone(), ..list_seller(1) }).unwrap();
    till.when(rename_seller(1, None)).unwrap();
    let after = load_seller(&till, &seller(1)).unwrap();
    assert_eq!(after.content, SellerContent { name: "another".into(), ..content });
}
