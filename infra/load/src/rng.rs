//! Seeded randomness. The same seed must send the same traffic, which no generator of a library promises over its
//! versions.

/// A splitmix64 generator. It takes a few instructions a number, and is good enough for picking products.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number in `0..bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The number is the high half of the 128-bit product. That needs no division, and its bias is at most bound /
        // 2^64.
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64)
            .expect("the high half of a 128-bit product has 64 bits")
    }

    /// An index into a slice of `len` elements, `len` > 0.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
}

/// Picks indices with given weights, by bisection of the running sums.
#[derive(Clone, Debug)]
pub struct Weighted {
    cumulative: Vec<u64>,
}

impl Weighted {
    /// Index i comes up in proportion to `weights[i]`. At least one weight must be above 0.
    pub fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let cumulative = weights
            .into_iter()
            .scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { cumulative }
    }

    /// Zipf's law with exponent 1 over `len` ranks: rank r comes up in proportion to 1 / (r + 1).
    pub fn zipf(len: u64) -> Self {
        Self::new((1..=len).map(|rank| 1_000_000 / rank))
    }

    /// The next index, in proportion to the weights.
    pub fn pick(&self, rng: &mut Rng) -> usize {
        let total = *self.cumulative.last().expect("at least one weight");
        let point = rng.below(total);
        self.cumulative.partition_point(|&sum| sum <= point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_seed_others() {
        let take = |seed| {
            let mut rng = Rng::new(seed);
            (0..5).map(|_| rng.next()).collect::<Vec<_>>()
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
    }

    #[test]
    fn zipf_picks_the_first_rank_about_twice_as_often_as_the_second() {
        let (weighted, mut rng) = (Weighted::zipf(100), Rng::new(1));
        let mut counts = [0_u32; 100];
        for _ in 0..100_000 {
            counts[weighted.pick(&mut rng)] += 1;
        }
        let ratio = f64::from(counts[0]) / f64::from(counts[1]);
        assert!((1.8..2.2).contains(&ratio), "ratio {ratio}");
        assert!(counts[99] > 0);
    }

    #[test]
    fn a_weight_of_zero_is_never_picked() {
        let (weighted, mut rng) = (Weighted::new([0, 3, 0, 1]), Rng::new(2));
        assert!((0..10_000).map(|_| weighted.pick(&mut rng)).all(|i| i == 1 || i == 3));
    }
}
