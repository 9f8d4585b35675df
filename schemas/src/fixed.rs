//! Exact numbers with a fixed count of digits after the point: amounts, quantities, rates.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The digits before the point that a client may send. Two such numbers multiplied still fit a [`Decimal`].
const WHOLE_DIGITS: u32 = 10;

/// An exact decimal with `SCALE` digits after the point, of either sign.
///
/// JSON form: a string such as `"27.47"`. Avro form: `decimal`, the unscaled number as big-endian two's complement in as
/// few bytes as it needs; its schema names the same scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed<const SCALE: u32>(Decimal);

/// An amount of the one currency that a deployment has. Avro form: `decimal(38, 2)`.
pub type Money = Fixed<2>;

/// How many pieces, kilograms or hours. Avro form: `decimal(18, 3)`.
pub type Qty = Fixed<3>;

/// A number that is never rounded to cents, such as a rate. Avro form: `decimal(38, 12)`.
pub type Exact = Fixed<12>;

/// Why a text is not such a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// The text is no decimal number: [`exact`] says what is one.
    #[error("must be a decimal number")]
    NotANumber,
    /// The number has more digits after the point than its kind, named here, has.
    #[error("must have at most {0} decimals")]
    TooManyDecimals(u32),
    /// The number has more digits than its kind, named here, has.
    #[error("must have at most {0} digits")]
    TooManyDigits(u32),
}

impl<const SCALE: u32> Fixed<SCALE> {
    /// The sum of no numbers.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads a number as clients write it (see [`exact`]): at most ten digits before the point, and `SCALE` after it.
    ///
    /// # Errors
    /// The limit that the text breaks.
    pub fn parse(text: &str) -> Result<Self, FixedError> {
        let number = exact(text).map_err(Self::own_limits)?;
        if number.scale() > SCALE {
            return Err(FixedError::TooManyDecimals(SCALE));
        }
        if Self(number).is_sendable() {
            Ok(Self(number))
        } else {
            Err(FixedError::TooManyDigits(WHOLE_DIGITS + SCALE))
        }
    }

    /// Whether the number has no more digits than a client may send. Sums and products can have more.
    #[must_use]
    pub fn is_sendable(self) -> bool {
        self.0.abs() < Decimal::from(10_i64.pow(WHOLE_DIGITS))
    }

    /// The error in terms of this kind's limits, where [`exact`] tells its own.
    const fn own_limits(error: FixedError) -> FixedError {
        match error {
            FixedError::NotANumber => FixedError::NotANumber,
            FixedError::TooManyDecimals(_) => FixedError::TooManyDecimals(SCALE),
            FixedError::TooManyDigits(_) => FixedError::TooManyDigits(WHOLE_DIGITS + SCALE),
        }
    }

    /// Rounds a number to `SCALE` decimals, half away from zero.
    #[must_use]
    pub fn rounded(number: Decimal) -> Self {
        Self(number.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointAwayFromZero))
    }

    /// The number as a decimal of units, not of the smallest parts.
    #[must_use]
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// This number `quantity` times, or `None` past 28 digits.
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

    /// Whether the number is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    /// The number in units of its last digit: an amount in hundredths, a quantity in thousandths.
    #[must_use]
    pub fn minor_units(self) -> i128 {
        let mut scaled = self.0;
        scaled.rescale(SCALE);
        scaled.mantissa()
    }
}

impl<const SCALE: u32> From<Decimal> for Fixed<SCALE> {
    /// Takes a decimal that Till has stored. Digits past the last are rounded, half away from zero.
    fn from(number: Decimal) -> Self {
        Self::rounded(number)
    }
}

impl<const SCALE: u32> From<i64> for Fixed<SCALE> {
    fn from(whole: i64) -> Self {
        Self(Decimal::from(whole))
    }
}

impl<const SCALE: u32> fmt::Display for Fixed<SCALE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", SCALE as usize, self.0)
    }
}

impl<const SCALE: u32> Add for Fixed<SCALE> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl<const SCALE: u32> AddAssign for Fixed<SCALE> {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl<const SCALE: u32> Sub for Fixed<SCALE> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl<const SCALE: u32> SubAssign for Fixed<SCALE> {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl<const SCALE: u32> Neg for Fixed<SCALE> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl<const SCALE: u32> Sum for Fixed<SCALE> {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl<const SCALE: u32> Serialize for Fixed<SCALE> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let bytes = self.minor_units().to_be_bytes();
        serializer.serialize_bytes(shortest(&bytes))
    }
}

impl<'de, const SCALE: u32> Deserialize<'de> for Fixed<SCALE> {
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
pub fn exact(text: &str) -> Result<Decimal, FixedError> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (number, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((number, text)) => (number, exponent(text)?),
        None => (unsigned, 0),
    };
    let (whole, decimals) = match number.split_once('.') {
        Some((_, "")) => return Err(FixedError::NotANumber),
        Some(parts) => parts,
        None => (number, ""),
    };
    if whole.is_empty() {
        return Err(FixedError::NotANumber);
    }
    let mantissa = mantissa(whole.bytes().chain(decimals.bytes()))?;
    let scale = i64::try_from(decimals.len()).unwrap_or(i64::MAX).saturating_sub(exponent);
    let signed = if is_negative { -mantissa } else { mantissa };
    scaled(signed, scale)
}

/// Reads an exponent. It is cut off at four digits: a larger one makes any number but 0 too long in any case.
fn exponent(text: &str) -> Result<i64, FixedError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FixedError::NotANumber);
    }
    let number = digits.parse().unwrap_or(i64::MAX).min(9_999);
    Ok(if text.starts_with('-') { -number } else { number })
}

