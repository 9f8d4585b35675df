//! Percentiles and medians of samples, and how they are printed.

use std::time::Duration;

/// A duration in whole microseconds; over an hour counts as an hour.
pub fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(3_600_000_000)
}

/// The value below which `per_cent` of the samples lie, in milliseconds; NaN without samples.
pub fn percentile_ms(samples_us: &mut [u32], per_cent: usize) -> f64 {
    if samples_us.is_empty() {
        return f64::NAN;
    }
    let rank = (samples_us.len() * per_cent).div_ceil(100).max(1) - 1;
    let (_, value, _) = samples_us.select_nth_unstable(rank);
    f64::from(*value) / 1_000.0
}

/// The middle value; of an even number of values the mean of the middle two; NaN without values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// A count with thousands separated, e.g. `58,100`.
pub fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut samples: Vec<u32> = (1..=200).rev().map(|ms| ms * 1_000).collect();
        assert_eq!(percentile_ms(&mut samples, 50), 100.0);
        assert_eq!(percentile_ms(&mut samples, 99), 198.0);
        assert_eq!(percentile_ms(&mut [7_000], 99), 7.0);
        assert!(percentile_ms(&mut [], 50).is_nan());
    }

    #[test]
    fn the_median_of_an_even_number_is_the_middle_two_s_mean() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(999.0), "999");
    }
}
