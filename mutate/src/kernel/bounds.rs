//! Whether a kernel ever leaves its buffers and arrays.
//!
//! Before each access of an element its index is compared with the count; where it is too
//! large the kernel writes behind its output, which the gate sees. Where indices depend on
//! no data, one run shows it for every invocation.

use std::{cell::RefCell, collections::BTreeMap};

use naga::{
    AddressSpace, ArraySize, BinaryOperator, Expression, Handle, Literal, ScalarKind, TypeInner,
};

use super::{
    Kernel, KernelError, Watched,
    rebuild::rebuild,
    tripwire::{alarm, wire},
};

/// The kernel with a wire at every access; `elements` are those of each binding, as its
/// array counts them in bytes.
pub fn watch_bounds(
    kernel: &Kernel,
    bytes: &BTreeMap<u32, u64>,
    place: Watched,
) -> Result<Option<String>, KernelError> {
    let mut module = kernel.module().clone();
    let counts = counts(kernel, bytes);
    let wires: RefCell<Vec<Handle<Expression>>> = RefCell::new(Vec::new());
    let function = &mut module.entry_points[0].function;
    let old = function.expressions.clone();
    rebuild(function, &mut |builder, handle, expression| {
        let Expression::Access { index, .. } = expression else {
            return builder.add(expression);
        };
        let count = match &old[handle] {
            Expression::Access { base, .. } => match old[*base] {
                Expression::GlobalVariable(variable) => counts.get(&variable).copied(),
                _ => None,
            },
            _ => None,
        };
        let Some(count) = count else {
            return builder.add(expression);
        };
        let unsigned = builder.add(Expression::As {
            expr: index,
            kind: ScalarKind::Uint,
            convert: Some(4),
        });
        let limit = builder.add(Expression::Literal(Literal::U32(count)));
        let outside = builder.add(Expression::Binary {
            op: BinaryOperator::GreaterEqual,
            left: unsigned,
            right: limit,
        });
        wires.borrow_mut().push(outside);
        builder.add(expression)
    });
    let Some(alarm) = alarm(&mut module, place) else {
        return Ok(None);
    };
    let function = &mut module.entry_points[0].function;
    let mut body = std::mem::take(&mut function.body);
    for outside in wires.into_inner() {
        // What nobody emits is never computed.
        wire(&mut body, outside, &alarm);
    }
    function.body = body;
    Kernel::of(module)?.text().map(Some)
}

/// Elements of every buffer and array, as its own element type counts them.
fn counts(
    kernel: &Kernel,
    bytes: &BTreeMap<u32, u64>,
) -> BTreeMap<Handle<naga::GlobalVariable>, u32> {
    let module = kernel.module();
    let variables = module.global_variables.iter();
    variables
        .filter_map(|(handle, variable)| {
            let TypeInner::Array { base, size, .. } = module.types[variable.ty].inner else {
                return None;
            };
            let count = match (variable.space, size) {
                (AddressSpace::WorkGroup, ArraySize::Constant(count)) => count.get(),
                (AddressSpace::Storage { .. }, _) => {
                    let element = module.types[base].inner.size(module.to_ctx()).max(1);
                    let bytes = bytes.get(&variable.binding.as_ref()?.binding)?;
                    u32::try_from(bytes / u64::from(element)).ok()?
                }
                _ => return None,
            };
            Some((handle, count))
        })
        .collect()
}
