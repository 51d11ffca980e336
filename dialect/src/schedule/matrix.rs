//! What the knob `matrix-unit` asks of a device.

use super::{Unfit, subgroup_size};
use crate::{Element, device::Device};

/// Elements of padding behind each row of a tile that matrices are read from.
pub const MATRIX_PADDING: i64 = 8;

/// The edge of the matrices that default schedules use; others were never measured.
pub(super) const EDGE: i64 = 16;

/// An edge of matrices, where there is one.
pub(super) fn matrix_unit(unfit: &mut Vec<Unfit>, value: Option<i64>) -> Option<i64> {
    let fits = |edge: &i64| [0, 8, 16].contains(edge);
    if let Some(edge) = value.filter(|edge| !fits(edge)) {
        let message = format!("matrix-unit is {edge}, expected 0, 8 or 16");
        unfit.push(Unfit(message));
    }
    value.filter(fits)
}

/// Whether the device multiplies such matrices, of elements if they are known. The size of
/// its subgroups if it does.
pub(super) fn matrix_shape(
    unfit: &mut Vec<Unfit>,
    edge: Option<i64>,
    element: Option<Element>,
    device: &Device,
) -> Option<i64> {
    let edge = edge.filter(|edge| *edge != 0)?;
    let products = format!("{edge}x{edge}x{edge}");
    let of = |element: Element| format!("{products}:{element}:f32");
    let known = &device.matrix_shapes;
    let has = match element {
        Some(element) => known.contains(&of(element)),
        None => [Element::F16, Element::F32]
            .iter()
            .any(|it| known.contains(&of(*it))),
    };
    if !has {
        let wanted = element.map_or(products.clone(), of);
        let known = match &known[..] {
            [] => "none".into(),
            shapes => shapes.join(", "),
        };
        unfit.push(Unfit(format!(
            "matrix-unit {edge} needs products {wanted}, the device '{}' has {known}",
            device.name
        )));
    }
    subgroup_size(unfit, ("matrix-unit", edge), device)
}
