//! How large the files are: one size, or sizes with weights.

use std::str::FromStr;

use ringhold::base::units::ByteSize;

use super::content::scramble;

/// Most sizes in a distribution: each is looked at for every request.
const SIZES_MAX: usize = 64;

/// A distribution of sizes. Which size a request has follows from its index alone, so every run
/// asks for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// The sum of the weights up to here, and the size.
    steps: Vec<(u64, u64)>,
}

impl Sizes {
    /// Every file is as large.
    pub(crate) fn one(size: u64) -> Sizes {
        Sizes { steps: vec![(1, size)] }
    }

    /// The size of the file of a request.
    pub(crate) fn of(&self, index: u64) -> u64 {
        let total = self.steps.last().map_or(1, |&(sum, _)| sum);
        let drawn = scramble(index) % total;
        self.steps.iter().find(|&&(sum, _)| drawn < sum).map_or(0, |&(_, size)| size)
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Sizes, String> {
        let mut steps = Vec::new();
        let mut sum: u64 = 0;
        for item in text.split(',') {
            let (size, weight) = item.split_once(':').unwrap_or((item, "1"));
            let size: ByteSize = size.trim().parse().map_err(|error| format!("{error}"))?;
            let weight: u32 =
                weight.trim().parse().ok().filter(|&weight| weight > 0).ok_or_else(|| {
                    format!("{weight:?} is no weight: write SIZE:WEIGHT, like 4KiB:70,64KiB:20")
                })?;
            sum += u64::from(weight);
            steps.push((sum, size.0));
        }
        if steps.len() > SIZES_MAX {
            return Err(format!("{} sizes; at most {SIZES_MAX}", steps.len()));
        }
        Ok(Sizes { steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_as_often_as_their_weights_say() {
        let sizes: Sizes = "4KiB:70,64KiB:20, 1MiB:10".parse().unwrap();
        let share = |size| (0..100_000).filter(|&index| sizes.of(index) == size).count() / 1000;
        assert!((68..=72).contains(&share(4096)), "{}", share(4096));
        assert!((18..=22).contains(&share(65_536)), "{}", share(65_536));
        assert!((8..=12).contains(&share(1 << 20)), "{}", share(1 << 20));
        assert_eq!(sizes.of(7), sizes.of(7));
    }

    #[test]
    fn one_size_is_a_distribution_too() {
        assert_eq!("10MB".parse(), Ok(Sizes { steps: vec![(1, 10_000_000)] }));
        assert_eq!(Sizes::one(5).of(12), 5);
    }

    #[test]
    fn what_is_no_distribution_says_what_would_be_one() {
        for text in ["", "4KiB:", "4KiB:0", "4KiB:-1", "4KiB:x", ":3", "4KiB,,", "4Kib:1:2"] {
            let error = text.parse::<Sizes>().unwrap_err();
            assert!(error.contains("like 64KiB") || error.contains("SIZE:WEIGHT"), "{error}");
        }
        assert!(vec!["1"; 65].join(",").parse::<Sizes>().is_err());
    }
}
