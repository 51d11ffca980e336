//! Small exact-arithmetic predicates and index helpers shared by the op evaluators.

/// Exponent of the largest power of two that divides `value`; `i32::MAX / 4` for 0, which every
/// power divides, and `i32::MIN / 4` for non-finite values, which none does.
pub(crate) fn grid(value: f64) -> i32 {
    if value == 0.0 {
        return i32::MAX / 4;
    }
    if !value.is_finite() {
        return i32::MIN / 4;
    }
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (significand, exponent) = if exponent == 0 {
        (fraction, -1074)
    } else {
        (fraction | (1 << 52), exponent - 1075)
    };
    exponent + significand.trailing_zeros() as i32
}

/// True when terms that are multiples of 2^grid and whose magnitudes add up to `magnitude`
/// have only f32 partial sums, in any order.
pub(crate) fn sums_exactly(magnitude: f64, grid: i32) -> bool {
    if magnitude == 0.0 {
        return true;
    }
    if !(-126..=100).contains(&grid) {
        return false;
    }
    magnitude <= 2f64.powi(grid + 24)
}

/// Flat index into an operand broadcast to `shape`, given its strides (0 where broadcast).
pub(crate) fn broadcast_index(flat: usize, shape: &[usize], strides: &[usize]) -> usize {
    let mut rest = flat;
    let mut index = 0;
    for (size, stride) in shape.iter().zip(strides).rev() {
        index += rest % size * stride;
        rest /= size;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grid_is_the_largest_dividing_power() {
        assert_eq!(grid(12.0), 2);
        assert_eq!(grid(-0.75), -2);
        assert_eq!(grid(1.0), 0);
        assert_eq!(grid(f64::from_bits(1)), -1074);
        assert_eq!(grid(2f64.powi(-1074) * 6.0), -1073);
    }

    #[test]
    fn sums_are_exact_up_to_24_bits_of_the_grid() {
        assert!(sums_exactly(16777216.0, 0));
        assert!(!sums_exactly(16777217.0, 0));
        assert!(sums_exactly(16777216.0 / 4.0, -2));
        assert!(!sums_exactly(1.0, -150));
    }

    #[test]
    fn broadcast_index_repeats_the_operand() {
        // [2,1,3] broadcast to [2,2,3]
        let got: Vec<usize> = (0..12)
            .map(|i| broadcast_index(i, &[2, 2, 3], &[3, 0, 1]))
            .collect();
        assert_eq!(got, [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
    }
}
