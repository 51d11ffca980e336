//! Cooperative matrices: what a subgroup loads and stores together.
//!
//! A load reads every row (or column) of the matrix, a stretch of bytes, in every invocation.
//! A store writes them; who of the subgroup writes which element is open, so the first one is
//! said to write all. That is as careful as can be: whoever else of the subgroup reads or writes
//! there without a barrier between races with it.
//!
//! Only where the whole subgroup takes part, and its size is the kernel's. A store is at one place
//! for all of a subgroup.

use naga::{CooperativeData, CooperativeSize, Expression, Handle, Span, TypeInner};

use super::{Done, Value, Walk, memory::Root};
use crate::prove::{
    expr::{Atom, DATA, Expr, Int, LOCAL, LOCALS, Node, Test, Vars},
    trace::{Item, Kind},
};

/// Invocations of a workgroup whose ids are tried.
const MOST_INVOCATIONS: i64 = 4096;
/// Steps in which a place is shown to be that of a subgroup.
const STEPS: u32 = 256;

impl Walk<'_> {
    /// The number of an invocation in its workgroup.
    pub(super) fn local_index(&mut self) -> Expr {
        let size = self.code.entry().workgroup_size;
        let pool = &mut self.terrain.pool;
        let [x, y, z] = LOCAL.map(|var| pool.variable(var));
        let row = pool.add_scaled(x, y, i64::from(size[0]));
        pool.add_scaled(row, z, i64::from(size[0]) * i64::from(size[1]))
    }

    /// The number of an invocation's subgroup, where the kernel says how large they are: runs
    /// of invocations, which whole ones fill.
    pub(super) fn subgroup_number(&mut self) -> Option<Expr> {
        let size = self.subgroup_size()?;
        let index = self.local_index();
        let by = self.terrain.pool.constant(size);
        let place = self.place;
        Some(self.terrain.quotient(place, Int::Unsigned, index, by))
    }

    fn subgroup_size(&self) -> Option<i64> {
        let size = i64::from(self.launch.subgroup_size);
        let invocations: i64 = self
            .code
            .entry()
            .workgroup_size
            .iter()
            .map(|size| i64::from(*size))
            .product();
        (size > 0 && invocations % size == 0).then_some(size)
    }

    /// A load of a matrix.
    pub(super) fn load_matrix(
        &mut self,
        size: (CooperativeSize, CooperativeSize),
        data: &CooperativeData,
        span: Span,
    ) -> Done<Value> {
        self.together(span)?;
        self.stretches(size, data, Kind::Read, span)?;
        Ok(Value::Data)
    }

    /// A store of a matrix.
    pub(super) fn store_matrix(
        &mut self,
        target: Handle<Expression>,
        data: &CooperativeData,
        span: Span,
    ) -> Done {
        self.together(span)?;
        let types = &self.code.module.types;
        let TypeInner::CooperativeMatrix { columns, rows, .. } =
            *self.info()[target].ty.inner_with(types)
        else {
            return self.outside(span, "it stores what is no matrix");
        };
        let Some(size) = self.subgroup_size() else {
            return self.outside(span, "it stores a matrix, and its subgroups have no size");
        };
        if let Value::Pointer(at) = self.value(data.pointer)?
            && let Some(address) = at.address
            && !self.is_of_subgroup(address, size, &mut { STEPS })
        {
            return self.outside(span, "it stores a matrix where not all of a subgroup may");
        }
        let index = self.local_index();
        let by = self.terrain.pool.constant(size);
        let lane = self.terrain.remainder(self.place, Int::Unsigned, index, by);
        let first = self.terrain.pool.test(Test::Zero(lane));
        let around = (self.place, std::mem::take(&mut self.items));
        self.place = self.terrain.enter(self.place, first);
        self.path.push(first);
        let done = self.stretches((columns, rows), data, Kind::Write, span);
        self.path.pop();
        self.place = around.0;
        let accept = std::mem::replace(&mut self.items, around.1);
        self.items.push(Item::If {
            cond: first,
            accept,
            reject: Vec::new(),
        });
        done
    }

    /// Control flow that some of a subgroup may not follow is outside.
    fn together(&self, span: Span) -> Done {
        let pool = &self.terrain.pool;
        let mut path = self.path.iter();
        let branch = path.any(|cond| self.is_apart(pool.cond_vars(*cond)));
        let ragged = self.loops.iter().any(|frame| self.is_apart(frame.depends));
        match branch || ragged {
            true => self.outside(span, "it has a matrix operation that not all may reach"),
            false => Ok(()),
        }
    }

    /// Whether something may differ within a subgroup.
    const fn is_apart(&self, vars: Vars) -> bool {
        vars & (LOCALS | DATA | self.lanes) != 0
    }

    /// Whether a number is shown to be the same for all of a subgroup, in so many steps.
    fn is_of_subgroup(&self, number: Expr, size: i64, left: &mut u32) -> bool {
        let pool = &self.terrain.pool;
        let (terms, _) = pool.terms(number);
        let apart = terms.iter().copied();
        let apart = apart.filter(|(atom, _)| self.is_apart(pool.atom_vars(*atom)));
        let (by_ids, others): (Vec<_>, Vec<_>) =
            apart.partition(|(atom, _)| pool.atom_vars(*atom) & !LOCALS == 0);
        if *left == 0 {
            return false;
        }
        *left -= 1;
        let mut both =
            |a, b| self.is_of_subgroup(a, size, left) && self.is_of_subgroup(b, size, left);
        let mut of_parts = |atom: Atom| match pool.of(atom) {
            Node::Div(a, b)
            | Node::Rem(a, b)
            | Node::Min(a, b)
            | Node::Max(a, b)
            | Node::Mul(a, b)
            | Node::Bits(_, _, a, b) => both(a, b),
            Node::Select(cond, a, b) => !self.is_apart(pool.cond_vars(cond)) && both(a, b),
            Node::Var(_) | Node::Wrap(..) | Node::Data(..) => false,
        };
        others.iter().all(|(atom, _)| of_parts(*atom)) && self.is_same_within(&by_ids, size)
    }

    /// Likewise of a sum that depends on ids alone, by trying them.
    fn is_same_within(&self, terms: &[(Atom, i64)], size: i64) -> bool {
        if terms.is_empty() {
            return true;
        }
        let counts = self.code.entry().workgroup_size.map(i64::from);
        let invocations = counts.iter().product::<i64>();
        if invocations > MOST_INVOCATIONS {
            return false;
        }
        let pool = &self.terrain.pool;
        let mut env = vec![0; pool.var_count()];
        let mut first = None;
        (0..invocations).all(|index| {
            let mut rest = index;
            for (var, count) in LOCAL.iter().zip(counts) {
                env[*var as usize] = rest % count;
                rest /= count;
            }
            let mut sum = Some(0_i64);
            for (atom, factor) in terms {
                let term = pool.eval_atom(*atom, &env);
                let term = term.and_then(|value| value.checked_mul(*factor));
                sum = sum.zip(term).and_then(|(sum, term)| sum.checked_add(term));
            }
            if index % size == 0 {
                first = sum;
            }
            sum.is_some() && sum == first
        })
    }

    /// The stretches of memory that a matrix lies in.
    fn stretches(
        &mut self,
        (columns, rows): (CooperativeSize, CooperativeSize),
        data: &CooperativeData,
        kind: Kind,
        span: Span,
    ) -> Done {
        let Value::Pointer(at) = self.value(data.pointer)? else {
            return self.outside(span, "it has a matrix at a pointer that is not known");
        };
        let Root::Global(global) = at.root else {
            return self.outside(span, "it has a matrix in a local variable");
        };
        let stride = self.index(data.stride)?;
        let element = self.pointee(data.pointer);
        let (bytes, scalar) = match element {
            Some(TypeInner::Scalar(scalar)) => (i64::from(scalar.width), scalar.width),
            Some(TypeInner::Vector { size, scalar }) => {
                (i64::from(scalar.width) * size as i64, scalar.width)
            }
            _ => return self.outside(span, "it has a matrix of elements that are no numbers"),
        };
        let (Some(stride), Some(address), Some((memory, offset, room))) = (
            self.terrain.pool.known(stride),
            at.address,
            self.memory(global, span)?,
        ) else {
            return self.outside(span, "it has a matrix whose place or stride is not known");
        };
        let (count, length) = match data.row_major {
            true => (rows as i64, columns as i64),
            false => (columns as i64, rows as i64),
        };
        let (pitch, size) = (stride * bytes, length * i64::from(scalar));
        let last = self.terrain.pool.constant((count - 1) * pitch + size - 1);
        let end = self.terrain.pool.add(address, last);
        let what = self.name(&at);
        self.bound(end, room, &what, span);
        let start = self.terrain.pool.offset(address, offset);
        for number in 0..count {
            let address = self.terrain.pool.offset(start, number * pitch);
            self.access(memory, kind, address, size, span);
        }
        Ok(())
    }
}
