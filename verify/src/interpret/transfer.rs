//! Loads and stores.

use naga::{Expression, Handle};

use super::{
    Domain, Run,
    column::{Column, Kind, Shape, Variable},
    machine::{Frame, Machine},
    memory::{Cell, Stamp},
    unsupported,
};

impl<'m, D: Domain> Machine<'m, D> {
    pub fn load(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        pointer: Handle<Expression>,
        shape: Shape,
        lanes: &[u32],
        old: Column<D::Value>,
    ) -> Run<Column<D::Value>> {
        let bytes = match shape.kind {
            Kind::Bool => 1,
            Kind::Signed(width) | Kind::Unsigned(width) | Kind::Float(width) => i64::from(width),
            _ => return unsupported("whole arrays and structures are not interpreted as values"),
        };
        let width = self.width;
        let is_float = shape.kind.is_float();
        let mut floats = Vec::new();
        let mut integers = Vec::new();
        match is_float {
            true => floats = self.floats(old, shape.components),
            false => integers = self.integers(old, shape.components),
        }
        let Frame {
            columns,
            locals,
            local_bytes,
            ..
        } = frame;
        let Some(pointers) = columns[pointer.index()].pointers() else {
            return unsupported("a pointer that was passed to a function");
        };
        for lane in lanes {
            let offset = pointers.offsets[*lane as usize];
            for component in 0..shape.components {
                let byte = offset.saturating_add(component as i64 * bytes);
                let cell = match pointers.variable {
                    Variable::Local(index) => {
                        let base = i64::from(*lane) * local_bytes[index];
                        let byte = if byte < 0 { byte } else { base + byte };
                        let stamp = Stamp::default();
                        locals[index].read(byte, stamp)?
                    }
                    Variable::Global(index) => self.read_global(index, byte, bytes, *lane)?,
                };
                let place = component * width + *lane as usize;
                match (cell, is_float) {
                    (Some(Cell::Float(value)), true) => floats[place] = value,
                    (Some(Cell::Integer(value)), false) => integers[place] = value,
                    (None | Some(Cell::Unwritten), true) => {
                        floats[place] = self.domain.unwritten();
                    }
                    (None | Some(Cell::Unwritten), false) => {
                        return unsupported("it reads integers that nothing has written");
                    }
                    _ => return unsupported("it reads memory as another type"),
                }
            }
        }
        Ok(match is_float {
            true => Column::Floats(floats),
            false => Column::Integers(integers),
        })
    }

    pub(super) fn read_global(
        &mut self,
        index: usize,
        byte: i64,
        bytes: i64,
        lane: u32,
    ) -> Run<Option<Cell<D::Value>>> {
        let Some((memory, base)) = self.globals[index] else {
            return unsupported("a variable that is bound to nothing");
        };
        if self.memories[memory].unit as i64 != bytes {
            return unsupported(format!(
                "'{}' is read as scalars of {bytes} bytes",
                self.memories[memory].name
            ));
        }
        let stamp = self.stamp(lane, memory);
        let place = if byte < 0 {
            byte
        } else {
            base.saturating_add(byte)
        };
        let cell = self.memories[memory].read(place, stamp)?;
        if cell.is_none() && self.beyond.is_none() {
            let memory = &self.memories[memory];
            self.beyond = Some(format!(
                "invocation {lane} of workgroup {} reads element {} of '{}', which has {}",
                self.number,
                place / memory.unit as i64,
                memory.name,
                memory.cells.len()
            ));
        }
        Ok(cell)
    }

    pub fn store(
        &mut self,
        frame: &mut Frame<'_, 'm, D::Value>,
        pointer: Handle<Expression>,
        value: Handle<Expression>,
        lanes: &[u32],
    ) -> Run<()> {
        let shape = frame.code.shape(value);
        let bytes = match shape.kind {
            Kind::Bool => 1,
            Kind::Signed(width) | Kind::Unsigned(width) | Kind::Float(width) => i64::from(width),
            _ => return unsupported("whole arrays and structures are not interpreted as values"),
        };
        self.spend(lanes.len() * shape.components)?;
        let Frame {
            columns,
            locals,
            local_bytes,
            ..
        } = frame;
        let Some(pointers) = columns[pointer.index()].pointers() else {
            return unsupported("a pointer that was passed to a function");
        };
        for lane in lanes {
            let offset = pointers.offsets[*lane as usize];
            for component in 0..shape.components {
                let place = component * self.width + *lane as usize;
                let cell = match &columns[value.index()] {
                    Column::Floats(values) => Cell::Float(values[place]),
                    Column::Integers(values) => Cell::Integer(values[place]),
                    _ => return unsupported("it stores what has no value"),
                };
                let byte = offset.saturating_add(component as i64 * bytes);
                match pointers.variable {
                    Variable::Local(index) => {
                        let base = i64::from(*lane) * local_bytes[index];
                        let byte = if byte < 0 { byte } else { base + byte };
                        let stamp = Stamp {
                            by: lane + 1,
                            interval: 0,
                            workgroup: self.number,
                        };
                        locals[index].write(self.domain, byte, cell, stamp)?;
                    }
                    Variable::Global(index) => {
                        let Some((memory, base)) = self.globals[index] else {
                            return unsupported("a variable that is bound to nothing");
                        };
                        let stamp = self.stamp(*lane, memory);
                        let byte = if byte < 0 {
                            byte
                        } else {
                            base.saturating_add(byte)
                        };
                        let memory = &mut self.memories[memory];
                        let fits = match memory.cells.first() {
                            Some(Cell::Integer(_)) => matches!(cell, Cell::Integer(_)),
                            Some(Cell::Float(_)) => matches!(cell, Cell::Float(_)),
                            _ => true,
                        };
                        if !fits || memory.unit as i64 != bytes && shape.kind != Kind::Bool {
                            return unsupported("it writes memory as another type");
                        }
                        memory.write(self.domain, byte, cell, stamp)?;
                    }
                }
            }
        }
        Ok(())
    }
}
