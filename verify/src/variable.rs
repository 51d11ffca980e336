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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_immediates_or_the_uniform_in_their_place() {
        let text = "
            var<immediate> passed: u32;
            @group(0) @binding(1) var<uniform> sizes: vec4<u32>;
            @group(0) @binding(2) var<storage, read> x: array<u32>;
            var<workgroup> s: u32;
            @compute @workgroup_size(1) fn main() {}";
        let module = naga::front::wgsl::parse_str(text).unwrap();
        let at = |binding| Some(Place { group: 0, binding });
        for (uniform, expected) in [
            (None, [true, false, false, false]),
            (at(1), [false, true, false, false]),
            (at(3), [false; 4]),
            // A buffer is none, wherever it stands.
            (at(2), [false; 4]),
        ] {
            let variables = module.global_variables.iter();
            let found: Vec<bool> = variables
                .map(|(_, variable)| holds_scalars(variable, uniform))
                .collect();
            assert_eq!(found, expected, "{uniform:?}");
        }
    }
}
