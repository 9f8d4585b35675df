//! A place's window as events of bounded size, and back: see ADR 33.

use schemas::Money;
use schemas::analytics::{CategorySums, PlaceHourComputed, Sums};

/// The categories of a part take at most so many bytes: far below what a topic takes, so that no place's window is
/// ever too large to be appended.
const CATEGORIES_MAX_BYTES: usize = 256 << 10;
/// A category's sums take at most so many bytes beside its name.
const SUMS_MAX_BYTES: usize = 80;

/// A place's window in as few parts as its categories need: see [`PlaceHourComputed`].
pub(crate) fn split(mut whole: PlaceHourComputed) -> Vec<PlaceHourComputed> {
    let mut groups = vec![Vec::new()];
    let mut bytes = 0;
    for sums in std::mem::take(&mut whole.categories) {
        let size = sums.category.len() + SUMS_MAX_BYTES;
        if bytes > 0 && bytes + size > CATEGORIES_MAX_BYTES {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        groups.last_mut().expect("there is one").push(sums);
    }
    let parts = i32::try_from(groups.len()).expect("a place's window fits in memory");
    let part = |(number, categories)| part(&whole, number, parts, categories);
    (0..).zip(groups).map(part).collect()
}

/// A part of a whole that has no categories.
fn part(
    whole: &PlaceHourComputed,
    number: i32,
    parts: i32,
    categories: Vec<CategorySums>,
) -> PlaceHourComputed {
    let part = PlaceHourComputed { part: number, parts, categories, ..whole.clone() };
    if number == 0 {
        return part;
    }
    PlaceHourComputed { recorded: 0, voided: 0, sums: Sums::default(), average_receipt: Money::ZERO, ..part }
}

/// The place's window that its parts, in any order, are together; `None` where they are not exactly its parts.
pub(crate) fn join(mut parts: Vec<PlaceHourComputed>) -> Option<PlaceHourComputed> {
    parts.sort_by_key(|part| part.part);
    let count = i32::try_from(parts.len()).ok()?;
    let complete = parts.iter().map(|part| (part.part, part.parts)).eq((0..count).map(|part| (part, count)));
    let mut parts = parts.into_iter().filter(|_| complete);
    let mut whole = parts.next()?;
    whole.parts = 1;
    for part in parts {
        whole.recorded += part.recorded;
        whole.voided += part.voided;
        whole.sums.purchases += part.sums.purchases;
        whole.sums.total_amount += part.sums.total_amount;
        whole.sums.tax_amount += part.sums.tax_amount;
        whole.sums.tips_amount += part.sums.tips_amount;
        whole.sums.returns += part.sums.returns;
        whole.sums.returned_amount += part.sums.returned_amount;
        whole.categories.extend(part.categories);
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use schemas::codec::{Framing, encode};

    use super::*;

    fn whole(lengths: &[usize]) -> PlaceHourComputed {
        let money = |hundredths: i64| Money::from(Decimal::new(hundredths, 2));
        let sums = |purchases| Sums { purchases, total_amount: money(1_000), ..Sums::default() };
        let categories = lengths.iter().enumerate().map(|(number, length)| CategorySums {
            category: format!("{}{number}", "0".repeat(length.saturating_sub(number.to_string().len()))),
            quantity: i64::MAX,
            amount: Money::from(-Decimal::MAX.round_dp(2)),
            running_quantity: i64::MIN,
            running_amount: Money::from(Decimal::MAX.round_dp(2)),
            thousandths: i64::MIN,
            running_thousandths: i64::MIN,
        });
        PlaceHourComputed {
            window_start: DateTime::UNIX_EPOCH,
            window_end: DateTime::UNIX_EPOCH,
            place_id: "place".into(),
            place_name: "Place".into(),
            recorded: 3,
            voided: 1,
            sums: sums(2),
            average_receipt: money(500),
            categories: categories.collect(),
            running: sums(20),
            part: 0,
            parts: 1,
        }
    }

    #[test]
    fn a_window_of_few_categories_is_one_part() {
        for lengths in [&[][..], &[10, 20, 300]] {
            assert_eq!(split(whole(lengths)), [whole(lengths)]);
        }
    }

    #[test]
    fn ten_receipts_of_a_thousand_long_categories_make_parts_of_bounded_size() {
        let parts = split(whole(&[450; 10_000]));
        assert!(parts.len() > 10);
        for part in &parts {
            let bytes = encode(&part.clone().into(), &Framing::SingleObject).value.len();
            assert!(bytes < CATEGORIES_MAX_BYTES + 1_000, "{bytes}");
        }
        assert!(parts[1..].iter().all(|part| part.sums == Sums::default() && part.recorded == 0));
        assert!(parts.iter().all(|part| part.running == parts[0].running));
    }

    #[test]
    fn parts_that_are_not_a_whole_are_no_window() {
        let parts = split(whole(&[100_000; 5]));
        assert_eq!(parts.len(), 3);
        assert_eq!(join(parts[1..].to_vec()), None, "one is missing");
        assert_eq!(join(parts.iter().chain(&parts[..1]).cloned().collect()), None, "one is there twice");
        assert_eq!(join(Vec::new()), None);
    }

    proptest! {
        /// Parts together are the whole, whatever order they are found in, and each category is in one.
        #[test]
        fn parts_add_up_to_the_whole(
            lengths in prop::collection::vec(1_usize..60_000, 0..40),
            turn in any::<prop::sample::Index>(),
        ) {
            let mut parts = split(whole(&lengths));
            prop_assert!(parts.iter().all(|part| !part.categories.is_empty() || lengths.is_empty()));
            prop_assert_eq!(parts.iter().map(|part| part.sums.purchases).sum::<i64>(), 2);
            let first = turn.index(parts.len());
            parts.rotate_left(first);
            prop_assert_eq!(join(parts), Some(whole(&lengths)));
        }
    }
}
