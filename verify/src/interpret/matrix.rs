//! Cooperative matrices: every invocation of a subgroup holds all elements, row by row, which
//! are computed once for all of them.
//!
//! Elements are read by the subgroup's first invocation and written by its invocations in turn.

use naga::{CooperativeData, CooperativeSize, Expression, Handle, TypeInner};

use super::{
    Arithmetic, Domain, Run, Stop,
    column::{Column, Kind, Pointers, Shape, Variable},
    machine::{Frame, Machine},
    memory::Cell,
    unsupported,
};

/// Where the elements of a subgroup's matrix lie.
struct Place {
    variable: usize,
    /// Bytes of a scalar.
    scalar: i64,
    /// First byte of each element, row by row.
    bytes: Vec<i64>,
}

impl<'m, D: Domain> Machine<'m, D> {
    pub fn load_matrix(
        &mut self,
        frame: &Frame<'_, 'm, D::Value>,
        size: (CooperativeSize, CooperativeSize),
        data: &CooperativeData,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let (columns, rows) = (size.0 as usize, size.1 as usize);
        let mut values = self.floats(old, rows * columns);
        for group in self.subgroups(lanes)? {
            let place = self.place(frame, (rows, columns), data, &group)?;
            for (element, byte) in place.bytes.iter().enumerate() {
                let first = group[0] as u32;
                let cell = self.read_global(place.variable, *byte, place.scalar, first)?;
                let value = match cell {
                    Some(Cell::Float(value)) => value,
                    None | Some(Cell::Unwritten) => self.domain.unwritten(),
                    Some(Cell::Integer(_)) => return unsupported("a matrix of integers"),
                };
                for lane in &group {
                    values[element * self.width + lane] = value;
                }
            }
        }
        Ok(Column::Floats(values))
    }

    pub fn store_matrix(
        &mut self,
        frame: &Frame<'_, 'm, D::Value>,
        target: Handle<Expression>,
        data: &CooperativeData,
        lanes: &[u32],
    ) -> Run<()> {
        let (rows, columns) = self.sizes(frame, target)?;
        self.spend(lanes.len() * rows * columns)?;
        for group in self.subgroups(lanes)? {
            let place = self.place(frame, (rows, columns), data, &group)?;
            let Some((memory, base)) = self.globals[place.variable] else {
                return unsupported("a variable that is bound to nothing");
            };
            if self.memories[memory].unit as i64 != place.scalar {
                return unsupported("it writes memory as another type");
            }
            let Column::Floats(values) = &frame.columns[target.index()] else {
                return unsupported("it stores a matrix that has no value");
            };
            for (element, byte) in place.bytes.iter().enumerate() {
                let value = Cell::Float(values[element * self.width + group[0]]);
                let by = group[element % group.len()] as u32;
                let stamp = self.stamp(by, memory);
                let byte = if *byte < 0 {
                    *byte
                } else {
                    base.saturating_add(*byte)
                };
                self.memories[memory].write(self.domain, byte, value, stamp)?;
            }
        }
        Ok(())
    }

    /// a · b + c.
    pub fn multiply_matrices(
        &mut self,
        frame: &Frame<'_, 'm, D::Value>,
        [a, b, c]: [Handle<Expression>; 3],
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let ((rows, inner), (_, columns)) = (self.sizes(frame, a)?, self.sizes(frame, b)?);
        let of = |handle: Handle<Expression>| match &frame.columns[handle.index()] {
            Column::Floats(values) => Ok(values.as_slice()),
            _ => unsupported("a product of matrices that have no value"),
        };
        let (a, b, c) = (of(a)?, of(b)?, of(c)?);
        let mut values = self.floats(old, rows * columns);
        let groups = self.subgroups(lanes)?;
        self.spend(groups.len() * rows * columns * inner)?;
        for group in groups {
            let at = |element: usize| element * self.width + group[0];
            for row in 0..rows {
                for column in 0..columns {
                    let mut sum = c[at(row * columns + column)];
                    for k in 0..inner {
                        let (left, right) = (a[at(row * inner + k)], b[at(k * columns + column)]);
                        let product = self.domain.binary(Arithmetic::Mul, left, right);
                        sum = self.domain.binary(Arithmetic::Add, sum, product);
                    }
                    for lane in &group {
                        values[(row * columns + column) * self.width + lane] = sum;
                    }
                }
            }
        }
        Ok(Column::Floats(values))
    }

    /// Rows and columns of a matrix.
    fn sizes(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        matrix: Handle<Expression>,
    ) -> Run<(usize, usize)> {
        let types = &self.program.module.types;
        match *frame.code.info[matrix].ty.inner_with(types) {
            TypeInner::CooperativeMatrix { columns, rows, .. } => {
                Ok((rows as usize, columns as usize))
            }
            _ => unsupported("a matrix operation on what is no cooperative matrix"),
        }
    }

    fn place(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        (rows, columns): (usize, usize),
        data: &CooperativeData,
        group: &[usize],
    ) -> Run<Place> {
        let (
            Shape {
                kind: Kind::Float(scalar),
                components,
            },
            _,
        ) = self.pointee(frame, data.pointer)?
        else {
            return unsupported("a matrix of elements that are no floats");
        };
        let Some(Pointers {
            variable: Variable::Global(variable),
            offsets,
        }) = frame.columns[data.pointer.index()].pointers()
        else {
            return unsupported("a matrix in a local variable");
        };
        let strides = frame.columns[data.stride.index()].integers();
        // naga may evaluate a stride that is computed in the call behind the call.
        if strides.is_empty() {
            return unsupported("a matrix whose stride has no value yet");
        }
        let (offset, stride) = (offsets[group[0]], strides[group[0]]);
        let differs = |lane: &&usize| offsets[**lane] != offset || strides[**lane] != stride;
        if let Some(lane) = group.iter().find(differs) {
            return Err(Stop::Refused(format!(
                "invocation {lane} of workgroup {} has a matrix at another place than its subgroup",
                self.number
            )));
        }
        let (scalar, pitch) = (i64::from(scalar), stride * components as i64);
        let byte = |row: usize, column: usize| {
            let (row, column) = (row as i64, column as i64);
            let element = match data.row_major {
                true => row.saturating_mul(pitch) + column,
                false => column.saturating_mul(pitch) + row,
            };
            match offset < 0 {
                true => offset,
                false => offset.saturating_add(element.saturating_mul(scalar)),
            }
        };
        let each = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Ok(Place {
            variable: *variable,
            scalar,
            bytes: each.map(|(row, column)| byte(row, column)).collect(),
        })
    }
}
