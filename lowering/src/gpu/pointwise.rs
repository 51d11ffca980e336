//! The kernel of a group: every element of a piece of a result, computed from
//! elements of the group's inputs.
//!
//! All moving is linear in the coordinates, so an input is read at
//! offset + Σ stride · coordinate. Dimensions that every access walks alike are
//! merged first; then an access is as wide as the device allows and the result's
//! rows are divided by it. An input that lies likewise is read in vectors, one
//! that is the same along the last dimension is read once and spread, any other
//! lane by lane.
//!
//! On a CPU one workgroup, that is one invocation, computes 4,096 elements.

use std::collections::HashMap;

use kforge_dialect::{
    Element,
    device::{Device, Target},
    ir,
};
use melior::ir::{OperationRef, Value, ValueLike, operation::OperationLike};

use super::{
    elementwise::{Literal, compute, computed, sizes},
    group::{Group, Step, key},
    kernel::{Body, Emission, Frame, storage},
    movement::{Access, Map, identity},
};
use crate::{
    LoweringError,
    emit::{Emit, Emitted, Ix},
};

/// Invocations of a workgroup on a GPU.
const INVOCATIONS: i64 = 256;
/// Elements of a workgroup on a CPU.
const CPU_ELEMENTS: i64 = 4096;

/// An input and the ways it is read.
#[derive(Debug)]
struct Input<'c, 'a> {
    value: Value<'c, 'a>,
    element: Element,
    elements: i64,
    accesses: Vec<Access>,
}

/// A group as a kernel: all that its emission depends on.
#[derive(Debug)]
pub struct PointwiseKernel<'g, 'c, 'a> {
    name: String,
    group: &'g Group<'c, 'a>,
    /// Dimensions of the piece.
    rank: usize,
    inputs: Vec<Input<'c, 'a>>,
    /// Dimensions that are left, innermost of those merged, with their sizes.
    kept: Vec<(usize, i64)>,
    element: Element,
    /// Elements of the whole result.
    elements: i64,
    width: i64,
    invocations: i64,
    /// Accesses of one invocation.
    turns: i64,
}

/// How the lanes of one access lie in an input.
#[derive(Clone, Copy, PartialEq)]
enum Lanes {
    /// One vector.
    Vector,
    /// All at one place.
    Same,
    /// Anywhere.
    Apart,
}

impl Access {
    fn lanes(&self, kept: &[(usize, i64)], width: i64, elements: i64) -> Lanes {
        let Some(((last, _), outer)) = kept.split_last() else {
            return Lanes::Same;
        };
        let aligned = |stride: i64| stride % width == 0;
        match self.strides[*last] {
            0 => Lanes::Same,
            1 if width > 1
                && aligned(self.offset)
                && aligned(elements)
                && outer.iter().all(|(dim, _)| aligned(self.strides[*dim])) =>
            {
                Lanes::Vector
            }
            _ => Lanes::Apart,
        }
    }
}

impl<'g, 'c, 'a> PointwiseKernel<'g, 'c, 'a> {
    /// The kernel called `name` that writes the piece of `group` into a tensor of
    /// `elements` elements. None where the piece is empty.
    pub fn new(
        name: String,
        group: &'g Group<'c, 'a>,
        elements: i64,
        device: &Device,
    ) -> Emitted<Option<Self>> {
        let piece = &group.piece;
        let user = ir::users(piece.value)
            .into_iter()
            .next()
            .or(ir::defining(piece.value));
        let refused = |message: String| match user {
            Some(user) => LoweringError::at(user, message),
            None => kforge_dialect::Error::Message(message).into(),
        };
        let (Some(shape), Some(ty)) = (sizes(piece.value), ir::tensor_type(piece.value)) else {
            return Err(refused(
                "has no static shape; only such can be lowered".into(),
            ));
        };
        if shape.contains(&0) {
            return Ok(None);
        }
        if ty.element == Element::I1 {
            return Err(refused(
                "has a tensor of i1 that must be stored, and no buffer holds i1; use it in arith.select".into(),
            ));
        }
        let mut kernel = Self {
            name,
            group,
            rank: shape.len(),
            inputs: Vec::new(),
            kept: Vec::new(),
            element: ty.element,
            elements,
            width: 1,
            invocations: 1,
            turns: 1,
        };
        kernel.trace(piece.value, &identity(shape.len()))?;
        let buffers = kernel.inputs.len() as u64 + 1;
        if buffers > device.storage_buffers {
            let limit = device.storage_buffers;
            return Err(refused(format!(
                "reads {} tensors at once, the device '{}' has {limit} buffers, one for the result",
                buffers - 1,
                device.name
            )));
        }
        kernel.merge(&shape);
        kernel.choose_width(device);
        let accesses = kernel.accesses();
        match device.target {
            Target::Gpu => {
                kernel.invocations = accesses
                    .min(INVOCATIONS)
                    .min(device.max_invocations())
                    .max(1)
            }
            Target::Cpu => kernel.turns = (CPU_ELEMENTS / kernel.width).min(accesses),
        }
        Ok(Some(kernel))
    }

