//! What a global variable of a kernel stands for, by the interface of the kernel.

use kforge_runtime::manifest::Place;
use naga::{AddressSpace, GlobalVariable};

/// Where it is bound.
pub(crate) fn place(variable: &GlobalVariable) -> Option<Place> {
    variable.binding.as_ref().map(|at| Place {
        group: at.group,
        binding: at.binding,
    })
}

/// Whether it holds the scalar arguments: the immediates, or the uniform buffer in their place.
pub(crate) fn holds_scalars(variable: &GlobalVariable, uniform: Option<Place>) -> bool {
    match variable.space {
        AddressSpace::Immediate => uniform.is_none(),
        AddressSpace::Uniform => uniform.is_some() && uniform == place(variable),
        _ => false,
    }
}
