//! The state of one launch while it is interpreted.

use naga::{AddressSpace, Expression, Handle, Literal, TypeInner};

use super::{
    Domain, Run, Stop,
    column::{Column, Kind, Pointers, Shape, Variable},
    memory::{Cell, Memory, Stamp},
    program::{Code, Program},
    unsupported,
};

/// Deepest nesting of function calls.
const DEPTH: usize = 16;
/// Bytes of one variable, for all invocations of a workgroup.
const MOST_BYTES: usize = 1 << 22;

pub(super) struct Machine<'m, D: Domain> {
    pub program: &'m Program,
    pub domain: &'m D,
    pub memories: Vec<Memory<D::Value>>,
    /// Memory and first byte of each global variable.
    pub globals: Vec<Option<(usize, i64)>>,
    /// Invocations of a workgroup.
    pub width: usize,
    pub size: [u32; 3],
    pub subgroup: Option<u32>,
    pub workgroups: [u32; 3],
    pub workgroup: [u32; 3],
    pub number: u32,
    /// Barriers passed, of workgroup memory and of storage.
    pub intervals: [u32; 2],
    pub work: u64,
    pub limit: u64,
    /// The first read beyond a buffer's end.
    pub beyond: Option<String>,
    pub depth: usize,
}

/// One call of a function.
pub(super) struct Frame<'c, 'm, V> {
    pub code: &'c Code<'m>,
    pub columns: Vec<Column<V>>,
    /// Of each invocation, one after the other.
    pub locals: Vec<Memory<V>>,
    /// Bytes of each local variable of one invocation.
    pub local_bytes: Vec<i64>,
    pub arguments: Vec<Column<V>>,
    /// Components of each argument.
    pub loops: Vec<super::statement::Escape>,
    pub returned: Vec<u32>,
    pub result: Column<V>,
}

impl<'m, D: Domain> Machine<'m, D> {
    pub fn spend(&mut self, operations: usize) -> Run<()> {
        self.work += operations as u64;
        match self.work > self.limit {
            true => Err(Stop::TooMuch),
            false => Ok(()),
        }
    }

    pub fn stamp(&self, lane: u32, memory: usize) -> Stamp {
        let is_storage = self.memories[memory].is_storage;
        Stamp {
            by: lane + 1,
            interval: self.intervals[usize::from(is_storage)],
            workgroup: self.number,
        }
    }

