//! An entry with numbers in place of expressions, checked against a device.

use std::collections::BTreeSet;

use super::{
    error::{FailureKind, Fault, RunError, Site},
    poison::{Poison, Zone, guard_word, nan_word},
    requirements::{check_aliasing, check_kernel, limit_fault},
};
use crate::{
    device::DeviceDescription,
    manifest::{
        BufferId, Dispatch, Dtype, Entry, Expr, Extent, INIT_ENTRY, Immediate, Kernel, Package,
        PackageError, Port, Role, ScalarType, Step, Symbols,
    },
};

/// Everything needed to run an entry, without expressions.
#[derive(Debug)]
pub(crate) struct Instance {
    pub entry: String,
    /// Buffers used, with the manifest's ids as keys.
    pub buffers: std::collections::BTreeMap<BufferId, BoundBuffer>,
    pub inputs: Vec<BoundPort>,
    pub outputs: Vec<BoundPort>,
    /// Dispatches of `init`, then those of the entry.
    pub dispatches: Vec<BoundDispatch>,
    /// How many of the dispatches are `init`'s.
    pub init: usize,
}

#[derive(Debug)]
pub(crate) struct BoundBuffer {
    pub name: String,
    pub dtype: Dtype,
    pub role: Role,
    pub extent: Extent,
    pub zone: Zone,
    /// Makes its patterns differ from those of other buffers.
    pub salt: u32,
    /// Whether any dispatch writes it.
    pub written: bool,
}

#[derive(Debug)]
pub(crate) struct BoundPort {
    pub name: String,
    pub buffer: BufferId,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct BoundDispatch {
    pub kernel: String,
    pub site: Site,
    pub workgroups: [u32; 3],
    /// Buffer and first byte of each binding.
    pub args: Vec<(BufferId, u64)>,
    pub immediates: Vec<u8>,
    /// Pipeline-overridable constants.
    pub constants: Vec<(String, f64)>,
}

impl BoundBuffer {
    /// What fills it where nothing was written.
    pub(crate) const fn nan_word(&self) -> u32 {
        nan_word(self.dtype, self.salt)
    }

