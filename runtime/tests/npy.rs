//! `.npy` files: round trips, NumPy's own bytes, and damaged files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use kforge_runtime::{Dtype, HostTensor, TensorError};
use proptest::prelude::*;

const DTYPES: [Dtype; 8] = [
    Dtype::F32,
    Dtype::F16,
    Dtype::Bf16,
    Dtype::I32,
    Dtype::I64,
    Dtype::I8,
    Dtype::U8,
    Dtype::Bool,
];

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn every_dtype_round_trips_through_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for dtype in DTYPES {
        for shape in [&[][..], &[3], &[2, 3], &[0, 4]] {
            let count = shape.iter().product::<usize>();
            let values: Vec<f64> = (0..count).map(|i| (i % 2) as f64).collect();
            let tensor = HostTensor::from_f64(dtype, shape, &values).unwrap();
            let path = folder.path().join("x.npy");
            tensor.write_npy(&path).unwrap();
            assert_eq!(HostTensor::read_npy(&path).unwrap(), tensor);
            let bytes = tensor.to_npy_bytes();
            assert_eq!(
                (bytes.len() - tensor.bytes().len()) % 64,
                0,
                "data is aligned"
            );
        }
    }
}

#[test]
fn numpy_files_are_read() {
    // np.save of np.array([[1, 2, 3], [4, 5, 6]], '<i4'), C and Fortran order.
    let header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }          \n";
    let c = [1, 2, 3, 4, 5, 6].map(i32::to_le_bytes).concat();
    let fortran = [1, 4, 2, 5, 3, 6].map(i32::to_le_bytes).concat();
    let expected = HostTensor::from_i32(&[2, 3], &[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(
        HostTensor::from_npy_bytes(&file(header, &c)).unwrap(),
        expected
    );
    let header = header.replace("False", "True");
    assert_eq!(
        HostTensor::from_npy_bytes(&file(&header, &fortran)).unwrap(),
        expected
    );
}

#[test]
fn damaged_and_foreign_files_are_refused_with_a_reason() {
    let refuse = |bytes: &[u8], expected: &str| {
        let error = HostTensor::from_npy_bytes(bytes).unwrap_err().to_string();
        assert!(
            error.contains(expected),
            "expected '{expected}' in '{error}'"
        );
    };
    let header = |descr: &str, shape: &str| {
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
    };
    let good = HostTensor::from_f32(&[2, 3], &[1.0; 6])
        .unwrap()
        .to_npy_bytes();
    refuse(&good[..good.len() - 1], "needs 24 bytes, found 23");
    refuse(&[&good[..], &[0]].concat(), "needs 24 bytes, found 25");
    refuse(&good[..20], "truncated");
    refuse(&good[..9], "truncated");
    refuse(b"PK\x03\x04", "magic");
    refuse(b"\x93NUMPY\x07\x00\x00\x00", "version 7");
    refuse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "limit is 65536");
    refuse(&file(&header("<f8", "(2,)"), &[0; 16]), "array.astype");
    refuse(&file(&header(">f4", "(2,)"), &[0; 8]), "array.astype");
    refuse(&file(&header("|O", "(2,)"), &[0; 8]), "array.astype");
    refuse(
        &file(&header("<f4", "(-1,)"), &[0; 8]),
        "expected a dimension",
    );
    refuse(
        &file(&header("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), &[0; 4]),
        "8 dimensions",
    );
    refuse(&file(&header("|b1", "(2,)"), &[0, 2]), "neither 0 nor 1");
    refuse(&file("{'descr': '<f4'}", &[]), "lacks");
    let huge = header("<f4", "(4294967296, 4294967296, 4294967296)");
    let error = HostTensor::from_npy_bytes(&file(&huge, &[])).unwrap_err();
    assert!(matches!(error, TensorError::TooLarge { .. }), "{error}");
    let large = header("<f4", "(1000000000000,)");
    let error = HostTensor::from_npy_bytes(&file(&large, &[])).unwrap_err();
    assert!(matches!(error, TensorError::TooLarge { .. }), "{error}");
}

#[test]
fn typed_views_check_their_dtype() {
    let tensor = HostTensor::from_f32(&[2], &[1.5, -2.0]).unwrap();
    assert_eq!(&*tensor.as_f32().unwrap(), [1.5, -2.0]);
    assert!(matches!(tensor.as_i32(), Err(TensorError::Dtype { .. })));
    assert!(HostTensor::from_f32(&[3], &[1.0]).is_err());
    assert!(HostTensor::new(Dtype::F32, vec![usize::MAX, 2], Vec::new()).is_err());
    assert_eq!(tensor.clone().reshape(vec![2, 1]).unwrap().shape(), [2, 1]);
    assert!(tensor.reshape(vec![3]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = HostTensor::from_npy_bytes(&bytes);
        let _ = HostTensor::from_npy_bytes(&[b"\x93NUMPY\x01\x00", bytes.as_slice()].concat());
    }

    #[test]
    fn any_header_never_panics(text in "[{}()', :0-9a-zTF<_]{0,80}", data in prop::collection::vec(any::<u8>(), 0..32)) {
        let _ = HostTensor::from_npy_bytes(&file(&text, &data));
    }

    #[test]
    fn f16_and_bf16_survive(values in prop::collection::vec(any::<u16>(), 0..20)) {
        let bytes: Vec<u8> = values.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let tensor = HostTensor::new(dtype, vec![values.len()], bytes.clone()).unwrap();
            prop_assert_eq!(HostTensor::from_npy_bytes(&tensor.to_npy_bytes()).unwrap(), tensor);
        }
    }
}
