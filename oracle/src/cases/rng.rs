//! Counter-based random numbers: element i of stream s is a function of (seed, s, i) alone.
//!
//! Not `rand::SmallRng`, whose stream differs between platforms and releases: a package keeps
//! seeds instead of tensors, so the numbers must never change. The mixer is SplitMix64's
//! (Steele, Lea, Flood, OOPSLA 2014).

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 64 random bits for element `index` of `stream`.
pub(crate) fn hash(seed: u64, stream: u64, index: u64) -> u64 {
    let key = mix(seed.wrapping_add(GOLDEN)).wrapping_add(stream.wrapping_mul(GOLDEN));
    mix(mix(key).wrapping_add(index.wrapping_mul(GOLDEN)))
}

/// Nearly normal, mean 0, variance 1, |x| <= 4.9: the sum of eight 16-bit uniforms. Only
/// integer sums and one product, so it is the same on every machine (ln and cos are not).
pub(crate) fn normal(seed: u64, stream: u64, index: u64) -> f64 {
    let words = [
        hash(seed, stream, 2 * index),
        hash(seed, stream, 2 * index + 1),
    ];
    let sum: u64 = words
        .iter()
        .flat_map(|w| [0, 16, 32, 48].map(|shift| (w >> shift) & 0xffff))
        .sum();
    // Mean 8·65535/2, variance 8·(2^32 - 1)/12.
    (sum as f64 - 262140.0) / 53509.83
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_never_changes() {
        assert_eq!(hash(0, 0, 0), hash(0, 0, 0));
        let distinct: std::collections::HashSet<u64> = (0..1000)
            .map(|i| hash(i % 10, i / 10 % 10, i / 100))
            .collect();
        assert_eq!(distinct.len(), 1000);
    }

    #[test]
    fn normal_has_mean_0_and_variance_1() {
        let n = 200_000;
        let x: Vec<f64> = (0..n).map(|i| normal(7, 3, i)).collect();
        let mean = x.iter().sum::<f64>() / n as f64;
        let variance = x.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(
            mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02,
            "{mean} {variance}"
        );
    }
}
