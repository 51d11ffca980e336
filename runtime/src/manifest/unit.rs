//! Units: the parts of an entry that can be run and checked on their own.
//!
//! A unit is one stage, which is one kernel launch or several launches that only
//! together compute something. The list of units is stored beside the programs
//! that say what each must compute, in `program.json`.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};

use super::{
    Buffer, BufferId, Entry, KernelArgument, Manifest, Package, PackageError, Port, Role, Step,
    validate::invalid,
};

/// Name of the one entry of [`Package::unit`].
pub const UNIT_ENTRY: &str = "unit";

/// Consecutive steps of an entry that compute one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// What the user calls it.
    pub stage: String,
    /// The entry it is part of.
    pub entry: String,
    /// Its steps in that entry.
    pub steps: Range<usize>,
    /// What it reads and does not write first: one per kernel argument, in
    /// order, so a buffer that one launch is passed twice is there twice. A later
    /// launch that reads it again reads the same inputs.
    pub inputs: Vec<BufferId>,
    /// What it writes for others, in the order of the last kernel's arguments.
    pub outputs: Vec<BufferId>,
    /// The reference program, for the verifier: inputs and outputs in the same
    /// order. Opaque to this crate.
    pub program: Option<serde_json::Value>,
    /// The MLIR text the program was made from; not stored.
    #[serde(skip)]
    pub spec: Option<String>,
}

impl Package {
    /// The units listed under `units` in the package's program, if any.
    ///
    /// # Errors
    /// A list that is not one of units. Whether a unit fits the package is checked
    /// when it is cut out.
    pub fn units(&self) -> Result<Vec<Unit>, PackageError> {
        let listed = self.program.as_ref().and_then(|it| it.get("units"));
        let Some(listed) = listed else {
            return Ok(Vec::new());
        };
        Vec::deserialize(listed).map_err(|source| PackageError::Json {
            path: super::package::PROGRAM_FILE.into(),
            source,
        })
    }

