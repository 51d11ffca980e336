//! The rules for kernels, entries and dispatches.

use std::collections::BTreeSet;

use super::{
    Buffer, Code, Dispatch, Entry, INIT_ENTRY, Immediate, Kernel, Package, PackageError, Port,
    Role, ScalarType, Step,
    names::is_inner_path,
    package::KERNEL_FOLDER,
    validate::{MAX_RANK, check_count, check_name, invalid},
};

/// Most bindings of a kernel; a device may have fewer.
const MAX_BINDINGS: usize = 64;
/// Bind groups that every device has.
const MAX_GROUPS: u32 = 4;
/// Numbers of bindings that every device has.
const MAX_BINDING_NUMBER: u32 = 1000;
/// Most pipeline-overridable constants.
const MAX_CONSTANTS: usize = 256;
const MAX_IMMEDIATES: usize = 64;
const MAX_STEPS: usize = 1 << 16;
const MAX_PORTS: usize = 1 << 12;
/// Most invocations of a workgroup in any API this crate reaches.
const MAX_INVOCATIONS: u64 = 2048;

impl Package {
    pub(super) fn check_kernel(&self, name: &str, kernel: &Kernel) -> Result<(), PackageError> {
        let place = format!("kernel '{}'", name.escape_default());
        check_name(&place, name)?;
        check_name(&place, &kernel.entry_point)?;
        check_name(&place, &kernel.stage)?;
        check_count(
            &format!("{place} bindings"),
            kernel.bindings.len(),
            MAX_BINDINGS,
        )?;
        check_count(
            &format!("{place} immediates"),
            kernel.immediates.len(),
            MAX_IMMEDIATES,
        )?;
        for knob in kernel.knobs.keys() {
            check_name(&place, knob)?;
        }
        let size = kernel.workgroup_size;
        let invocations: u64 = size.iter().map(|&n| u64::from(n.min(1 << 16))).product();
        if !(1..=MAX_INVOCATIONS).contains(&invocations) {
            let problem = format!("workgroup size {size:?} is not within 1..={MAX_INVOCATIONS}");
            return Err(invalid(place, problem));
        }
        for binding in &kernel.bindings {
            if let Some(elements) = &binding.elements {
                self.check_expr(&place, elements)?;
            }
        }
        self.check_abi(&place, kernel)?;
        if let Code::Native { symbol, triple, .. } = &kernel.code {
            check_name(&place, symbol)?;
            check_name(&place, triple)?;
        }
        let Some(file) = kernel.code.file() else {
            return Ok(());
        };
        if !is_inner_path(file) || !file.starts_with(KERNEL_FOLDER) {
            let problem = format!(
                "path '{}' is not a file under kernels/",
                file.escape_default()
            );
            return Err(invalid(place, problem));
        }
        match self.files.get(file) {
            None => Err(invalid(place, format!("code file '{file}' is missing"))),
            Some(bytes) if !kernel.is_native() && std::str::from_utf8(bytes).is_err() => {
                Err(invalid(place, format!("code file '{file}' is not UTF-8")))
            }
            Some(_) => Ok(()),
        }
    }

    fn check_abi(&self, place: &str, kernel: &Kernel) -> Result<(), PackageError> {
        let abi = &kernel.abi;
        let wrong = |problem: String| Err(invalid(place.into(), problem));
        if abi.is_own() {
            return Ok(());
        }
        if kernel.is_native() {
            return wrong("native code has no bind groups, uniforms or constants".into());
        }
        if !abi.places.is_empty() {
            check_equal(place, "places", abi.places.len(), kernel.bindings.len())?;
        }
        let bindings = 0..kernel.bindings.len();
        let places = bindings.clone().map(|index| abi.place(index));
        let mut taken = BTreeSet::new();
        for at in places.chain(abi.uniform) {
            if at.group >= MAX_GROUPS || at.binding >= MAX_BINDING_NUMBER {
                return wrong(format!(
                    "{at} is not within groups 0..{MAX_GROUPS} and bindings 0..{MAX_BINDING_NUMBER}"
                ));
            }
            if !taken.insert(at) {
                return wrong(format!("{at} is there twice"));
            }
        }
        if let Some(index) = abi.exact.iter().find(|index| !bindings.contains(index)) {
            return wrong(format!("exact binding {index} does not exist"));
        }
        if abi.uniform.is_some() && kernel.immediates.is_empty() {
            return wrong("a uniform buffer without values".into());
        }
        check_count(
            &format!("{place} constants"),
            abi.constants.len(),
            MAX_CONSTANTS,
        )?;
        for (name, value) in &abi.constants {
            check_name(place, name)?;
            if let Immediate::Integer(expr) = value {
                self.check_expr(place, expr)?;
            }
        }
        Ok(())
    }

