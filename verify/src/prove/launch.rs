//! What a package says about one launch, as numbers.

use kforge_runtime::{
    Package,
    manifest::{Dispatch, Immediate, Place, ScalarType, Symbols},
};
use naga::GlobalVariable;

use crate::variable;

/// A binding: part of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Where the kernel finds it.
    pub place: Place,
    /// Which buffer; equal numbers are one memory.
    pub buffer: u32,
    /// First byte of the binding in the buffer.
    pub offset: u64,
    /// Bytes of data from there to the end of the buffer.
    pub bytes: u64,
}

/// A scalar argument, as 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// An `i32`.
    I32(i32),
    /// A `u32`.
    U32(u32),
    /// A float, by its bits; nothing is concluded from it.
    F32(u32),
}

/// A launch of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Launch {
    /// Workgroups in x, y, z.
    pub workgroups: [u32; 3],
    /// Memory.
    pub slots: Vec<Slot>,
    /// Scalar arguments in order, 4 bytes each.
    pub immediates: Vec<Scalar>,
    /// The uniform buffer that holds them, if one does.
    pub uniform: Option<Place>,
    /// Invocations of a subgroup that the kernel was made for; 0 where any will do.
    pub subgroup_size: u32,
}

/// Why a launch has no numbers.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// An expression or extent has no value.
    #[error("{0}")]
    Value(String),
    /// The kernel or a buffer is not in the package.
    #[error("its launch names a {0} that the package lacks")]
    Missing(&'static str),
}

fn value(error: impl std::fmt::Display) -> LaunchError {
    LaunchError::Value(error.to_string())
}

impl Launch {
    /// The launch of a dispatch, for given symbols.
    pub fn of(
        package: &Package,
        dispatch: &Dispatch,
        symbols: &Symbols,
    ) -> Result<Self, LaunchError> {
        let manifest = &package.manifest;
        let kernel = manifest.kernels.get(&dispatch.kernel);
        let kernel = kernel.ok_or(LaunchError::Missing("kernel"))?;
        let number = |expr: &kforge_runtime::manifest::Expr| expr.evaluate(symbols).map_err(value);
        let mut workgroups = [0; 3];
        for (count, expr) in workgroups.iter_mut().zip(&dispatch.workgroups) {
            *count = u32::try_from(number(expr)?).map_err(value)?;
        }
        let mut slots = Vec::new();
        // Buffers by first use, so that launches that differ in names alone are one.
        let mut buffers = Vec::new();
        for (index, argument) in dispatch.args.iter().enumerate() {
            let buffer = manifest.buffer(argument.buffer);
            let buffer = buffer.ok_or(LaunchError::Missing("buffer"))?;
            let bytes = buffer.instantiate(symbols).map_err(value)?.bytes;
            let offset = u64::try_from(number(&argument.byte_offset)?).map_err(value)?;
            let known = buffers.iter().position(|it| *it == argument.buffer);
            let number = known.unwrap_or(buffers.len());
            if known.is_none() {
                buffers.push(argument.buffer);
            }
            slots.push(Slot {
                place: kernel.abi.place(index),
                buffer: number as u32,
                offset,
                bytes: bytes.saturating_sub(offset),
            });
        }
        let mut immediates = Vec::new();
        for (given, ty) in dispatch.immediates.iter().zip(&kernel.immediates) {
            immediates.push(match (given, ty) {
                (Immediate::Integer(expr), ScalarType::I32) => {
                    Scalar::I32(i32::try_from(number(expr)?).map_err(value)?)
                }
                (Immediate::Integer(expr), ScalarType::U32) => {
                    Scalar::U32(u32::try_from(number(expr)?).map_err(value)?)
                }
                (Immediate::Integer(expr), ScalarType::F32) => {
                    Scalar::F32((number(expr)? as f32).to_bits())
                }
                (Immediate::F32(float), _) => Scalar::F32(float.0.to_bits()),
            });
        }
        Ok(Self {
            workgroups,
            slots,
            immediates,
            uniform: kernel.abi.uniform,
            subgroup_size: kernel.requires.limits.subgroup_size,
        })
    }

    /// What is bound where a variable stands.
    pub(super) fn slot(&self, variable: &GlobalVariable) -> Option<&Slot> {
        let place = variable::place(variable)?;
        self.slots.iter().find(|slot| slot.place == place)
    }

    /// Whether a variable holds the scalar arguments.
    pub(super) fn holds_scalars(&self, variable: &GlobalVariable) -> bool {
        variable::holds_scalars(variable, self.uniform)
    }
}