fn mantissa(digits: impl Iterator<Item = u8>) -> Result<i128, FixedError> {
    let (mut mantissa, mut is_too_long) = (0_i128, false);
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(FixedError::NotANumber);
        }
        if !is_too_long {
            mantissa = mantissa * 10 + i128::from(digit - b'0');
            is_too_long = mantissa > MAX_MANTISSA;
        }
    }
    if is_too_long { Err(FixedError::TooManyDigits(Decimal::MAX_SCALE)) } else { Ok(mantissa) }
}

/// `mantissa` divided by 10 to the power of `scale`, which may be negative.
fn scaled(mantissa: i128, scale: i64) -> Result<Decimal, FixedError> {
    if let Ok(scale) = u32::try_from(scale) {
        return Decimal::try_from_i128_with_scale(mantissa, scale)
            .map_err(|_| FixedError::TooManyDecimals(Decimal::MAX_SCALE));
    }
    let factor = u32::try_from(-scale).ok().and_then(|zeros| 10_i128.checked_pow(zeros));
    let number = match factor.and_then(|factor| mantissa.checked_mul(factor)) {
        _ if mantissa == 0 => 0,
        Some(number) if number.abs() <= MAX_MANTISSA => number,
        _ => return Err(FixedError::TooManyDigits(Decimal::MAX_SCALE)),
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

struct FromText<const SCALE: u32>;

impl<const SCALE: u32> de::Visitor<'_> for FromText<SCALE> {
    type Value = Fixed<SCALE>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number as text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Fixed<SCALE>, E> {
        let number = exact(text).map_err(E::custom)?;
        Ok(Fixed::rounded(number))
    }
}

struct FromBytes<const SCALE: u32>;

impl<const SCALE: u32> de::Visitor<'_> for FromBytes<SCALE> {
    type Value = Fixed<SCALE>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an unscaled decimal of 1 to 16 bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Fixed<SCALE>, E> {
        if bytes.is_empty() || bytes.len() > 16 {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        let sign = if bytes[0] >= 0x80 { 0xFF } else { 0x00 };
        let mut wide = [sign; 16];
        wide[16 - bytes.len()..].copy_from_slice(bytes);
        Decimal::try_from_i128_with_scale(i128::from_be_bytes(wide), SCALE).map(Fixed).map_err(E::custom)
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
        assert_eq!(Money::parse("0.001"), Err(FixedError::TooManyDecimals(2)));
        assert_eq!(Money::parse("10000000000"), Err(FixedError::TooManyDigits(12)));
        assert_eq!(Money::parse("NaN"), Err(FixedError::NotANumber));
        assert_eq!(Money::parse(""), Err(FixedError::NotANumber));
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
            assert_eq!(Money::parse(text), Err(FixedError::NotANumber), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_and_not_rounded() {
        let tiny = "0.000000000000000000000000274749e26";
        assert_eq!(exact(tiny).unwrap().to_string(), "27.4749");
        assert_eq!(Money::parse(tiny), Err(FixedError::TooManyDecimals(2)));
        let nines = "9".repeat(28);
        assert_eq!(exact(&nines).unwrap().to_string(), nines);
        assert_eq!(exact(&format!("{nines}9")), Err(FixedError::TooManyDigits(28)));
        assert_eq!(exact(&format!("{nines}e1")), Err(FixedError::TooManyDigits(28)));
        assert_eq!(exact("5.00000000000000000000000000000000000001"), Err(FixedError::TooManyDigits(28)));
        assert_eq!(exact("0.00000000000000000000000000001"), Err(FixedError::TooManyDecimals(28)));
        assert_eq!(exact("1e9223372036854775808"), Err(FixedError::TooManyDigits(28)));
        assert_eq!(exact("1e-9223372036854775808"), Err(FixedError::TooManyDecimals(28)));
        assert_eq!(exact(&"1".repeat(1_000_000)), Err(FixedError::TooManyDigits(28)));
        assert_eq!(exact(&format!("{}x", "1".repeat(1_000_000))), Err(FixedError::NotANumber));
    }

    proptest! {
        #[test]
        fn every_way_to_write_an_amount_reads_as_it(units in -999_999_999_999_i64..=999_999_999_999, zeros in 0_usize..4) {
            let money = Fixed::<2>(Decimal::new(units, 2));
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
    fn each_kind_has_its_own_digits_after_the_point() {
        assert_eq!(Qty::parse("1.5").unwrap().to_string(), "1.500");
        assert_eq!(Qty::parse("0.0005"), Err(FixedError::TooManyDecimals(3)));
        assert_eq!(Qty::parse("10000000000"), Err(FixedError::TooManyDigits(13)));
        assert_eq!(
            Exact::parse("9999999999.999999999999").unwrap().minor_units(),
            9_999_999_999_999_999_999_999
        );
        assert_eq!(Exact::parse("1e-13"), Err(FixedError::TooManyDecimals(12)));
        assert_eq!(Exact::parse(&"9".repeat(29)), Err(FixedError::TooManyDigits(22)));
        assert_eq!(Exact::rounded(Decimal::new(15, 13)).to_string(), "0.000000000002");
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