    pub(super) fn check_entry(&self, name: &str, entry: &Entry) -> Result<(), PackageError> {
        let place = format!("entry '{}'", name.escape_default());
        check_name(&place, name)?;
        check_count(&format!("{place} steps"), entry.steps.len(), MAX_STEPS)?;
        check_count(&format!("{place} inputs"), entry.inputs.len(), MAX_PORTS)?;
        check_count(&format!("{place} outputs"), entry.outputs.len(), MAX_PORTS)?;
        if name == INIT_ENTRY && !(entry.inputs.is_empty() && entry.outputs.is_empty()) {
            return Err(invalid(
                place,
                "it may have no inputs and no outputs".into(),
            ));
        }
        let mut filled = BTreeSet::new();
        for port in &entry.inputs {
            let place = format!("{place} input '{}'", port.name.escape_default());
            let buffer = self.check_port(&place, port)?;
            if buffer.role != Role::Input {
                let problem = format!("its buffer has role {}, not input", buffer.role.name());
                return Err(invalid(place, problem));
            }
            if !filled.insert(port.buffer) {
                return Err(invalid(
                    place,
                    "its buffer is already filled by another input".into(),
                ));
            }
        }
        for port in &entry.outputs {
            let place = format!("{place} output '{}'", port.name.escape_default());
            let buffer = self.check_port(&place, port)?;
            if buffer.role == Role::Scratch {
                return Err(invalid(
                    place,
                    "its buffer has role scratch; make it output".into(),
                ));
            }
            if buffer.role == Role::Input && !filled.contains(&port.buffer) {
                return Err(invalid(
                    place,
                    "its buffer is an input that nothing fills".into(),
                ));
            }
        }
        for (index, Step::Dispatch(dispatch)) in entry.steps.iter().enumerate() {
            let place = format!("{place} step {index}");
            self.check_dispatch(&place, dispatch)?;
            for argument in &dispatch.args {
                let buffer = self.buffer(&place, argument.buffer)?;
                if buffer.role == Role::Input && !filled.contains(&argument.buffer) {
                    let problem = format!("input buffer '{}' is no input of it", buffer.name);
                    return Err(invalid(place, problem));
                }
            }
        }
        Ok(())
    }

    fn check_port(&self, place: &str, port: &Port) -> Result<&Buffer, PackageError> {
        check_name(place, &port.name)?;
        let buffer = self.buffer(place, port.buffer)?;
        if port.dtype != buffer.dtype {
            let problem = format!("dtype {} is not its buffer's {}", port.dtype, buffer.dtype);
            return Err(invalid(place.into(), problem));
        }
        check_count(place, port.shape.len(), MAX_RANK)?;
        for expr in &port.shape {
            self.check_expr(place, expr)?;
        }
        if port.shape != buffer.shape && !buffer.strides.is_empty() {
            return Err(invalid(
                place.into(),
                "reshapes a buffer that is not dense".into(),
            ));
        }
        Ok(buffer)
    }

    fn check_dispatch(&self, place: &str, dispatch: &Dispatch) -> Result<(), PackageError> {
        let Some(kernel) = self.manifest.kernels.get(&dispatch.kernel) else {
            let problem = format!("unknown kernel '{}'", dispatch.kernel.escape_default());
            return Err(invalid(place.into(), problem));
        };
        check_count(place, dispatch.shape.len(), MAX_RANK)?;
        for expr in dispatch.workgroups.iter().chain(&dispatch.shape) {
            self.check_expr(place, expr)?;
        }
        check_equal(
            place,
            "arguments",
            dispatch.args.len(),
            kernel.bindings.len(),
        )?;
        check_equal(
            place,
            "immediates",
            dispatch.immediates.len(),
            kernel.immediates.len(),
        )?;
        for (argument, binding) in dispatch.args.iter().zip(&kernel.bindings) {
            self.check_expr(place, &argument.byte_offset)?;
            let buffer = self.buffer(place, argument.buffer)?;
            if buffer.dtype != binding.dtype {
                let problem = format!(
                    "buffer '{}' is {} but kernel '{}' takes {}",
                    buffer.name, buffer.dtype, dispatch.kernel, binding.dtype
                );
                return Err(invalid(place.into(), problem));
            }
            if binding.access.writes() && matches!(buffer.role, Role::Weight | Role::Constant) {
                let problem = format!("writes {} buffer '{}'", buffer.role.name(), buffer.name);
                return Err(invalid(place.into(), problem));
            }
        }
        for (value, scalar) in dispatch.immediates.iter().zip(&kernel.immediates) {
            match (value, scalar) {
                (Immediate::Integer(expr), ScalarType::I32 | ScalarType::U32) => {
                    self.check_expr(place, expr)?;
                }
                (Immediate::F32(_), ScalarType::F32) => {}
                _ => return Err(invalid(place.into(), "immediate of another type".into())),
            }
        }
        Ok(())
    }
}

fn check_equal(place: &str, what: &str, found: usize, expected: usize) -> Result<(), PackageError> {
    if found == expected {
        return Ok(());
    }
    Err(invalid(
        place.into(),
        format!("{found} {what}, the kernel takes {expected}"),
    ))
}
