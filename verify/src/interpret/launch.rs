//! One launch: all workgroups of a kernel, one after the other.

use kforge_runtime::manifest::Place;
use naga::{AddressSpace, Binding, BuiltIn, Handle, TypeInner};

use super::{
    Domain, Run, Stop,
    column::Column,
    machine::{Frame, Machine},
    memory::{Cell, Memory, Shadow},
    program::Program,
    unsupported,
};
use crate::variable;

/// Invocations of a workgroup.
const MOST_INVOCATIONS: usize = 4096;

/// Memory that outlives a launch.
#[derive(Clone, Debug)]
pub(crate) struct Buffer<V> {
    pub name: String,
    pub cells: Vec<Cell<V>>,
    /// Bytes of a scalar.
    pub unit: usize,
}

/// A launch.
#[derive(Clone, Debug)]
pub(crate) struct Launch<'a, V> {
    pub wgsl: &'a str,
    pub entry_point: &'a str,
    pub workgroups: [u32; 3],
    /// Buffer and first byte of each binding, and whether the kernel may write it.
    pub bindings: Vec<(usize, i64, bool)>,
    /// Where the kernel finds each of them.
    pub places: Vec<Place>,
    /// Scalar arguments.
    pub immediates: Vec<Cell<V>>,
    /// The uniform buffer that holds them, if one does.
    pub uniform: Option<Place>,
    /// Invocations of a subgroup, where the kernel was made for a number.
    pub subgroup: Option<u32>,
}

/// What a launch that ran to its end was seen to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub operations: u64,
    /// The first read beyond a buffer's end.
    pub beyond: Option<String>,
    /// The first element to which two invocations wrote one value, with no order between.
    pub doubled: Option<String>,
}

/// Runs a launch on buffers.
pub(crate) fn launch<D: Domain>(
    domain: &D,
    launch: &Launch<D::Value>,
    buffers: &mut [Buffer<D::Value>],
    limit: u64,
) -> Run<Seen> {
    let program = Program::parse(launch.wgsl)?;
    let (code, size) = program.entry(launch.entry_point)?;
    let width = size
        .iter()
        .fold(1usize, |width, size| width.saturating_mul(*size as usize));
    if width > MOST_INVOCATIONS {
        return unsupported(format!(
            "workgroups of more than {MOST_INVOCATIONS} invocations"
        ));
    }
    let mut machine = Machine {
        program: &program,
        domain,
        memories: Vec::new(),
        globals: Vec::new(),
        width,
        size,
        subgroup: launch.subgroup,
        workgroups: launch.workgroups,
        workgroup: [0; 3],
        number: 0,
        intervals: [0; 2],
        work: 0,
        limit,
        beyond: None,
        depth: 0,
    };
    if machine.workgroups.contains(&0) {
        return Ok(Seen::default());
    }
    machine.bind(launch, buffers)?;
    let mut frame = machine.frame(&code, Vec::new())?;
    let ran = machine.run(&mut frame);
    for ((memory, _), (buffer, ..)) in machine.memories.iter_mut().zip(0..).zip(&launch.bindings) {
        // The first binding of a buffer holds it.
        let cells = std::mem::take(&mut memory.cells);
        if !cells.is_empty() {
            buffers[*buffer].cells = cells;
        }
    }
    ran?;
    let doubled = machine.memories.iter().find_map(|memory| {
        let cell = memory.doubled?;
        Some(format!(
            "two invocations write one value to element {cell} of '{}'",
            memory.name
        ))
    });
    Ok(Seen {
        operations: machine.work,
        beyond: machine.beyond,
        doubled,
    })
}

impl<'m, D: Domain> Machine<'m, D> {
    /// Memory for every global variable.
    fn bind(&mut self, launch: &Launch<D::Value>, buffers: &mut [Buffer<D::Value>]) -> Run<()> {
        // One memory per binding, empty where an earlier one has the same buffer.
        let mut memory_of = Vec::new();
        for (place, (buffer, ..)) in launch.bindings.iter().enumerate() {
            let earlier = launch.bindings[..place]
                .iter()
                .position(|(other, ..)| other == buffer);
            let written = launch
                .bindings
                .iter()
                .any(|(other, _, writes)| other == buffer && *writes);
            let cells = match earlier {
                Some(_) => Vec::new(),
                None => std::mem::take(&mut buffers[*buffer].cells),
            };
            let shadow =
                (written && earlier.is_none()).then(|| vec![Shadow::default(); cells.len()]);
            self.memories.push(Memory {
                name: buffers[*buffer].name.clone(),
                cells,
                unit: buffers[*buffer].unit,
                shadow,
                is_storage: true,
                doubled: None,
            });
            memory_of.push(earlier.unwrap_or(place));
        }
        for (_, variable) in self.program.globals().iter() {
            let holds_scalars = variable::holds_scalars(variable, launch.uniform);
            let bound = match variable.space {
                AddressSpace::Storage { .. } => {
                    let place = variable::place(variable);
                    let mut places = launch.places.iter();
                    let index = places.position(|it| Some(*it) == place);
                    index.map(|index| (memory_of[index], launch.bindings[index].1))
                }
                _ if holds_scalars => {
                    self.memories.push(Memory {
                        name: "the immediates".into(),
                        cells: launch.immediates.clone(),
                        unit: 4,
                        shadow: None,
                        is_storage: false,
                        doubled: None,
                    });
                    Some((self.memories.len() - 1, 0))
                }
                AddressSpace::WorkGroup => {
                    let (cells, unit) = (Vec::new(), self.program.unit(variable.ty));
                    self.memories.push(Memory {
                        name: variable
                            .name
                            .clone()
                            .unwrap_or_else(|| "workgroup memory".into()),
                        cells,
                        unit,
                        shadow: Some(Vec::new()),
                        is_storage: false,
                        doubled: None,
                    });
                    Some((self.memories.len() - 1, 0))
                }
                _ => None,
            };
            self.globals.push(bound);
        }
        Ok(())
    }

