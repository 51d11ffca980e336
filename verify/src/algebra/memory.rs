//! The buffers of a unit, filled with what was drawn.

use kforge_oracle::{Field, FieldTensor, Number};
use kforge_runtime::{
    Dtype, HostTensor,
    manifest::{Dispatch, Extent, Immediate, Role, Symbols},
};

use crate::{
    interpret::{Buffer, Cell},
    subject::Runnable,
};

/// Cells of all buffers together: 1 GiB.
const MOST_CELLS: u64 = 1 << 24;

/// All buffers of a package, by their number.
#[derive(Debug)]
pub(super) struct Memory {
    pub buffers: Vec<Buffer<Number>>,
    pub extents: Vec<Extent>,
}

impl Memory {
    pub fn new(
        unit: &Runnable,
        symbols: &Symbols,
        field: &Field,
        inputs: &[FieldTensor],
    ) -> Result<Self, String> {
        let manifest = &unit.package.manifest;
        let mut memory = Self {
            buffers: Vec::new(),
            extents: Vec::new(),
        };
        let mut total = 0u64;
        for buffer in &manifest.buffers {
            let extent = buffer
                .instantiate(symbols)
                .map_err(|error| error.to_string())?;
            let unit = buffer.dtype.bytes();
            let cells = extent.bytes / unit as u64;
            total = total.saturating_add(cells);
            if total > MOST_CELLS {
                return Err(format!("its buffers have more than {MOST_CELLS} elements"));
            }
            let first = match (buffer.role, buffer.dtype.is_float()) {
                (Role::State, true) => Cell::Float(Number::ZERO),
                (Role::State, false) => Cell::Integer(0),
                _ => Cell::Unwritten,
            };
            memory.buffers.push(Buffer {
                name: buffer.name.clone(),
                cells: vec![first; cells as usize],
                unit,
            });
            memory.extents.push(extent);
        }
        for (index, tensor) in inputs.iter().enumerate() {
            let buffer = unit.arguments.get(index).map(|buffer| buffer.0 as usize);
            let buffer = buffer.filter(|buffer| *buffer < memory.buffers.len());
            let buffer = buffer.ok_or("an input of the program is bound to no buffer")?;
            let cells: Vec<Cell<Number>> = match tensor {
                FieldTensor::Float(values) => values.iter().copied().map(Cell::Float).collect(),
                FieldTensor::Integer(values) => values.iter().copied().map(Cell::Integer).collect(),
            };
            memory.fill(buffer, &cells)?;
        }
        for (index, buffer) in manifest.buffers.iter().enumerate() {
            if buffer.role == Role::Constant {
                let tensor = unit.package.constants.get(&buffer.name);
                let tensor = tensor.ok_or("a constant has no values")?;
                memory.fill(index, &constant(tensor, field))?;
            }
        }
        Ok(memory)
    }

    fn fill(&mut self, buffer: usize, values: &[Cell<Number>]) -> Result<(), String> {
        let places = places(&self.extents[buffer]);
        if places.len() != values.len() {
            let name = &self.buffers[buffer].name;
            let (given, has) = (values.len(), places.len());
            return Err(format!(
                "buffer '{name}' has {has} elements, {given} are given"
            ));
        }
        for (place, value) in places.into_iter().zip(values) {
            self.buffers[buffer].cells[place] = *value;
        }
        Ok(())
    }

    /// The elements of a buffer, row-major.
    pub fn elements(&self, buffer: usize) -> Vec<Cell<Number>> {
        let cells = &self.buffers[buffer].cells;
        places(&self.extents[buffer])
            .into_iter()
            .map(|place| cells[place])
            .collect()
    }
}

fn constant(tensor: &HostTensor, field: &Field) -> Vec<Cell<Number>> {
    let cell = |value: f64| match tensor.dtype() {
        Dtype::F32 | Dtype::F16 | Dtype::Bf16 => Cell::Float(field.literal(value)),
        _ => Cell::Integer(value as i64),
    };
    tensor.to_f64_vec().into_iter().map(cell).collect()
}

/// The cell of every element, row-major.
fn places(extent: &Extent) -> Vec<usize> {
    let elements: u64 = extent.shape.iter().product();
    let place = |element: u64| {
        let mut rest = element;
        let mut place = 0;
        for (size, stride) in extent.shape.iter().zip(&extent.strides).rev() {
            place += rest % size * stride;
            rest /= size;
        }
        place as usize
    };
    (0..elements).map(place).collect()
}

/// The scalar arguments of a launch.
pub(super) fn immediates(
    dispatch: &Dispatch,
    symbols: &Symbols,
    field: &Field,
) -> Result<Vec<Cell<Number>>, String> {
    let cell = |immediate: &Immediate| match immediate {
        Immediate::Integer(expression) => expression
            .evaluate(symbols)
            .map(Cell::Integer)
            .map_err(|error| error.to_string()),
        Immediate::F32(value) => Ok(Cell::Float(field.literal(value.0.into()))),
    };
    dispatch.immediates.iter().map(cell).collect()
}
