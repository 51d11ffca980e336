//! What a kernel declares: its workgroup, its bindings, its memory.

use std::num::NonZeroU32;

use naga::{AddressSpace, ArraySize, Block, GlobalVariable, Handle, Module, Span, Type, TypeInner};

use super::{Operator, mutant};
use crate::kernel::{Edit, Kernel};

pub const OPERATORS: &[Operator] = &[
    mutant(
        "workgroup_halved",
        "a workgroup has half its invocations",
        |kernel| sized(kernel, |[x, y, z]| (x % 2 == 0).then_some([x / 2, y, z])),
    ),
    mutant(
        "workgroup_doubled",
        "a workgroup has twice its invocations",
        |kernel| {
            sized(kernel, |[x, y, z]| {
                (x * y * z <= 128).then_some([2 * x, y, z])
            })
        },
    ),
    mutant(
        "workgroup_turned",
        "a workgroup's rows and columns are exchanged",
        |kernel| sized(kernel, |[x, y, z]| (x != y).then_some([y, x, z])),
    ),
    mutant(
        "bindings_exchanged",
        "two buffers of a kernel are exchanged",
        |kernel| {
            let bound: Vec<_> = kernel
                .module()
                .global_variables
                .iter()
                .filter(|(_, variable)| variable.binding.is_some())
                .map(|(handle, _)| handle)
                .collect();
            let pairs = bound.windows(2).map(|pair| (pair[0], pair[1]));
            let exchange = |(a, b): (Handle<GlobalVariable>, Handle<GlobalVariable>)| {
                Edit::module(move |module: &mut Module| {
                    let first = module.global_variables[a].binding;
                    let second = module.global_variables[b].binding;
                    module.global_variables.get_mut(a).binding = second;
                    module.global_variables.get_mut(b).binding = first;
                })
            };
            pairs.map(exchange).collect()
        },
    ),
    mutant(
        "workgroup_memory_halved",
        "an array of workgroup memory has half its elements",
        |kernel| {
            let arrays = kernel.module().global_variables.iter();
            arrays
                .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
                .map(|(handle, _)| {
                    Edit::module(move |module: &mut Module| {
                        let old = module.types[module.global_variables[handle].ty].clone();
                        if let Some(half) = halved(old) {
                            let ty = module.types.insert(half, Span::UNDEFINED);
                            module.global_variables.get_mut(handle).ty = ty;
                        }
                    })
                })
                .collect()
        },
    ),
    mutant("empty", "a kernel does nothing", |_| {
        vec![Edit::module(|module| {
            module.entry_points[0].function.body = Block::new();
        })]
    }),
];

fn sized(kernel: &Kernel, other: fn([u32; 3]) -> Option<[u32; 3]>) -> Vec<Edit> {
    let size = other(kernel.module().entry_points[0].workgroup_size);
    let edit = |size| {
        Edit::module(move |module: &mut Module| module.entry_points[0].workgroup_size = size)
    };
    size.map(edit).into_iter().collect()
}

/// An array of half as many elements.
fn halved(ty: Type) -> Option<Type> {
    let TypeInner::Array { base, size, stride } = ty.inner else {
        return None;
    };
    let ArraySize::Constant(count) = size else {
        return None;
    };
    let size = ArraySize::Constant(NonZeroU32::new(count.get() / 2)?);
    let inner = TypeInner::Array { base, size, stride };
    Some(Type { name: None, inner })
}