    /// A frame with its constants and zeroed or initialised variables.
    pub fn frame<'c>(
        &mut self,
        code: &'c Code<'m>,
        arguments: Vec<Column<D::Value>>,
    ) -> Run<Frame<'c, 'm, D::Value>> {
        self.depth += 1;
        if self.depth > DEPTH {
            return unsupported(format!(
                "its functions call each other more than {DEPTH} deep"
            ));
        }
        let columns = vec![];
        let mut frame = Frame {
            code,
            columns,
            locals: Vec::new(),
            local_bytes: Vec::new(),
            arguments,
            loops: Vec::new(),
            returned: Vec::new(),
            result: Column::Empty,
        };
        frame
            .columns
            .resize_with(code.function.expressions.len(), || Column::Empty);
        for (handle, expression) in code.function.expressions.iter() {
            let column = match expression {
                Expression::GlobalVariable(variable) => {
                    self.whole(Variable::Global(variable.index()))
                }
                Expression::LocalVariable(variable) => {
                    self.whole(Variable::Local(variable.index()))
                }
                Expression::FunctionArgument(index) => frame
                    .arguments
                    .get(*index as usize)
                    .cloned()
                    .unwrap_or(Column::Empty),
                Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_) => {
                    let mut scalars = Vec::new();
                    let read = self.constant(expression, &mut scalars, &code.function.expressions);
                    // Of a constant array nothing is read that is interpreted.
                    if code.shape(handle).components > 0 {
                        read?;
                    }
                    self.spread(&scalars)
                }
                Expression::Override(_) => return unsupported("overrides are not interpreted"),
                _ => Column::Empty,
            };
            frame.columns[handle.index()] = column;
        }
        for (_, local) in code.function.local_variables.iter() {
            let bytes = self.program.bytes(local.ty);
            if bytes * self.width > MOST_BYTES {
                return unsupported(format!("variables of more than {MOST_BYTES} bytes"));
            }
            let unit = self.program.unit(local.ty);
            frame.local_bytes.push(bytes as i64);
            frame.locals.push(Memory {
                name: local.name.clone().unwrap_or_else(|| "a variable".into()),
                cells: Vec::new(),
                unit,
                shadow: None,
                is_storage: false,
                doubled: None,
            });
        }
        self.initialise(&mut frame)?;
        Ok(frame)
    }

    /// Sets the local variables to what they are at the start of a call.
    pub fn initialise(&mut self, frame: &mut Frame<'_, 'm, D::Value>) -> Run<()> {
        for (index, (_, local)) in frame.code.function.local_variables.iter().enumerate() {
            let memory = &mut frame.locals[index];
            let mut cells = Vec::new();
            match local.init {
                Some(init) => {
                    let expressions = &frame.code.function.expressions;
                    self.constant(&expressions[init], &mut cells, expressions)?;
                    let expected = self.program.bytes(local.ty) / memory.unit;
                    if cells.len() != expected {
                        return unsupported("a variable of padded elements with a value");
                    }
                }
                None => self.zeros(self.program.inner(local.ty), memory.unit, &mut cells)?,
            }
            memory.cells.clear();
            for _ in 0..self.width {
                memory.cells.extend_from_slice(&cells);
            }
        }
        Ok(())
    }

    /// A zero of a type, a cell per unit of bytes.
    pub fn zeros(
        &self,
        inner: &TypeInner,
        unit: usize,
        cells: &mut Vec<Cell<D::Value>>,
    ) -> Run<()> {
        let bytes = match inner {
            TypeInner::CooperativeMatrix { .. } => Shape::of(inner).components * unit,
            _ => inner.size(self.program.module.to_ctx()) as usize,
        };
        if bytes > MOST_BYTES {
            return unsupported(format!("variables of more than {MOST_BYTES} bytes"));
        }
        let scalar = match inner {
            TypeInner::Array {
                base,
                size: naga::ArraySize::Constant(count),
                ..
            } => {
                let mut element = Vec::new();
                self.zeros(self.program.inner(*base), unit, &mut element)?;
                element.resize(bytes / unit / count.get() as usize, Cell::Unwritten);
                for _ in 0..count.get() {
                    cells.extend_from_slice(&element);
                }
                return Ok(());
            }
            TypeInner::Scalar(scalar)
            | TypeInner::Vector { scalar, .. }
            | TypeInner::CooperativeMatrix { scalar, .. } => *scalar,
            _ => return unsupported("a variable of a structure, a matrix or of no fixed size"),
        };
        let zero = match Kind::of(scalar).is_float() {
            true => Cell::Float(self.domain.integer(0)),
            false => Cell::Integer(0),
        };
        cells.resize(cells.len() + bytes / unit, zero);
        Ok(())
    }

    fn whole(&self, variable: Variable) -> Column<D::Value> {
        Column::Pointers(Pointers {
            variable,
            offsets: vec![0; self.width],
        })
    }

    /// One value for all invocations.
    fn spread(&self, scalars: &[Cell<D::Value>]) -> Column<D::Value> {
        match scalars.first() {
            Some(Cell::Float(_)) => {
                let mut values = Vec::with_capacity(scalars.len() * self.width);
                for scalar in scalars {
                    if let Cell::Float(value) = scalar {
                        values.resize(values.len() + self.width, *value);
                    }
                }
                Column::Floats(values)
            }
            Some(Cell::Integer(_)) => {
                let mut values = Vec::with_capacity(scalars.len() * self.width);
                for scalar in scalars {
                    if let Cell::Integer(value) = scalar {
                        values.resize(values.len() + self.width, *value);
                    }
                }
                Column::Integers(values)
            }
            _ => Column::Empty,
        }
    }

    /// The scalars of a constant expression.
    pub fn constant(
        &self,
        expression: &Expression,
        scalars: &mut Vec<Cell<D::Value>>,
        arena: &naga::Arena<Expression>,
    ) -> Run<()> {
        match expression {
            Expression::Literal(literal) => scalars.push(self.literal(*literal)?),
            Expression::Constant(handle) => {
                let constants = &self.program.module;
                let global = &constants.global_expressions;
                self.constant(&global[constants.constants[*handle].init], scalars, global)?;
            }
            Expression::ZeroValue(ty) => {
                let unit = self.program.unit(*ty);
                self.zeros(self.program.inner(*ty), unit, scalars)?;
            }
            Expression::Compose { components, .. } => {
                for component in components {
                    self.constant(&arena[*component], scalars, arena)?;
                }
            }
            Expression::Splat { size, value } => {
                for _ in 0..super::column::count(*size) {
                    self.constant(&arena[*value], scalars, arena)?;
                }
            }
            _ => return unsupported("a constant that is computed"),
        }
        Ok(())
    }

    fn literal(&self, literal: Literal) -> Run<Cell<D::Value>> {
        Ok(match literal {
            Literal::F32(value) => Cell::Float(self.domain.literal(value.into())),
            Literal::F16(value) => Cell::Float(self.domain.literal(value.into())),
            Literal::F64(value) => Cell::Float(self.domain.literal(value)),
            Literal::U32(value) => Cell::Integer(value.into()),
            Literal::I32(value) => Cell::Integer(value.into()),
            Literal::I64(value) => Cell::Integer(value),
            Literal::U64(value) => Cell::Integer(value as i64),
            Literal::Bool(value) => Cell::Integer(value.into()),
            _ => return unsupported("a literal of another type"),
        })
    }

    /// Memory, first byte and shape of what a pointer expression points at.
    pub fn pointee(
        &self,
        frame: &Frame<'_, 'm, D::Value>,
        pointer: Handle<Expression>,
    ) -> Run<(Shape, AddressSpace)> {
        let types = &self.program.module.types;
        match *frame.code.info[pointer].ty.inner_with(types) {
            TypeInner::Pointer { base, space } => Ok((Shape::of(self.program.inner(base)), space)),
            TypeInner::ValuePointer {
                size,
                scalar,
                space,
            } => {
                let components = size.map_or(1, super::column::count);
                Ok((
                    Shape {
                        kind: Kind::of(scalar),
                        components,
                    },
                    space,
                ))
            }
            _ => unsupported("a pointer to something else"),
        }
    }
}
