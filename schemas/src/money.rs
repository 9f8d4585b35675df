//! Exact amounts, all of the one currency that a deployment has.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The digits after the point, in every schema, table and answer.
const SCALE: u32 = 2;

/// An exact decimal with two digits after the point, of either sign.
///
/// JSON form: a string such as `"27.47"`. Avro form: `decimal(38, 2)`, the unscaled number as
/// big-endian two's complement in as few bytes as it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(Decimal);

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is no decimal number: [`exact`] says what is one.
    #[error("must be a decimal number")]
    NotANumber,
    /// The number has more than two digits after the point.
    #[error("must have at most 2 decimals")]
    TooManyDecimals,
    /// The amount has more than twelve digits, or the number more than 28.
    #[error("must have at most 12 digits")]
    TooManyDigits,
}

impl Money {
    /// 0.00, the sum of no amounts.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads an amount as clients write it (see [`exact`]): at most 12 digits, 2 of them decimals.
    ///
    /// # Errors
    /// The limit that the text breaks.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let number = exact(text)?;
        if number.scale() > SCALE {
            return Err(MoneyError::TooManyDecimals);
        }
        if number.abs() >= Decimal::from(10_000_000_000_i64) {
            return Err(MoneyError::TooManyDigits);
        }
        Ok(Self(number))
    }

    /// Rounds a number to two decimals, half away from zero.
    #[must_use]
    pub fn rounded(number: Decimal) -> Self {
        Self(number.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointAwayFromZero))
    }

    /// The amount as a decimal of units, not of hundredths.
    #[must_use]
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// This amount `quantity` times, or `None` past 28 digits.
    #[must_use]
    pub fn times(self, quantity: i64) -> Option<Self> {
        self.0.checked_mul(Decimal::from(quantity)).map(Self)
    }

    /// The share of each of `count`, rounded half away from zero; zero where `count` is not positive.
    #[must_use]
    pub fn average_over(self, count: i64) -> Self {
        if count <= 0 {
            return Self::ZERO;
        }
        Self::rounded(self.0 / Decimal::from(count))
    }

    /// Whether the amount is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    /// The amount as a number of hundredths.
    #[must_use]
    pub fn minor_units(self) -> i128 {
        let mut scaled = self.0;
        scaled.rescale(SCALE);
        scaled.mantissa()
    }
}

impl From<Decimal> for Money {
    /// Takes a decimal that Till has stored. Digits past the second are rounded, half away from zero.
    fn from(number: Decimal) -> Self {
        Self::rounded(number)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let bytes = self.minor_units().to_be_bytes();
        serializer.serialize_bytes(shortest(&bytes))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(FromText)
        } else {
            deserializer.deserialize_bytes(FromBytes)
        }
    }
}

/// The largest whole number that every [`Decimal`] operation holds: 28 nines.
const MAX_MANTISSA: i128 = 10_i128.pow(Decimal::MAX_SCALE) - 1;

/// Reads digits, perhaps with a point and more digits, perhaps with an exponent, as JSON writes numbers. The number is
/// exactly the one that was written, or it is refused. The decimal library's own parser would take `2_50` for 250 and
/// round what is too long.
///
/// # Errors
/// What is wrong with the text. More than 28 significant digits are too many, and so are decimals past the 28th.
pub fn exact(text: &str) -> Result<Decimal, MoneyError> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, text)) => (number, exponent(text)?),
        None => (unsigned, 0),
    };
    let (whole, decimals) = match number.split_once('.') {
        Some((_, "")) => return Err(MoneyError::NotANumber),
        Some(parts) => parts,
        None => (number, ""),
    };
    if whole.is_empty() {
        return Err(MoneyError::NotANumber);
    }
    let mantissa = mantissa(whole.bytes().chain(decimals.bytes()))?;
    let scale = i64::try_from(decimals.len()).unwrap_or(i64::MAX).saturating_sub(exponent);
    let signed = if is_negative { -mantissa } else { mantissa };
    scaled(signed, scale)
}

/// Reads an exponent. It is cut off at four digits: a larger one makes any number but 0 too long in any case.
fn exponent(text: &str) -> Result<i64, MoneyError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MoneyError::NotANumber);
    }
    let number = digits.parse().unwrap_or(i64::MAX).min(9_999);
    Ok(if text.starts_with('-') { -number } else { number })
}

fn mantissa(digits: impl Iterator<Item = u8>) -> Result<i128, MoneyError> {
    let (mut mantissa, mut is_too_long) = (0_i128, false);
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(MoneyError::NotANumber);
        }
        if !is_too_long {
            mantissa = mantissa * 10 + i128::from(digit - b'0');
            is_too_long = mantissa > MAX_MANTISSA;
        }
    }
    if is_too_long { Err(MoneyError::TooManyDigits) } else { Ok(mantissa) }
}

/// `mantissa` divided by 10 to the power of `scale`, which may be negative.
fn scaled(mantissa: i128, scale: i64) -> Result<Decimal, MoneyError> {
    if let Ok(scale) = u32::try_from(scale) {
        return Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| MoneyError::TooManyDecimals);
    }
    let factor = u32::try_from(-scale).ok().and_then(|zeros| 10_i128.checked_pow(zeros));
    let number = match factor.and_then(|factor| mantissa.checked_mul(factor)) {
        _ if mantissa == 0 => 0,
        Some(number) if number.abs() <= MAX_MANTISSA => number,
        _ => return Err(MoneyError::TooManyDigits),
    };
    Ok(Decimal::from_i128_with_scale(number, 0))
}