    /// What is behind its data.
    pub(crate) const fn guard_word(&self, poison: Option<Poison>) -> u32 {
        guard_word(self.dtype, poison, self.salt)
    }
}

impl BoundDispatch {
    /// Whether there is nothing to launch.
    pub(crate) fn is_empty(&self) -> bool {
        self.workgroups.contains(&0)
    }
}

/// Binds an entry, and `init` before it, to symbol values and a device.
pub(crate) fn instantiate(
    package: &Package,
    entry_name: &str,
    symbols: &Symbols,
    device: &DeviceDescription,
    guarded: bool,
) -> Result<Instance, RunError> {
    let manifest = &package.manifest;
    let entry = manifest
        .entries
        .get(entry_name)
        .ok_or_else(|| RunError::UnknownEntry {
            entry: entry_name.escape_default().to_string(),
            known: manifest
                .entries
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
    let symbols = &manifest.bind_symbols(symbols)?;
    let empty = Entry::default();
    let init = match manifest.entries.get(INIT_ENTRY) {
        Some(init) if entry_name != INIT_ENTRY => init,
        _ => &empty,
    };
    let mut instance = Instance {
        entry: entry_name.into(),
        buffers: Default::default(),
        inputs: ports(package, &entry.inputs, symbols)?,
        outputs: ports(package, &entry.outputs, symbols)?,
        dispatches: Vec::new(),
        init: init.steps.len(),
    };
    let steps = init
        .steps
        .iter()
        .chain(&entry.steps)
        .map(|Step::Dispatch(dispatch)| dispatch);
    let used: BTreeSet<_> = steps
        .clone()
        .flat_map(|dispatch| dispatch.args.iter().map(|argument| argument.buffer))
        .chain(
            instance
                .inputs
                .iter()
                .chain(&instance.outputs)
                .map(|port| port.buffer),
        )
        .collect();
    for id in used {
        instance
            .buffers
            .insert(id, bind_buffer(package, id, symbols, device, guarded)?);
    }
    for dispatch in steps {
        let kernel = &manifest.kernels[&dispatch.kernel];
        for (argument, binding) in dispatch.args.iter().zip(&kernel.bindings) {
            if let Some(buffer) = instance.buffers.get_mut(&argument.buffer) {
                buffer.written |= binding.access.writes();
            }
        }
        let bound = bind_dispatch(&instance, kernel, dispatch, symbols, device)?;
        instance.dispatches.push(bound);
    }
    Ok(instance)
}

fn ports(package: &Package, ports: &[Port], symbols: &Symbols) -> Result<Vec<BoundPort>, RunError> {
    let bind = |port: &Port| {
        let place = || format!("port '{}'", port.name);
        let shape = numbers(place, &port.shape, symbols)?
            .into_iter()
            .map(|dim| usize::try_from(dim).map_err(|_| negative(place(), dim)))
            .collect::<Result<Vec<_>, _>>()?;
        let buffer = &package.manifest.buffers[port.buffer.0 as usize];
        let extent = buffer
            .instantiate(symbols)
            .map_err(|source| PackageError::Extent {
                place: place(),
                source,
            })?;
        let elements: Option<u64> = product(shape.iter().map(|&dim| dim as u64));
        if elements.is_none() || elements != product(extent.shape.iter().copied()) {
            let problem = format!(
                "shape {shape:?} does not have the elements of its buffer, {:?}",
                extent.shape
            );
            return Err(PackageError::Invalid {
                place: place(),
                problem,
            }
            .into());
        }
        Ok(BoundPort {
            name: port.name.clone(),
            buffer: port.buffer,
            dtype: port.dtype,
            shape,
        })
    };
    ports.iter().map(bind).collect()
}

fn bind_buffer(
    package: &Package,
    id: BufferId,
    symbols: &Symbols,
    device: &DeviceDescription,
    guarded: bool,
) -> Result<BoundBuffer, RunError> {
    let buffer = &package.manifest.buffers[id.0 as usize];
    let place = || format!("buffer '{}'", buffer.name);
    let extent = buffer
        .instantiate(symbols)
        .map_err(|source| PackageError::Extent {
            place: place(),
            source,
        })?;
    let limit = device
        .storage_binding_bytes
        .min(device.buffer_bytes)
        .min(isize::MAX as u64);
    let zone = Zone::new(extent.bytes, guarded).filter(|zone| zone.end <= limit);
    let zone = zone.ok_or_else(|| RunError::Argument {
        place: place(),
        problem: format!(
            "{} bytes with its guard zone exceed the device's limit of {limit} bytes per binding; \
             use smaller sizes",
            extent.bytes
        ),
    })?;
    Ok(BoundBuffer {
        name: buffer.name.clone(),
        dtype: buffer.dtype,
        role: buffer.role,
        extent,
        zone,
        salt: id.0,
        written: false,
    })
}

fn bind_dispatch(
    instance: &Instance,
    kernel: &Kernel,
    dispatch: &Dispatch,
    symbols: &Symbols,
    device: &DeviceDescription,
) -> Result<BoundDispatch, RunError> {
    let place = || format!("dispatch of kernel '{}'", dispatch.kernel);
    let shape = numbers(place, &dispatch.shape, symbols)?;
    let site = Site {
        stage: kernel.stage.clone(),
        shape: match shape.as_slice() {
            [] => fallback_shape(instance, kernel, dispatch),
            dims => join(dims),
        },
        kernel: dispatch.kernel.clone(),
        knobs: kernel.knob_text(),
    };
    let fail = |fault: Fault| fault.at(device.target, &site);
    check_kernel(kernel, device).map_err(fail)?;

    let mut workgroups = [0; 3];
    for (axis, expr) in dispatch.workgroups.iter().enumerate() {
        let count = number(place, expr, symbols)?;
        workgroups[axis] = u32::try_from(count)
            .ok()
            .filter(|&count| count <= device.workgroups_per_dimension)
            .ok_or_else(|| {
                let limit = device.workgroups_per_dimension;
                fail(limit_fault(format!(
                    "{count} workgroups in dimension {axis} are not within 0..={limit}; use \
                     larger tiles or fold them into another dimension"
                )))
            })?;
    }
    let mut args = Vec::new();
    for (index, (argument, binding)) in dispatch.args.iter().zip(&kernel.bindings).enumerate() {
        let offset = number(place, &argument.byte_offset, symbols)?;
        let elements = binding
            .elements
            .as_ref()
            .map(|expr| number(place, expr, symbols));
        let buffer = &instance.buffers[&argument.buffer];
        let alignment = u64::from(device.storage_offset_alignment.max(4));
        let offset = u64::try_from(offset)
            .ok()
            .filter(|offset| offset % alignment == 0 && *offset <= buffer.zone.data)
            .ok_or_else(|| {
                fail(limit_fault(format!(
                    "byte offset {offset} of binding {index} must be a multiple of {alignment} \
                     within the {} bytes of buffer '{}'",
                    buffer.zone.data, buffer.name
                )))
            })?;
        if let Some(elements) = elements.transpose()? {
            let needed = i128::from(elements) * binding.dtype.bytes() as i128;
            let room = i128::from(buffer.zone.data - offset);
            if needed < 0 || needed > room {
                return Err(fail(Fault::new(
                    FailureKind::Validation,
                    format!(
                        "binding {index} touches {elements} elements ({needed} bytes) but buffer \
                         '{}' has {room} bytes behind its offset",
                        buffer.name
                    ),
                )));
            }
        }
        args.push((argument.buffer, offset));
    }
    check_aliasing(instance, kernel, &args).map_err(fail)?;

    let mut immediates = Vec::new();
    for (value, scalar) in dispatch.immediates.iter().zip(&kernel.immediates) {
        immediates.extend(immediate(value, *scalar, symbols, &place)?);
    }
    let constants = kernel.abi.constants.iter().map(|(name, value)| {
        let value = match value {
            Immediate::F32(value) => f64::from(value.0),
            Immediate::Integer(expr) => number(place, expr, symbols)? as f64,
        };
        Ok((name.clone(), value))
    });
    let constants = constants.collect::<Result<Vec<_>, RunError>>()?;
    Ok(BoundDispatch {
        kernel: dispatch.kernel.clone(),
        site,
        workgroups,
        args,
        immediates,
        constants,
    })
}

fn immediate(
    value: &Immediate,
    scalar: ScalarType,
    symbols: &Symbols,
    place: &dyn Fn() -> String,
) -> Result<[u8; 4], RunError> {
    let expr = match value {
        Immediate::F32(value) => return Ok(value.0.to_le_bytes()),
        Immediate::Integer(expr) => expr,
    };
    let number = number(place, expr, symbols)?;
    let bytes = match scalar {
        ScalarType::U32 => u32::try_from(number).ok().map(u32::to_le_bytes),
        _ => i32::try_from(number).ok().map(i32::to_le_bytes),
    };
    bytes.ok_or_else(|| {
        let problem = format!("immediate '{expr}' is {number}, which is outside {scalar:?}");
        PackageError::Invalid {
            place: place(),
            problem,
        }
        .into()
    })
}

/// Without a declared problem size, the shape of the first buffer written.
fn fallback_shape(instance: &Instance, kernel: &Kernel, dispatch: &Dispatch) -> String {
    let mut pairs = dispatch.args.iter().zip(&kernel.bindings);
    let written = pairs.find(|(_, binding)| binding.access.writes());
    let buffer = written.and_then(|(argument, _)| instance.buffers.get(&argument.buffer));
    buffer.map_or_else(|| "unknown".into(), |buffer| join(&buffer.extent.shape))
}

fn join<T: ToString>(dims: &[T]) -> String {
    dims.iter().map(T::to_string).collect::<Vec<_>>().join("x")
}

fn product(mut dims: impl Iterator<Item = u64>) -> Option<u64> {
    dims.try_fold(1_u64, u64::checked_mul)
}

fn numbers(
    place: impl Fn() -> String,
    exprs: &[Expr],
    symbols: &Symbols,
) -> Result<Vec<i64>, RunError> {
    exprs
        .iter()
        .map(|expr| number(&place, expr, symbols))
        .collect()
}

fn number(place: impl Fn() -> String, expr: &Expr, symbols: &Symbols) -> Result<i64, RunError> {
    let value = expr.evaluate(symbols);
    Ok(value.map_err(|source| PackageError::Expression {
        place: place(),
        source,
    })?)
}

fn negative(place: String, value: i64) -> RunError {
    PackageError::Invalid {
        place,
        problem: format!("dimension {value} is negative"),
    }
    .into()
}
