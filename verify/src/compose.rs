//! The units' programs put together, wired by the buffers they share.

use std::collections::BTreeMap;

use kforge_oracle::{ConstantData, Op, Program, TensorType, ValueId};
use kforge_runtime::manifest::{BufferId, Entry, Role, Step, Unit};

use crate::{convert, subject::Runnable};

/// Why the units do not form the function.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The entry is missing.
    #[error("package has no entry '{0}'")]
    NoEntry(String),
    /// Steps that belong to no unit, or to two.
    #[error("steps {got:?} come where step {expected} of entry '{entry}' was expected")]
    Steps {
        /// The entry.
        entry: String,
        /// The next step that no unit has covered.
        expected: usize,
        /// What came.
        got: std::ops::Range<usize>,
    },
    /// A unit reads what nothing wrote.
    #[error("unit '{unit}' reads buffer '{buffer}' before anything is in it")]
    Unwritten {
        /// The unit.
        unit: String,
        /// The buffer.
        buffer: String,
    },
    /// A unit's program has another number of inputs or outputs.
    #[error("unit '{unit}': its program has {program} {what}, its kernels {kernels}")]
    Arity {
        /// The unit.
        unit: String,
        /// Inputs or outputs.
        what: &'static str,
        /// Of the program.
        program: usize,
        /// Of the kernels.
        kernels: usize,
    },
    /// A constant cannot be read.
    #[error("constant '{0}' cannot be read")]
    Constant(String),
}

struct Composition<'s> {
    function: &'s Runnable,
    program: Program,
    values: BTreeMap<BufferId, ValueId>,
}

/// One program that does what the units do in order.
pub fn compose(function: &Runnable, units: &[(&Unit, &Program)]) -> Result<Program, ComposeError> {
    let name = &function.entry;
    let entry = function
        .package
        .manifest
        .entries
        .get(name)
        .ok_or_else(|| ComposeError::NoEntry(name.clone()))?;
    let program = Program {
        name: name.clone(),
        inputs: function.program.inputs.clone(),
        nodes: Vec::new(),
        outputs: Vec::new(),
    };
    let mut composition = Composition {
        function,
        program,
        values: BTreeMap::new(),
    };
    composition.bind_arguments();
    composition.bind_constants(entry)?;
    let mut next = 0;
    for (unit, program) in units {
        if unit.steps.start != next {
            let (entry, got) = (name.clone(), unit.steps.clone());
            return Err(ComposeError::Steps {
                entry,
                expected: next,
                got,
            });
        }
        next = unit.steps.end;
        composition.add(unit, program)?;
    }
    if next != entry.steps.len() {
        let got = entry.steps.len()..entry.steps.len();
        return Err(ComposeError::Steps {
            entry: name.clone(),
            expected: next,
            got,
        });
    }
    for (port, output) in entry.outputs.iter().zip(&function.program.outputs) {
        let ty = function.program.type_of(*output).cloned();
        let value = composition.read("result", port.buffer, ty.as_ref())?;
        composition.program.outputs.push(value);
    }
    Ok(composition.program)
}

impl Composition<'_> {
    fn buffer_name(&self, id: BufferId) -> String {
        self.function
            .package
            .manifest
            .buffer(id)
            .map_or_else(|| format!("{id:?}"), |it| it.name.clone())
    }

    fn bind_arguments(&mut self) {
        for (index, buffer) in self.function.arguments.iter().enumerate() {
            self.values.insert(*buffer, ValueId(index as u32));
        }
    }

    fn bind_constants(&mut self, entry: &Entry) -> Result<(), ComposeError> {
        let manifest = &self.function.package.manifest;
        let used = |id: BufferId| {
            let in_steps = entry.steps.iter().any(|Step::Dispatch(dispatch)| {
                dispatch.args.iter().any(|argument| argument.buffer == id)
            });
            in_steps || entry.outputs.iter().any(|port| port.buffer == id)
        };
        for (index, buffer) in manifest.buffers.iter().enumerate() {
            let id = BufferId(index as u32);
            if buffer.role != Role::Constant || !used(id) {
                continue;
            }
            let unreadable = || ComposeError::Constant(buffer.name.clone());
            let tensor = self
                .function
                .package
                .constants
                .get(&buffer.name)
                .ok_or_else(unreadable)?;
            let array = convert::array(tensor, tensor.shape()).ok_or_else(unreadable)?;
            let data = ConstantData::Dense(array.value);
            let value = self
                .program
                .push(&buffer.name, Op::Constant { data }, array.ty);
            self.values.insert(id, value);
        }
        Ok(())
    }

    /// The value in a buffer, seen as `ty`.
    fn read(
        &mut self,
        unit: &str,
        buffer: BufferId,
        ty: Option<&TensorType>,
    ) -> Result<ValueId, ComposeError> {
        let value = self
            .values
            .get(&buffer)
            .copied()
            .ok_or_else(|| ComposeError::Unwritten {
                unit: unit.to_owned(),
                buffer: self.buffer_name(buffer),
            })?;
        match ty {
            Some(ty) if self.program.type_of(value) != Some(ty) => {
                Ok(self
                    .program
                    .push("reshape", Op::Reshape { x: value }, ty.clone()))
            }
            _ => Ok(value),
        }
    }

    /// Appends a unit's program.
    fn add(&mut self, unit: &Unit, program: &Program) -> Result<(), ComposeError> {
        let arity = |what, program, kernels| ComposeError::Arity {
            unit: unit.stage.clone(),
            what,
            program,
            kernels,
        };
        if program.inputs.len() != unit.inputs.len() {
            return Err(arity("inputs", program.inputs.len(), unit.inputs.len()));
        }
        if program.outputs.len() != unit.outputs.len() {
            return Err(arity("outputs", program.outputs.len(), unit.outputs.len()));
        }
        let mut known = Vec::new();
        for (input, buffer) in program.inputs.iter().zip(&unit.inputs) {
            known.push(self.read(&unit.stage, *buffer, Some(&input.ty))?);
        }
        for node in &program.nodes {
            let op = node.op.with_operands(|id| known[id.0 as usize]);
            known.push(self.program.push(&node.stage, op, node.ty.clone()));
        }
        for (output, buffer) in program.outputs.iter().zip(&unit.outputs) {
            self.values.insert(*buffer, known[output.0 as usize]);
        }
        Ok(())
    }
}