    /// A package whose one entry, [`UNIT_ENTRY`], is exactly the unit's steps,
    /// with the unit's inputs and outputs as its own. Kernels are the same bytes.
    ///
    /// Every input is a buffer of its own, also where the whole program passes
    /// one buffer twice; so each can be given other values.
    ///
    /// # Errors
    /// A unit that names steps or buffers the package lacks.
    pub fn unit(&self, unit: &Unit) -> Result<Package, PackageError> {
        let place = || format!("unit '{}'", unit.stage.escape_default());
        let steps = self
            .manifest
            .entries
            .get(&unit.entry)
            .and_then(|entry| entry.steps.get(unit.steps.clone()))
            .ok_or_else(|| {
                let Range { start, end } = unit.steps;
                let entry = unit.entry.escape_default();
                invalid(
                    place(),
                    format!("entry '{entry}' has no steps {start}..{end}"),
                )
            })?;
        let mut cut = Cut::default();
        let mut moved = Vec::new();
        for Step::Dispatch(dispatch) in steps {
            let kernel = self.manifest.kernels.get(&dispatch.kernel).ok_or_else(|| {
                let name = dispatch.kernel.escape_default();
                invalid(place(), format!("there is no kernel '{name}'"))
            })?;
            let mut dispatch = dispatch.clone();
            cut.read.clear();
            for (argument, binding) in dispatch.args.iter_mut().zip(&kernel.bindings) {
                let buffer = self.buffer(&place(), argument.buffer)?;
                argument.buffer = cut.place(unit, buffer, argument, binding.access.writes());
            }
            moved.push(Step::Dispatch(dispatch));
        }
        let found: Vec<BufferId> = cut.inputs.iter().map(|(old, _)| *old).collect();
        if found != unit.inputs {
            let problem = format!(
                "its steps read {} buffers first, it lists {}",
                found.len(),
                unit.inputs.len()
            );
            return Err(invalid(place(), problem));
        }
        let outputs = unit
            .outputs
            .iter()
            .map(|old| cut.written.get(old).copied())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| invalid(place(), "lists an output that it does not write".into()))?;
        let inputs = cut.inputs.iter().map(|(_, new)| *new).collect();
        Ok(self.with_entry(cut.buffers, inputs, outputs, moved))
    }

    fn with_entry(
        &self,
        buffers: Vec<Buffer>,
        inputs: Vec<BufferId>,
        outputs: Vec<BufferId>,
        steps: Vec<Step>,
    ) -> Package {
        let ports = |ids: Vec<BufferId>| -> Vec<Port> {
            let port = |id: BufferId| {
                let buffer = &buffers[id.0 as usize];
                Port {
                    name: buffer.name.clone(),
                    buffer: id,
                    dtype: buffer.dtype,
                    shape: buffer.shape.clone(),
                }
            };
            ids.into_iter().map(port).collect()
        };
        let used = |name: &str| {
            let mut dispatches = steps.iter().map(|Step::Dispatch(dispatch)| dispatch);
            dispatches.any(|dispatch| dispatch.kernel == name)
        };
        let kernels: BTreeMap<_, _> = self
            .manifest
            .kernels
            .iter()
            .filter(|(name, _)| used(name))
            .map(|(name, kernel)| (name.clone(), kernel.clone()))
            .collect();
        let files = kernels
            .values()
            .filter_map(|kernel| kernel.code.file())
            .filter_map(|file| Some((file.to_owned(), self.files.get(file)?.clone())))
            .collect();
        let entry = Entry {
            inputs: ports(inputs),
            outputs: ports(outputs),
            steps,
        };
        Package {
            manifest: Manifest {
                buffers,
                kernels,
                entries: BTreeMap::from([(UNIT_ENTRY.to_owned(), entry)]),
                hashes: BTreeMap::new(),
                verdict: None,
                format: self.manifest.format,
                kforge_version: self.manifest.kforge_version.clone(),
                plan: self.manifest.plan.clone(),
                symbols: self.manifest.symbols.clone(),
                verifier: self.manifest.verifier.clone(),
            },
            files,
            constants: BTreeMap::new(),
            program: None,
        }
    }
}

/// The buffers of a unit's package, while arguments are moved to it.
#[derive(Default)]
struct Cut {
    buffers: Vec<Buffer>,
    /// Buffers of the whole package, and what stands for them.
    inputs: Vec<(BufferId, BufferId)>,
    written: BTreeMap<BufferId, BufferId>,
    /// Inputs of the launch being moved.
    read: Vec<BufferId>,
}

impl Cut {
    /// The buffer that takes the place of an argument's.
    fn place(
        &mut self,
        unit: &Unit,
        buffer: &Buffer,
        argument: &KernelArgument,
        writes: bool,
    ) -> BufferId {
        let old = argument.buffer;
        if let Some(known) = self.written.get(&old) {
            return *known;
        }
        // A buffer that is read and written is an input and an output at once.
        let is_input = !writes || unit.inputs.get(self.inputs.len()) == Some(&old);
        if is_input {
            let turn = self.read.iter().filter(|other| **other == old).count();
            self.read.push(old);
            let mut earlier = self.inputs.iter().filter(|(other, _)| *other == old);
            if let Some((_, known)) = earlier.nth(turn) {
                return *known;
            }
        }
        let role = match (is_input, unit.outputs.contains(&old)) {
            (true, _) => Role::Input,
            (false, true) => Role::Output,
            (false, false) => Role::Scratch,
        };
        let new = BufferId(self.buffers.len() as u32);
        let taken = |name: &str| self.buffers.iter().any(|it| it.name == name);
        let name = match taken(&buffer.name) {
            true => format!("{}.{}", buffer.name, new.0),
            false => buffer.name.clone(),
        };
        self.buffers.push(Buffer {
            name,
            role,
            ..buffer.clone()
        });
        if is_input {
            self.inputs.push((old, new));
        }
        if writes {
            self.written.insert(old, new);
        }
        new
    }
}