    /// The inputs, in the order of the kernel's arguments.
    pub fn inputs(&self) -> impl Iterator<Item = Value<'c, 'a>> {
        self.inputs.iter().map(|input| input.value)
    }

    /// Finds what is read for the elements of `value` that `map` gives.
    fn trace(&mut self, value: Value<'c, 'a>, map: &Map) -> Emitted<()> {
        if let Some(op) = self.computing(value) {
            match Step::of(op) {
                Some(Step::Move(movement)) => {
                    return self.trace(op.operand(0)?, &movement.source(map));
                }
                Some(Step::Fill(_)) => return Ok(()),
                _ => {
                    for operand in op.operands() {
                        self.trace(operand, map)?;
                    }
                    return Ok(());
                }
            }
        }
        if Literal::of(value).is_some() {
            return Ok(());
        }
        let (Some(shape), Some(ty)) = (sizes(value), ir::tensor_type(value)) else {
            return Ok(());
        };
        let access = Access::new(map, &shape, self.rank);
        match self.inputs.iter_mut().find(|input| input.value == value) {
            Some(input) if input.accesses.contains(&access) => {}
            Some(input) => input.accesses.push(access),
            None => self.inputs.push(Input {
                value,
                element: ty.element,
                elements: shape.iter().product(),
                accesses: vec![access],
            }),
        }
        Ok(())
    }

    /// The op of the group that computes `value`.
    fn computing(&self, value: Value<'c, 'a>) -> Option<OperationRef<'c, 'a>> {
        let op = ir::defining(value)?;
        self.group.ops.get(&key(op)).copied()
    }

    fn every_access(&self) -> impl Iterator<Item = &Access> {
        let read = self.inputs.iter().flat_map(|input| &input.accesses);
        read.chain([&self.group.piece.destination])
    }

    /// Leaves out dimensions of size 1 and merges those that all accesses walk
    /// through as through one.
    fn merge(&mut self, shape: &[i64]) {
        let mut kept: Vec<(usize, i64)> = Vec::new();
        for (dim, size) in shape.iter().enumerate().filter(|(_, size)| **size != 1) {
            let as_one = |outer: usize| {
                self.every_access()
                    .all(|access| access.strides[outer] == access.strides[dim] * size)
            };
            match kept.last_mut() {
                Some(last) if as_one(last.0) => *last = (dim, last.1 * size),
                _ => kept.push((dim, *size)),
            }
        }
        self.kept = kept;
    }

    fn choose_width(&mut self, device: &Device) {
        let Some((_, size)) = self.kept.last().copied() else {
            return;
        };
        let destination = &self.group.piece.destination;
        let mut width = device.max_vector();
        while width > 1
            && !(size % width == 0
                && destination.lanes(&self.kept, width, self.elements) == Lanes::Vector)
        {
            width /= 2;
        }
        self.width = width.max(1);
    }

    /// Accesses of the whole piece.
    fn accesses(&self) -> i64 {
        self.kept.iter().map(|(_, size)| size).product::<i64>() / self.width
    }

    /// Elements per access of an input's view: vectors where all its uses are.
    fn view_width(&self, input: &Input) -> i64 {
        let vector =
            |access: &Access| access.lanes(&self.kept, self.width, input.elements) == Lanes::Vector;
        if input.accesses.iter().all(vector) {
            self.width
        } else {
            1
        }
    }

    /// Emits the kernel. Arguments: the inputs, then the result.
    pub fn emit(&self, kernels: &Emit<'c, 'a>) -> Emitted<Emission<'c, 'a>> {
        let mut arguments: Vec<_> = self
            .inputs
            .iter()
            .map(|input| {
                let width = self.view_width(input);
                storage(kernels, &[input.elements / width], input.element, width)
            })
            .collect();
        arguments.push(storage(
            kernels,
            &[self.elements / self.width],
            self.element,
            self.width,
        ));
        let accesses = self.accesses();
        let per_workgroup = self.invocations * self.turns;
        let frame = Frame {
            name: self.name.clone(),
            arguments,
            workgroup: Vec::new(),
            invocations: self.invocations,
            workgroups: accesses.unsigned_abs().div_ceil(per_workgroup as u64) as i64,
        };
        let bound = frame.workgroups * per_workgroup;
        let kernel = frame.kernel(kernels, |emit, body| {
            let first =
                emit.shared(&body.workgroup_id * per_workgroup + body.invocation.clone())?;
            let element = |emit: &Emit<'c, 'a>, number: Ix<'c, 'a>| {
                let inside = emit.below(&number, bound, accesses)?;
                emit.when_some(inside, |emit| self.element(emit, body, &number))
            };
            if self.turns == 1 {
                return element(emit, first);
            }
            emit.for_loop(
                &Ix::Const(0),
                &Ix::Const(self.turns),
                1,
                &[],
                |emit, turn, _| {
                    element(emit, emit.shared(turn + first.clone())?)?;
                    Ok(Vec::new())
                },
            )?;
            Ok(())
        })?;
        Ok(Emission { frame, kernel })
    }

