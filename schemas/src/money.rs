//! Exact amounts of the deployment's one currency.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Digits after the point, in every schema, table and answer.
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
    /// Not a decimal number.
    #[error("must be a decimal number")]
    NotANumber,
    /// More than two digits after the point.
    #[error("must have at most 2 decimals")]
    TooManyDecimals,
    /// More than twelve digits.
    #[error("must have at most 12 digits")]
    TooManyDigits,
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads an amount as clients write it: at most 12 digits, 2 of them decimals; `1e2` is read as 100.
    ///
    /// # Errors
    /// Names the limit that was broken.
    pub fn parse(text: &str) -> Result<Self, MoneyError> {
        let number = Decimal::from_str_exact(text)
            .or_else(|_| Decimal::from_scientific(text))
            .map_err(|_| MoneyError::NotANumber)?;
        if number.scale() > SCALE {
            return Err(MoneyError::TooManyDecimals);
        }
        if number.abs() >= Decimal::from(10_000_000_000_i64) {
            return Err(MoneyError::TooManyDigits);
        }
        Ok(Self(number))
    }

    /// Rounds half away from zero to two decimals.
    #[must_use]
    pub fn rounded(number: Decimal) -> Self {
        Self(number.round_dp_with_strategy(SCALE, RoundingStrategy::MidpointAwayFromZero))
    }

    /// The amount as a decimal.
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

    /// Below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }

    /// The number of hundredths.
    #[must_use]
    pub fn minor_units(self) -> i128 {
        let mut scaled = self.0;
        scaled.rescale(SCALE);
        scaled.mantissa()
    }
}

impl From<Decimal> for Money {
    /// A decimal as stored by Till; digits past the second are rounded half away from zero.
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

/// Drops leading bytes that only repeat the sign.
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
        let number = Decimal::from_str_exact(text).map_err(E::custom)?;
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
    fn averages_round_half_away_from_zero_and_need_purchases() {
        let amount = Money::parse("0.05").unwrap();
        assert_eq!(amount.average_over(2).to_string(), "0.03");
        assert_eq!((-amount).average_over(2).to_string(), "-0.03");
        assert_eq!(amount.average_over(0), Money::ZERO);
        assert_eq!(amount.average_over(-1), Money::ZERO);
    }
}