/// The number without leading bytes that only repeat its sign.
fn shortest(bytes: &[u8; 16]) -> &[u8] {
    let mut start = 0;
    while start < 15 {
        let repeats_sign = (bytes[start] == 0x00 && bytes[start + 1] < 0x80)
            || (bytes[start] == 0xFF && bytes[start + 1] >= 0x80);
        if !repeats_sign {
            break;
        }
        start += 1;
    }
    &bytes[start..]
}

struct FromText;

impl de::Visitor<'_> for FromText {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount as text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Money, E> {
        let number = exact(text).map_err(E::custom)?;
        Ok(Money::rounded(number))
    }
}

struct FromBytes;

impl de::Visitor<'_> for FromBytes {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an unscaled decimal of 1 to 16 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Money, E> {
        if bytes.is_empty() || bytes.len() > 16 {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        let sign = if bytes[0] >= 0x80 { 0xFF } else { 0x00 };
        let mut wide = [sign; 16];
        wide[16 - bytes.len()..].copy_from_slice(bytes);
        Decimal::try_from_i128_with_scale(i128::from_be_bytes(wide), SCALE).map(Money).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_limits_of_an_amount_are_named() {
        assert_eq!(Money::parse("27.47").unwrap().to_string(), "27.47");
        assert_eq!(Money::parse("1e2").unwrap().to_string(), "100.00");
        assert_eq!(Money::parse("9999999999.99").unwrap().minor_units(), 999_999_999_999);
        assert_eq!(Money::parse("0.001"), Err(MoneyError::TooManyDecimals));
        assert_eq!(Money::parse("10000000000"), Err(MoneyError::TooManyDigits));
        assert_eq!(Money::parse("NaN"), Err(MoneyError::NotANumber));
        assert_eq!(Money::parse(""), Err(MoneyError::NotANumber));
    }

    #[test]
    fn an_amount_is_digits_a_point_and_an_exponent_and_nothing_else() {
        for (text, read) in [
            ("0", "0.00"),
            ("-0", "0.00"),
            ("007.5", "7.50"),
            ("2.5e2", "250.00"),
            ("25e-1", "2.50"),
            ("0e99999999999999999999", "0.00"),
            ("1E+2", "100.00"),
        ] {
            assert_eq!(Money::parse(text).unwrap().to_string(), read, "{text}");
        }
        for text in [
            "2_50", "1_0.00", "+5", "5.", ".5", "-.5", "5.e1", "--5", "-", ".", "e5", "5e", "5e+", "5e1.0",
            "5e--1", "0x5", " 5", "5 ", "5,0", "5.0.0", "Infinity", "nan", "\u{0665}", "1e5e5", "-+5",
        ] {
            assert_eq!(Money::parse(text), Err(MoneyError::NotANumber), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_and_not_rounded() {
        let tiny = "0.000000000000000000000000274749e26";
        assert_eq!(exact(tiny).unwrap().to_string(), "27.4749");
        assert_eq!(Money::parse(tiny), Err(MoneyError::TooManyDecimals));
        let nines = "9".repeat(28);
        assert_eq!(exact(&nines).unwrap().to_string(), nines);
        assert_eq!(exact(&format!("{nines}9")), Err(MoneyError::TooManyDigits));
        assert_eq!(exact(&format!("{nines}e1")), Err(MoneyError::TooManyDigits));
        assert_eq!(exact("5.00000000000000000000000000000000000001"), Err(MoneyError::TooManyDigits));
        assert_eq!(exact("0.00000000000000000000000000001"), Err(MoneyError::TooManyDecimals));
        assert_eq!(exact("1e9223372036854775808"), Err(MoneyError::TooManyDigits));
        assert_eq!(exact("1e-9223372036854775808"), Err(MoneyError::TooManyDecimals));
        assert_eq!(exact(&"1".repeat(1_000_000)), Err(MoneyError::TooManyDigits));
        assert_eq!(exact(&format!("{}x", "1".repeat(1_000_000))), Err(MoneyError::NotANumber));
    }

    proptest! {
        #[test]
        fn every_way_to_write_an_amount_reads_as_it(units in -999_999_999_999_i64..=999_999_999_999, zeros in 0_usize..4) {
            let money = Money(Decimal::new(units, 2));
            let sign = if units < 0 { "-" } else { "" };
            let digits = units.unsigned_abs();
            let leading = "0".repeat(zeros);
            let written = [
                money.to_string(),
                format!("{sign}{leading}{}.{:02}", digits / 100, digits % 100),
                format!("{sign}{leading}{digits}e-2"),
                format!("{sign}{leading}{digits}E-002"),
            ];
            for text in written {
                prop_assert_eq!(Money::parse(&text), Ok(money), "{}", text);
            }
        }

        #[test]
        fn what_is_read_is_what_was_written_or_nothing(text in "-?[0-9]{0,32}(\\.[0-9]{0,32})?([eE][+-]?[0-9]{1,2})?") {
            if let Ok(number) = exact(&text) {
                // What the library itself reads, where it can read that text exactly.
                let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
                let digits = Decimal::from_str_exact(digits);
                let power: i64 = exponent.parse().unwrap();
                if let Ok(mut expected) = digits {
                    let scale = i64::from(expected.scale()) - power;
                    if let Ok(scale) = u32::try_from(scale) && expected.set_scale(scale).is_ok() {
                        prop_assert_eq!(number, expected, "{}", text);
                    }
                }
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "[-+0-9.eE_ ]{0,40}") {
            let _ = Money::parse(&text);
        }
    }

    #[test]
    fn averages_round_half_away_from_zero_and_need_purchases() {
        let amount = Money::parse("0.05").unwrap();
        assert_eq!(amount.average_over(2).to_string(), "0.03");
        assert_eq!((-amount).average_over(2).to_string(), "-0.03");
        assert_eq!(amount.average_over(0), Money::ZERO);
        assert_eq!(amount.average_over(-1), Money::ZERO);
    }
}
