//! Grouping: which elementwise and moving ops share a kernel.
//!
//! A group is computed where its last op stands. Going backwards through a
//! function, an op joins the group that reads its result if no other does; the
//! result then lives in registers only. Ops that cost nothing (slices,
//! broadcasts, fills, and comparisons, whose i1 no buffer can hold) join every
//! group that reads them. Splat constants are literals.
//!
//! `tensor.concat` and `tensor.insert_slice` are units of several kernels, one
//! per piece, each a group of its own; a chain of insertions is one unit.
//!
//! An op stays alone where joining it would take more buffers than the device
//! has, more than 256 ops, or repeat its work for every element of a broadcast.

use std::collections::{HashMap, HashSet};

use kforge_dialect::{Element, ir};
use melior::ir::{OperationRef, Value, operation::OperationLike};

use super::{
    elementwise::{Literal, is_elementwise, sizes},
    movement,
    movement::{Movement, Piece, identity, pieces},
};

/// Ops of one group: bounds the size of kernels.
const MAX_OPS: usize = 256;

/// Identity of an op.
pub fn key(op: OperationRef) -> usize {
    op.to_raw().ptr as usize
}

/// What an op that groups are made of does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Computes every element from those at the same place.
    Compute,
    /// Rearranges its first operand.
    Move(Movement),
    /// The same literal everywhere.
    Fill(Literal),
}

impl Step {
    /// What `op` does, if groups can be made of it.
    pub fn of(op: OperationRef) -> Option<Self> {
        if is_elementwise(op) {
            return Some(Self::Compute);
        }
        let result = op.result(0).ok()?.into();
        sizes(result)?;
        let step = match ir::name(op) {
            "arith.constant" => Self::Fill(Literal::of(result)?),
            "tensor.splat" | "linalg.fill" => Self::Fill(Literal::of(op.operand(0).ok()?)?),
            _ => Self::Move(Movement::of(op)?),
        };
        // What is written over is not read; its contents must not matter.
        let overwritten = match ir::name(op) {
            "linalg.fill" | "linalg.transpose" | "linalg.broadcast" => op.operand(1).ok(),
            _ => None,
        };
        let fresh = |value| ir::defining(value).is_some_and(|op| ir::name(op) == "tensor.empty");
        overwritten.is_none_or(fresh).then_some(step)
    }

    /// The operands whose elements are read.
    pub fn reads<'c, 'a>(&self, op: OperationRef<'c, 'a>) -> Vec<Value<'c, 'a>> {
        match self {
            Self::Compute => op.operands().collect(),
            Self::Move(_) => op.operands().take(1).collect(),
            Self::Fill(_) => Vec::new(),
        }
    }

    /// Whether reading what it reads costs no more than reading its result.
    fn is_free(&self, op: OperationRef) -> bool {
        match self {
            Self::Compute => is_boolean(op),
            Self::Move(Movement::Transpose(_)) => false,
            Self::Move(_) | Self::Fill(_) => true,
        }
    }
}

fn is_boolean(op: OperationRef) -> bool {
    let ty = op
        .result(0)
        .ok()
        .and_then(|result| ir::tensor_type(result.into()));
    ty.is_some_and(|ty| ty.element == Element::I1)
}

/// Ops that one kernel computes.
#[derive(Clone, Debug)]
pub struct Group<'c, 'a> {
    /// What the kernel writes, and where.
    pub piece: Piece<'c, 'a>,
    /// The ops whose results live in registers only, by [`key`].
    pub ops: HashMap<usize, OperationRef<'c, 'a>>,
    /// Values read from memory so far.
    open: Vec<Value<'c, 'a>>,
    /// Ops of which one result element is read by many of the piece.
    repeated: HashSet<usize>,
}

impl<'c, 'a> Group<'c, 'a> {
    fn new(piece: Piece<'c, 'a>) -> Self {
        Self {
            open: vec![piece.value],
            piece,
            ops: HashMap::new(),
            repeated: HashSet::new(),
        }
    }

    /// Takes `op` in, if it fits.
    fn join(&mut self, op: OperationRef<'c, 'a>, step: &Step, buffers: usize) -> bool {
        let Ok(result) = op.result(0).map(Value::from) else {
            return false;
        };
        let mut open: Vec<Value> = self
            .open
            .iter()
            .copied()
            .filter(|value| *value != result)
            .collect();
        for value in step.reads(op) {
            if !open.contains(&value) && Literal::of(value).is_none() {
                open.push(value);
            }
        }
        let repeated = ir::users(result).into_iter().any(|user| {
            self.ops.contains_key(&key(user))
                && (self.repeated.contains(&key(user)) || ir::name(user) == "linalg.broadcast")
        });
        let repeats = repeated && matches!(step, Step::Compute) && !is_boolean(op);
        // The last buffer is the result's.
        if open.len() + 1 > buffers || self.ops.len() >= MAX_OPS || repeats {
            return false;
        }
        if repeated {
            self.repeated.insert(key(op));
        }
        self.open = open;
        self.ops.insert(key(op), op);
        true
    }
}

/// Groups that together compute one result.
#[derive(Clone, Debug)]
pub struct Unit<'c, 'a> {
    /// The op whose result it is.
    pub root: OperationRef<'c, 'a>,
    /// The ops that put the pieces together, where there are several.
    pub joins: Vec<OperationRef<'c, 'a>>,
    /// One kernel each, in this order.
    pub groups: Vec<Group<'c, 'a>>,
}

/// What becomes of an op of a function.
#[derive(Debug)]
pub enum Place<'p, 'c, 'a> {
    /// No group has it.
    Alone,
    /// Nothing is to be done: groups compute it, or nobody reads it.
    Absorbed,
    /// A unit is computed here.
    Root(&'p Unit<'c, 'a>),
}

