//! Moves tensors between the host's dense layout and a buffer's strides.

use super::instance::BoundBuffer;

/// The bytes to upload for a dense tensor: strided, padded to whole words.
///
/// Gaps between rows and the rest of the last word hold `word`, so that a
/// kernel that reads them meets the same pattern as behind the data.
pub(crate) fn pack(dense: &[u8], buffer: &BoundBuffer, word: u32) -> Vec<u8> {
    let total = buffer.zone.guard as usize;
    if is_dense(buffer) {
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(dense);
        bytes.extend((bytes.len()..total).map(|i| word.to_le_bytes()[i % 4]));
        return bytes;
    }
    let mut bytes = super::poison::pattern_bytes(word, total);
    for_each_run(buffer, |host, device, length| {
        bytes[device..device + length].copy_from_slice(&dense[host..host + length]);
    });
    bytes
}

/// The dense bytes of a buffer read back.
pub(crate) fn unpack(device_bytes: &[u8], buffer: &BoundBuffer) -> Vec<u8> {
    let elements: u64 = buffer.extent.shape.iter().product();
    let total = elements as usize * buffer.dtype.bytes();
    if is_dense(buffer) {
        return device_bytes[..total].to_vec();
    }
    let mut dense = vec![0; total];
    for_each_run(buffer, |host, device, length| {
        dense[host..host + length].copy_from_slice(&device_bytes[device..device + length]);
    });
    dense
}

fn is_dense(buffer: &BoundBuffer) -> bool {
    crate::manifest::row_major(&buffer.extent.shape).as_ref() == Some(&buffer.extent.strides)
}

/// Calls `copy(host byte, device byte, bytes)` for every contiguous run.
fn for_each_run(buffer: &BoundBuffer, mut copy: impl FnMut(usize, usize, usize)) {
    let size = buffer.dtype.bytes();
    let (shape, strides) = (&buffer.extent.shape, &buffer.extent.strides);
    let total: u64 = shape.iter().product();
    let Some((&row, outer)) = shape.split_last() else {
        return copy(0, 0, size);
    };
    if total == 0 {
        return;
    }
    let contiguous = strides[outer.len()] == 1;
    let (length, inner) = if contiguous { (row, 1) } else { (1, row) };
    let mut index = vec![0_u64; outer.len()];
    let mut host = 0;
    for _ in 0..total / row {
        let start: u64 = index
            .iter()
            .zip(strides)
            .map(|(i, stride)| i * stride)
            .sum();
        for i in 0..inner {
            let device = (start + i * strides[outer.len()]) as usize * size;
            copy(host, device, length as usize * size);
            host += length as usize * size;
        }
        for (i, dim) in index.iter_mut().zip(outer).rev() {
            *i += 1;
            if *i < *dim {
                break;
            }
            *i = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        execute::poison::Zone,
        manifest::{Buffer, Dtype, Expr, Role, Symbols},
    };

    fn buffer(shape: &[i64], strides: &[i64]) -> BoundBuffer {
        let mut declared = Buffer::dense("x", Dtype::I8, shape.iter().copied(), Role::Input);
        declared.strides = strides.iter().map(|&stride| Expr::from(stride)).collect();
        let extent = declared.instantiate(&Symbols::new()).unwrap();
        let zone = Zone::new(extent.bytes, true).unwrap();
        let (name, dtype) = ("x".into(), Dtype::I8);
        BoundBuffer {
            name,
            dtype,
            role: Role::Input,
            extent,
            zone,
            salt: 0,
            written: false,
        }
    }

    #[test]
    fn padded_rows_round_trip_and_gaps_hold_the_pattern() {
        let buffer = buffer(&[2, 3], &[4, 1]);
        let packed = pack(&[1, 2, 3, 4, 5, 6], &buffer, 0xEEEE_EEEE);
        assert_eq!(packed, [1, 2, 3, 0xEE, 4, 5, 6, 0xEE]);
        assert_eq!(unpack(&packed, &buffer), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn transposed_strides_round_trip() {
        let buffer = buffer(&[2, 3], &[1, 2]);
        let packed = pack(&[1, 2, 3, 4, 5, 6], &buffer, 0);
        assert_eq!(packed[..6], [1, 4, 2, 5, 3, 6]);
        assert_eq!(unpack(&packed, &buffer), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn scalars_and_empty_tensors_work() {
        let scalar = buffer(&[], &[]);
        assert_eq!(unpack(&pack(&[7], &scalar, 0), &scalar), [7]);
        let empty = buffer(&[0, 3], &[3, 1]);
        assert_eq!(unpack(&pack(&[], &empty, 0), &empty), [0_u8; 0]);
    }
}
