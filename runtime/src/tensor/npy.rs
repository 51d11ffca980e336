//! NumPy's `.npy` files, versions 1 to 3, of one plain dtype.
//!
//! The header is parsed here rather than by a library because these files are
//! untrusted: the readers available allocate what the header claims, or
//! overflow, before anything can be checked. bfloat16, which NumPy has no code
//! for, is `V2` as ml_dtypes writes it. Fortran order is read and transposed;
//! big-endian files and float64 are refused with the NumPy call that converts.
//! Limits: header 64 KiB, rank 8, data [`MAX_TENSOR_BYTES`](super::MAX_TENSOR_BYTES).

use std::{fs, io::Read, path::Path};

use super::{Dtype, HostTensor, TensorError, checked_bytes};
use crate::whole_file::write_whole;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
const MAX_HEADER: usize = 64 << 10;
const MAX_RANK: usize = 8;

impl HostTensor {
    /// Reads a `.npy` file.
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Self, TensorError> {
        let path = path.as_ref();
        let io = |source| TensorError::Io {
            path: path.to_path_buf(),
            source,
        };
        let mut file = fs::File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let limit = super::MAX_TENSOR_BYTES + (MAX_HEADER as u64) + 12;
        if length > limit {
            return Err(invalid(format!(
                "file has {length} bytes, the limit is {limit}"
            )));
        }
        let mut bytes = Vec::new();
        file.by_ref()
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        Self::from_npy_bytes(&bytes)
    }

    /// Parses the bytes of a `.npy` file.
    pub fn from_npy_bytes(bytes: &[u8]) -> Result<Self, TensorError> {
        let (header, data) = split_header(bytes)?;
        let header = parse_header(header)?;
        let expected = checked_bytes(header.dtype, &header.shape)?;
        if data.len() != expected {
            let Header { dtype, shape, .. } = header;
            return Err(TensorError::ByteCount {
                shape,
                dtype,
                expected,
                found: data.len(),
            });
        }
        if header.dtype == Dtype::Bool && data.iter().any(|&byte| byte > 1) {
            return Err(invalid("a boolean is neither 0 nor 1".into()));
        }
        let data = if header.fortran_order {
            to_row_major(data, &header.shape, header.dtype.bytes())
        } else {
            data.to_vec()
        };
        Self::new(header.dtype, header.shape, data)
    }

    /// The bytes of a `.npy` file (version 1).
    pub fn to_npy_bytes(&self) -> Vec<u8> {
        let code = match self.dtype {
            Dtype::F32 => "<f4",
            Dtype::F16 => "<f2",
            Dtype::Bf16 => "<V2",
            Dtype::I32 => "<i4",
            Dtype::I64 => "<i8",
            Dtype::I8 => "|i1",
            Dtype::U8 => "|u1",
            Dtype::Bool => "|b1",
        };
        let dims: String = self.shape.iter().map(|dim| format!("{dim}, ")).collect();
        let mut header =
            format!("{{'descr': '{code}', 'fortran_order': False, 'shape': ({dims}), }}");
        // NumPy aligns the data to 64 bytes; the header ends in a newline.
        let padding = 63 - (10 + header.len()) % 64;
        header.extend(std::iter::repeat_n(' ', padding));
        header.push('\n');
        let mut bytes = Vec::with_capacity(10 + header.len() + self.bytes.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[1, 0]);
        bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&self.bytes);
        bytes
    }

    /// Writes a `.npy` file, whole or not at all.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<(), TensorError> {
        let path = path.as_ref();
        let bytes = self.to_npy_bytes();
        write_whole(path, |file| file.write_all(&bytes)).map_err(|source| TensorError::Io {
            path: path.to_path_buf(),
            source,
        })
    }
}