/// The groups of a function.
#[derive(Debug, Default)]
pub struct Plan<'c, 'a> {
    units: HashMap<usize, Unit<'c, 'a>>,
    absorbed: HashSet<usize>,
    /// Unit (by its root) and number of the group of each op in groups.
    members: HashMap<usize, Vec<(usize, usize)>>,
    /// Ops of a chain of insertions, with the root of its unit.
    chained: HashMap<usize, usize>,
}

impl<'c, 'a> Plan<'c, 'a> {
    /// Groups `ops`, the body of a function, for kernels of at most `buffers`
    /// buffers.
    pub fn new(ops: &[OperationRef<'c, 'a>], buffers: usize) -> Self {
        let mut plan = Self::default();
        for op in ops.iter().rev() {
            if let Some(step) = Step::of(*op) {
                plan.place(*op, &step, buffers);
            } else if let Some(pieces) = pieces(*op) {
                plan.join(*op, pieces);
            }
        }
        plan
    }

    /// What becomes of `op`.
    pub fn of(&self, op: OperationRef) -> Place<'_, 'c, 'a> {
        match self.units.get(&key(op)) {
            Some(unit) => Place::Root(unit),
            None if self.absorbed.contains(&key(op)) => Place::Absorbed,
            None => Place::Alone,
        }
    }

    /// The groups that read `result`, and whether anything else does.
    fn readers(&self, result: Value<'c, 'a>) -> (Vec<(usize, usize)>, bool) {
        let (mut groups, mut outside) = (Vec::new(), false);
        for user in ir::users(result) {
            let before = groups.len();
            if let Some(root) = self.root_of(user) {
                let unit = &self.units[&root];
                let reading = unit.groups.iter().enumerate();
                groups.extend(
                    reading
                        .filter(|(_, group)| group.piece.value == result)
                        .map(|(number, _)| (root, number)),
                );
            } else if let Some(members) = self.members.get(&key(user)) {
                let reads = Step::of(user)
                    .map(|step| step.reads(user))
                    .unwrap_or_default();
                if reads.contains(&result) {
                    groups.extend(members);
                }
            } else if self.absorbed.contains(&key(user)) {
                // Nobody reads the user's result.
                continue;
            }
            outside |= groups.len() == before;
        }
        groups.sort_unstable();
        groups.dedup();
        (groups, outside)
    }

    /// The unit whose pieces `user` puts together.
    fn root_of(&self, user: OperationRef) -> Option<usize> {
        let root = *self.chained.get(&key(user))?;
        Some(root)
    }

    fn place(&mut self, op: OperationRef<'c, 'a>, step: &Step, buffers: usize) {
        let Ok(result) = op.result(0).map(Value::from) else {
            return;
        };
        let (readers, mut outside) = self.readers(result);
        if !(step.is_free(op) || (readers.len() == 1 && !outside)) {
            outside |= !readers.is_empty();
        }
        let joins = step.is_free(op) || !outside;
        for (root, number) in readers {
            let joined = joins
                && self
                    .units
                    .get_mut(&root)
                    .and_then(|unit| unit.groups.get_mut(number))
                    .is_some_and(|group| group.join(op, step, buffers));
            if joined {
                self.members
                    .entry(key(op))
                    .or_default()
                    .push((root, number));
            }
            outside |= !joined;
        }
        if !outside {
            self.absorbed.insert(key(op));
        } else if ir::name(op) != "arith.constant" {
            self.start(op, step, result, buffers);
        }
    }

    /// Makes a unit that ends with `op`.
    fn start(
        &mut self,
        op: OperationRef<'c, 'a>,
        step: &Step,
        result: Value<'c, 'a>,
        buffers: usize,
    ) {
        let Some(shape) = sizes(result) else {
            return;
        };
        let destination = movement::Access::new(&identity(shape.len()), &shape, shape.len());
        let mut group = Group::new(Piece {
            value: result,
            destination,
        });
        // Where its own operands are too many, conversion refuses the kernel.
        group.join(op, step, buffers.max(8));
        self.members.entry(key(op)).or_default().push((key(op), 0));
        let unit = Unit {
            root: op,
            joins: Vec::new(),
            groups: vec![group],
        };
        self.units.insert(key(op), unit);
    }

    /// A concatenation or an insertion: a unit, or the start of a chain.
    fn join(&mut self, op: OperationRef<'c, 'a>, pieces: Vec<Piece<'c, 'a>>) {
        let Ok(result) = op.result(0).map(Value::from) else {
            return;
        };
        let users = ir::users(result);
        if users.is_empty() {
            self.absorbed.insert(key(op));
            return;
        }
        let mut groups: Vec<Group> = pieces.into_iter().map(Group::new).collect();
        let follower = match users[..] {
            [user]
                if ir::name(op) == "tensor.insert_slice"
                    && ir::name(user) == "tensor.insert_slice" =>
            {
                self.root_of(user)
            }
            _ => None,
        };
        let chain = follower.and_then(|root| {
            let unit = self.units.get_mut(&root)?;
            (unit.groups[0].piece.value == result).then_some((root, unit))
        });
        if let Some((root, unit)) = chain {
            // What the follower would have copied is written in its place.
            groups.extend(unit.groups.drain(1..));
            unit.groups = groups;
            unit.joins.insert(0, op);
            for (_, members) in self.members.iter_mut() {
                for (_, number) in members.iter_mut().filter(|(own, _)| *own == root) {
                    *number += 1;
                }
            }
            self.absorbed.insert(key(op));
            self.chained.insert(key(op), root);
            return;
        }
        let unit = Unit {
            root: op,
            joins: vec![op],
            groups,
        };
        self.units.insert(key(op), unit);
        self.chained.insert(key(op), key(op));
    }
}
