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
    /// Large finite values, because `max` may drop a NaN: about 1e30, or 6e4 in f16.
    Big,
}

/// Guard zone in bytes; at least 64 elements of any dtype.
pub(crate) const GUARD_BYTES: u64 = 4096;

/// A quiet NaN with an uncommon payload; for integers an uncommon value.
///
/// Arithmetic makes the default NaN or passes an operand's payload on, so the
/// payload differs from buffer to buffer (`salt`): a NaN read behind one buffer
/// and written behind another still changes the guard. There are 63 payloads in
/// bf16, 511 in f16, over a million in f32.
pub(crate) const fn nan_word(dtype: Dtype, salt: u32) -> u32 {
    // The factors share no divisor with the moduli, so payloads repeat as late
    // as they can.
    match dtype {
        Dtype::F32 => {
            0x7FC0_0000 | (1 + salt.wrapping_mul(0x9E35).wrapping_add(0x5_A5A4) % 0x3F_FFFF)
        }
        Dtype::F16 => twice(0x7E00 | (1 + (salt % 511 * 37 + 0x59) % 511)),
        Dtype::Bf16 => twice(0x7FC0 | (1 + (salt % 63 * 5 + 0x14) % 63)),
        Dtype::I32 | Dtype::I64 => 0xA5C3_5A3C_u32.wrapping_add((salt % 0x8000) * 0x1_0001),
        // Above 127 it is no boolean; for 8-bit integers it is a value like any other.
        Dtype::I8 | Dtype::U8 | Dtype::Bool => (0x80 | ((0x25 + salt) & 0x7F)) * 0x0101_0101,
    }
}

/// The word for a guard zone.
pub(crate) const fn guard_word(dtype: Dtype, poison: Option<Poison>, salt: u32) -> u32 {
    match (poison, dtype) {
        // From 1e30 up by less than 1 %, from 5.9e4 to 6.5e4, from 1e30 to 1.3e30.
        (Some(Poison::Big), Dtype::F32) => 0x7149_F2CA + salt % 0x1_0000,
        (Some(Poison::Big), Dtype::F16) => twice(0x7B34 + salt % 200),
        (Some(Poison::Big), Dtype::Bf16) => twice(0x714A + salt % 50),
        _ => nan_word(dtype, salt),
    }
}

const fn twice(half_word: u32) -> u32 {
    half_word << 16 | half_word
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
        for salt in 0..2000 {
            let nan = |dtype| nan_word(dtype, salt);
            assert!(f32::from_bits(nan(Dtype::F32)).is_nan());
            assert!(f16::from_bits(nan(Dtype::F16) as u16).is_nan());
            assert!(bf16::from_bits(nan(Dtype::Bf16) as u16).is_nan());
            assert!(nan(Dtype::Bool).to_le_bytes().iter().all(|&byte| byte > 1));
            let big = |dtype| guard_word(dtype, Some(Poison::Big), salt);
            assert!((1e30..1.01e30).contains(&f32::from_bits(big(Dtype::F32))));
            let half = f16::from_bits(big(Dtype::F16) as u16).to_f32();
            assert!((5.9e4..6.55e4).contains(&half), "{half}");
            let brain = bf16::from_bits(big(Dtype::Bf16) as u16).to_f32();
            assert!((0.99e30..1.3e30).contains(&brain), "{brain}");
        }
    }

    #[test]
    fn patterns_of_neighbouring_buffers_differ() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::I32, Dtype::Bool] {
            for poison in [Poison::Nan, Poison::Big] {
                let words: std::collections::BTreeSet<_> = (0..50)
                    .map(|salt| guard_word(dtype, Some(poison), salt))
                    .collect();
                assert_eq!(words.len(), 50, "{dtype} {poison:?}");
            }
        }
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