    fn run(&mut self, frame: &mut Frame<'_, 'm, D::Value>) -> Run<()> {
        let [across, down, deep] = self.workgroups;
        for z in 0..deep {
            for y in 0..down {
                for x in 0..across {
                    self.workgroup = [x, y, z];
                    self.one_workgroup(frame)?;
                    self.number += 1;
                }
            }
        }
        Ok(())
    }

    fn one_workgroup(&mut self, frame: &mut Frame<'_, 'm, D::Value>) -> Run<()> {
        // What the last workgroup did is ordered before this one's workgroup memory.
        self.intervals = self.intervals.map(|interval| interval + 1);
        for (handle, variable) in self.program.globals().iter() {
            if variable.space != AddressSpace::WorkGroup {
                continue;
            }
            let Some((memory, _)) = self.globals[handle.index()] else {
                continue;
            };
            let mut cells = Vec::new();
            self.zeros(
                self.program.inner(variable.ty),
                self.memories[memory].unit,
                &mut cells,
            )?;
            self.memories[memory].shadow = Some(vec![Shadow::default(); cells.len()]);
            self.memories[memory].cells = cells;
        }
        if self.number > 0 {
            self.initialise(frame)?;
        }
        self.arguments(frame)?;
        frame.returned.clear();
        let lanes = (0..self.width as u32).collect();
        self.block(frame, &frame.code.function.body, lanes)?;
        Ok(())
    }

    /// Builtins of all invocations.
    fn arguments(&self, frame: &mut Frame<'_, 'm, D::Value>) -> Run<()> {
        for (handle, expression) in frame.code.function.expressions.iter() {
            let naga::Expression::FunctionArgument(index) = expression else {
                continue;
            };
            let argument = &frame.code.function.arguments[*index as usize];
            let builtin = match argument.binding {
                Some(Binding::BuiltIn(builtin)) => builtin,
                _ => return unsupported(structured(self.program, argument.ty)),
            };
            frame.columns[handle.index()] = self.builtin(builtin)?;
        }
        Ok(())
    }

    fn builtin(&self, builtin: BuiltIn) -> Run<Column<D::Value>> {
        let [columns, rows, _] = self.size;
        let local = |lane: u32| [lane % columns, lane / columns % rows, lane / columns / rows];
        let vector = |of: &dyn Fn(u32) -> [u32; 3]| {
            let mut values = Vec::with_capacity(3 * self.width);
            for component in 0..3 {
                values.extend((0..self.width as u32).map(|lane| i64::from(of(lane)[component])));
            }
            Ok(Column::Integers(values))
        };
        let scalar = |of: &dyn Fn(u32) -> u32| {
            let values = (0..self.width as u32).map(|lane| i64::from(of(lane)));
            Ok(Column::Integers(values.collect()))
        };
        let subgroup = || match self.subgroup {
            Some(size) => Ok(size),
            None => Err(Stop::Unsupported("it names no subgroup size".into())),
        };
        match builtin {
            BuiltIn::LocalInvocationId => vector(&local),
            BuiltIn::LocalInvocationIndex => scalar(&|lane| lane),
            BuiltIn::WorkGroupId => vector(&|_| self.workgroup),
            BuiltIn::NumWorkGroups => vector(&|_| self.workgroups),
            BuiltIn::WorkGroupSize => vector(&|_| self.size),
            BuiltIn::GlobalInvocationId => vector(&|lane| {
                let own = local(lane);
                [0, 1, 2].map(|axis| self.workgroup[axis] * self.size[axis] + own[axis])
            }),
            BuiltIn::SubgroupSize => {
                let size = subgroup()?;
                scalar(&|_| size)
            }
            BuiltIn::SubgroupId => {
                let size = subgroup()?;
                scalar(&|lane| lane / size)
            }
            BuiltIn::SubgroupInvocationId => {
                let size = subgroup()?;
                scalar(&|lane| lane % size)
            }
            BuiltIn::NumSubgroups => {
                let size = subgroup()?;
                scalar(&|_| (self.width as u32).div_ceil(size))
            }
            other => unsupported(format!("the builtin {other:?}")),
        }
    }
}

fn structured(program: &Program, ty: Handle<naga::Type>) -> &'static str {
    match program.inner(ty) {
        TypeInner::Struct { .. } => "builtins in a structure are not interpreted",
        _ => "an argument of the entry point that is no builtin",
    }
}