struct Header {
    dtype: Dtype,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// Header text and data of a file.
fn split_header(bytes: &[u8]) -> Result<(&str, &[u8]), TensorError> {
    let truncated = || invalid("file ends inside the header; it is truncated".into());
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| invalid("it does not start with the .npy magic bytes".into()))?;
    let (version, rest) = rest.split_at_checked(2).ok_or_else(truncated)?;
    let (length, rest) = match version[0] {
        1 => {
            let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(truncated)?;
            (u16::from_le_bytes(*length) as usize, rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
            (u32::from_le_bytes(*length) as usize, rest)
        }
        other => return Err(invalid(format!("version {other} is not 1, 2 or 3"))),
    };
    if length > MAX_HEADER {
        return Err(invalid(format!(
            "header has {length} bytes, the limit is {MAX_HEADER}"
        )));
    }
    let (header, data) = rest.split_at_checked(length).ok_or_else(truncated)?;
    let header = std::str::from_utf8(header).map_err(|_| invalid("header is not text".into()))?;
    Ok((header, data))
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn parse_header(text: &str) -> Result<Header, TensorError> {
    let mut scanner = Scanner(text);
    let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
    scanner.expect('{')?;
    while !scanner.accept('}') {
        let key = scanner.string()?;
        scanner.expect(':')?;
        match key {
            "descr" => dtype = Some(parse_dtype(scanner.string()?)?),
            "fortran_order" => fortran_order = Some(scanner.boolean()?),
            "shape" => shape = Some(scanner.tuple()?),
            _ => return Err(scanner.error("descr, fortran_order or shape")),
        }
        if !scanner.accept(',') {
            scanner.expect('}')?;
            break;
        }
    }
    match (dtype, fortran_order, shape) {
        (Some(dtype), Some(fortran_order), Some(shape)) => Ok(Header {
            dtype,
            fortran_order,
            shape,
        }),
        _ => Err(invalid("header lacks descr, fortran_order or shape".into())),
    }
}

fn parse_dtype(code: &str) -> Result<Dtype, TensorError> {
    Ok(match code {
        "<f4" => Dtype::F32,
        "<f2" => Dtype::F16,
        "<V2" | "|V2" => Dtype::Bf16,
        "<i4" => Dtype::I32,
        "<i8" => Dtype::I64,
        "|i1" => Dtype::I8,
        "|u1" => Dtype::U8,
        "|b1" => Dtype::Bool,
        _ => {
            let shown: String = code.chars().take(16).collect();
            return Err(invalid(format!(
                "dtype '{}' is not supported; convert with array.astype('<f4') or another of \
                 <f2, <f4, <i4, <i8, i1, u1, bool",
                shown.escape_default()
            )));
        }
    })
}

/// Reads the few Python literals a header has.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn accept(&mut self, token: char) -> bool {
        match self.0.trim_start().strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: char) -> Result<(), TensorError> {
        if self.accept(token) {
            Ok(())
        } else {
            Err(self.error(&format!("'{token}'")))
        }
    }

    fn string(&mut self) -> Result<&'a str, TensorError> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let parts = quote.and_then(|quote| text[1..].split_once(quote));
        let (value, rest) = parts.ok_or_else(|| self.error("a quoted string"))?;
        self.0 = rest;
        Ok(value)
    }

    fn boolean(&mut self) -> Result<bool, TensorError> {
        let text = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = text.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err(self.error("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<usize>, TensorError> {
        let mut dims = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            let text = self.0.trim_start();
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            let dim = text[..end].parse().map_err(|_| self.error("a dimension"))?;
            self.0 = &text[end..];
            dims.push(dim);
            if dims.len() > MAX_RANK {
                return Err(invalid(format!("more than {MAX_RANK} dimensions")));
            }
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(dims)
    }

    fn error(&self, expected: &str) -> TensorError {
        let shown: String = self.0.trim_start().chars().take(16).collect();
        invalid(format!(
            "header: expected {expected} at '{}'",
            shown.escape_default()
        ))
    }
}

/// Reorders column-major elements.
fn to_row_major(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut result = Vec::with_capacity(data.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..data.len() / size {
        let element = index
            .iter()
            .zip(shape)
            .rev()
            .fold(0, |offset, (i, dim)| offset * dim + i);
        result.extend_from_slice(&data[element * size..][..size]);
        for (i, dim) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *dim {
                break;
            }
            *i = 0;
        }
    }
    result
}

fn invalid(problem: String) -> TensorError {
    TensorError::Format { problem }
}