    /// Access number `number` of the piece.
    fn element(
        &self,
        emit: &Emit<'c, 'a>,
        body: &Body<'c, 'a>,
        number: &Ix<'c, 'a>,
    ) -> Emitted<()> {
        let mut rest = number.clone();
        let mut at = vec![Ix::Const(0); self.rank];
        for (index, (dim, size)) in self.kept.iter().enumerate().rev() {
            let last = index + 1 == self.kept.len();
            let count = if last { size / self.width } else { *size };
            at[*dim] = match index {
                0 => rest.clone(),
                _ => emit.shared(&rest % count)?,
            };
            if index > 0 {
                rest = emit.shared(rest / count)?;
            }
        }
        let mut evaluation = Evaluation {
            kernel: self,
            body,
            at,
            known: HashMap::new(),
        };
        let piece = &self.group.piece;
        let value = evaluation.value(emit, piece.value, &identity(self.rank))?;
        let element = self.element.to_mlir(emit.context);
        let value = match self.element {
            Element::F16 => emit.from_f32(value, element, self.width)?,
            _ => value,
        };
        let place = evaluation.place(&piece.destination, self.width);
        emit.store(value, body.arguments[self.inputs.len()], &[place])
    }
}

/// One access being computed.
struct Evaluation<'k, 'g, 'c, 'a> {
    kernel: &'k PointwiseKernel<'g, 'c, 'a>,
    body: &'k Body<'c, 'a>,
    /// Coordinates; the last one that is left counts in accesses.
    at: Vec<Ix<'c, 'a>>,
    known: HashMap<(usize, Map), Value<'c, 'a>>,
}

impl<'c, 'a> Evaluation<'_, '_, 'c, 'a> {
    /// The elements of `value` that `map` gives.
    fn value(
        &mut self,
        emit: &Emit<'c, 'a>,
        value: Value<'c, 'a>,
        map: &Map,
    ) -> Emitted<Value<'c, 'a>> {
        let name = (value.to_raw().ptr as usize, map.clone());
        if let Some(known) = self.known.get(&name) {
            return Ok(*known);
        }
        let element = ir::tensor_type(value).map_or(Element::F32, |ty| ty.element);
        let width = self.kernel.width;
        let result = match self.kernel.computing(value) {
            Some(op) => match Step::of(op) {
                Some(Step::Move(movement)) => {
                    self.value(emit, op.operand(0)?, &movement.source(map))?
                }
                Some(Step::Fill(literal)) => literal.emit(emit, element, width)?,
                _ => {
                    let operands = op
                        .operands()
                        .map(|operand| self.value(emit, operand, map))
                        .collect::<Emitted<Vec<_>>>()?;
                    compute(emit, op, &operands, width)?
                }
            },
            None => match Literal::of(value) {
                Some(literal) => literal.emit(emit, element, width)?,
                None => self.read(emit, value, map)?,
            },
        };
        self.known.insert(name, result);
        Ok(result)
    }

    fn read(&self, emit: &Emit<'c, 'a>, value: Value<'c, 'a>, map: &Map) -> Emitted<Value<'c, 'a>> {
        let kernel = self.kernel;
        let found = kernel.inputs.iter().position(|input| input.value == value);
        let (Some(index), Some(shape)) = (found, sizes(value)) else {
            let message = format!("the value {value} is no input of kernel '{}'", kernel.name);
            return Err(kforge_dialect::Error::Message(message).into());
        };
        let input = &kernel.inputs[index];
        let (memory, width) = (self.body.arguments[index], kernel.width);
        let access = Access::new(map, &shape, kernel.rank);
        let element = input.element.to_mlir(emit.context);
        let widened = |value, width| match input.element {
            Element::F16 => emit.to_f32(value, element, width),
            _ => Ok(value),
        };
        if width > 1 && kernel.view_width(input) == width {
            return widened(emit.load(memory, &[self.place(&access, width)])?, width);
        }
        let ty = computed(input.element).to_mlir(emit.context);
        let start = emit.shared(self.place(&access, 1))?;
        let lane = |offset: i64| -> Emitted<Value<'c, 'a>> {
            widened(emit.load(memory, &[&start + offset])?, 1)
        };
        if width == 1 || access.lanes(&kernel.kept, width, input.elements) == Lanes::Same {
            return emit.broadcast(lane(0)?, ty, width);
        }
        let stride = kernel
            .kept
            .last()
            .map_or(0, |(dim, _)| access.strides[*dim]);
        let lanes = (0..width)
            .map(|number| lane(number * stride))
            .collect::<Emitted<Vec<_>>>()?;
        emit.compose(&lanes, ty)
    }

    /// The index of an access in a view of `view` elements each.
    fn place(&self, access: &Access, view: i64) -> Ix<'c, 'a> {
        let mut place = Ix::Const(access.offset / view);
        let count = self.kernel.kept.len();
        for (index, (dim, _)) in self.kernel.kept.iter().enumerate() {
            let elements = if index + 1 == count {
                self.kernel.width
            } else {
                1
            };
            place = place + &self.at[*dim] * (access.strides[*dim] * elements / view);
        }
        place
    }
}
