//! Patterns that make missing and stray accesses visible.
//!
//! Every buffer has a guard zone behind its data, inside the same binding, so
//! that robust access does not hide an overrun. Patterns repeat every 4 bytes:
//! any zone can be filled in words whatever its dtype.

use crate::manifest::Dtype;

/// What surrounds the data during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    /// NaN behind inputs and in scratch.
    Nan,
    /// Large finite values, because `max` may drop a NaN: 1e30, or 6e4 in f16.
    Big,
}

/// Guard zone in bytes; at least 64 elements of any dtype.
pub(crate) const GUARD_BYTES: u64 = 4096;

/// A quiet NaN with an uncommon payload; for integers an uncommon value.
///
/// Arithmetic makes the default NaN, so a kernel does not write this by chance.
pub(crate) const fn nan_word(dtype: Dtype) -> u32 {
    match dtype {
        Dtype::F32 => 0x7FC5_A5A5,
        Dtype::F16 => 0x7E5A_7E5A,
        Dtype::Bf16 => 0x7FD5_7FD5,
        Dtype::I32 | Dtype::I64 => 0xA5C3_5A3C,
        // 0xA5 is no boolean; for 8-bit integers it is a value like any other.
        Dtype::I8 | Dtype::U8 | Dtype::Bool => 0xA5A5_A5A5,
    }
}

/// The word for a guard zone.
pub(crate) const fn guard_word(dtype: Dtype, poison: Option<Poison>) -> u32 {
    match (poison, dtype) {
        (Some(Poison::Big), Dtype::F32) => 0x7149_F2CA, // 1e30
        (Some(Poison::Big), Dtype::F16) => 0x7B53_7B53, // 6e4
        (Some(Poison::Big), Dtype::Bf16) => 0x714A_714A, // 1e30
        _ => nan_word(dtype),
    }
}

/// Whether an element that still holds the pattern was surely not written.
pub(crate) const fn shows_unwritten(dtype: Dtype) -> bool {
    !matches!(dtype, Dtype::I8 | Dtype::U8)
}

/// A zone of a buffer: data, then guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Bytes of data.
    pub data: u64,
    /// First guard byte: the data's end rounded up to a word.
    pub guard: u64,
    /// End of the guard, a multiple of 16.
    pub end: u64,
}

impl Zone {
    /// The zone of `data` bytes; `None` if it overflows.
    pub(crate) fn new(data: u64, guarded: bool) -> Option<Self> {
        let guard = data.checked_next_multiple_of(4)?;
        let end = guard.checked_add(if guarded { GUARD_BYTES } else { 0 })?;
        Some(Self {
            data,
            guard,
            end: end.max(16).checked_next_multiple_of(16)?,
        })
    }
}

/// `count` bytes of a pattern that starts at a word boundary.
pub(crate) fn pattern_bytes(word: u32, count: usize) -> Vec<u8> {
    word.to_le_bytes().into_iter().cycle().take(count).collect()
}

/// Offset of the first byte that differs from a pattern.
///
/// `start` is the offset of `bytes` in its buffer.
pub(crate) fn first_difference(bytes: &[u8], start: u64, word: u32) -> Option<u64> {
    let pattern = word.to_le_bytes();
    let phase = (start % 4) as usize;
    let expected = |index: usize| pattern[(phase + index) % 4];
    bytes
        .iter()
        .enumerate()
        .position(|(i, &byte)| byte != expected(i))
        .map(|i| start + i as u64)
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn patterns_are_what_they_say() {
        assert!(f32::from_bits(nan_word(Dtype::F32)).is_nan());
        assert!(f16::from_bits(nan_word(Dtype::F16) as u16).is_nan());
        assert!(bf16::from_bits(nan_word(Dtype::Bf16) as u16).is_nan());
        let big = |dtype| guard_word(dtype, Some(Poison::Big));
        assert_eq!(f32::from_bits(big(Dtype::F32)), 1e30);
        assert_eq!(f16::from_bits(big(Dtype::F16) as u16), f16::from_f32(6e4));
        assert_eq!(
            bf16::from_bits(big(Dtype::Bf16) as u16),
            bf16::from_f32(1e30)
        );
    }

    #[test]
    fn zones_start_right_behind_the_data() {
        let zone = Zone::new(6, true).unwrap();
        assert_eq!(
            zone,
            Zone {
                data: 6,
                guard: 8,
                end: 4112
            }
        );
        assert_eq!(Zone::new(0, false).unwrap().end, 16);
        assert!(Zone::new(u64::MAX - 8, true).is_none());
    }

    #[test]
    fn a_changed_byte_is_found_at_its_offset() {
        let mut bytes = pattern_bytes(0x0403_0201, 11);
        assert_eq!(first_difference(&bytes, 0, 0x0403_0201), None);
        assert_eq!(first_difference(&bytes[2..], 2, 0x0403_0201), None);
        bytes[7] = 0;
        assert_eq!(first_difference(&bytes[2..], 2, 0x0403_0201), Some(7));
    }
}
