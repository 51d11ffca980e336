//! An op at the mandatory shapes, around what its kernel declares as its tile.
//!
//! Ranks, transposes, which batch dimensions are broadcast and the form of a mask stay. A rule of the
//! interface moves a size to the nearest one that the kernel takes.
//! Without a tile: the larger side of the workgroup for a product, its invocations for rows.
//! Does nothing for programs of several ops, and ops that have no list.
//! Limits: tiles count up to 128, workgroups of rows up to 1024.

use std::collections::BTreeMap;

use kforge_oracle::{
    AttentionShape, Op, Program, TensorType, ValueId, attention_shapes, chain_shapes,
    matmul_shapes, mlp_shapes, rope_shapes, row_shapes,
};

use super::{
    dims::single,
    interface::{Interface, Rule},
};

/// Largest tile that counts.
const MAX_TILE: usize = 128;
/// Largest workgroup of rows that counts.
const MAX_ROWS: usize = 1024;
/// A size beyond tiles and workgroups: each size of a product and of rows, the queries and the
/// keys of an attention are that large once, the elements of a row four times as large, so that a
/// kernel which is right for small ones alone is not believed.
const FAR: usize = 1031;

/// Where sizes are chosen.
struct Chooser<'i> {
    interface: &'i Interface,
    workgroup: [u32; 3],
}

impl Chooser<'_> {
    /// The nearest size that the kernel takes.
    fn allowed(&self, name: &str, size: usize) -> usize {
        self.interface
            .shapes
            .get(name)
            .map_or(size, |rule| rule.nearest(size))
    }

    fn tile(&self, name: &str, default: usize) -> usize {
        let stated = self.interface.tile.get(name);
        stated
            .map_or(default, |tile| *tile as usize)
            .clamp(1, MAX_TILE)
    }

    fn invocations(&self) -> usize {
        self.workgroup.iter().map(|size| *size as usize).product()
    }

    fn side(&self) -> usize {
        self.workgroup[0].max(self.workgroup[1]) as usize
    }
}

impl Rule {
    /// Whether a size is within the rule.
    pub fn takes(&self, size: usize) -> bool {
        let is = |limit: Option<u32>, holds: fn(usize, usize) -> bool| {
            limit.is_none_or(|limit| holds(size, limit as usize))
        };
        is(self.multiple, |size, of| size.is_multiple_of(of.max(1)))
            && is(self.most, |size, most| size <= most)
            && is(self.least, |size, least| size >= least)
            && is(self.exactly, |size, only| size == only)
    }

    /// The nearest size within the rule: upwards to a multiple, unless that is too large.
    fn nearest(&self, size: usize) -> usize {
        if let Some(only) = self.exactly {
            return only as usize;
        }
        let multiple = self.multiple.unwrap_or(1).max(1) as usize;
        let up = size.max(self.least.unwrap_or(1) as usize);
        let up = up.next_multiple_of(multiple);
        match self.most.map(|most| most as usize) {
            Some(most) if up > most => (most / multiple * multiple).max(1),
            _ => up,
        }
    }
}

/// Every mandatory shape of `program` that the interface admits, its own left out. A program
/// is called by its sizes.
pub(crate) fn programs(
    program: &Program,
    interface: &Interface,
    workgroup: [u32; 3],
) -> Vec<Program> {
    let Some(op) = single(program) else {
        return Vec::new();
    };
    let chooser = Chooser {
        interface,
        workgroup,
    };
    let shapes: BTreeMap<&str, &[usize]> = op
        .operands()
        .into_iter()
        .map(|(name, id)| (name, &program.inputs[id.0 as usize].ty.shape[..]))
        .collect();
    let lists = match op {
        Op::Matmul {
            transpose_a,
            transpose_b,
            ..
        } => matmul(&chooser, &shapes, *transpose_a, *transpose_b),
        Op::Softmax { axis, .. } | Op::LayerNorm { axis, .. } | Op::RmsNorm { axis, .. } => {
            rows(&chooser, &shapes, *axis)
        }
        Op::Attention { .. } => attention(&chooser, &shapes),
        Op::Mlp {
            transpose_weights, ..
        } => mlp(&chooser, &shapes, *transpose_weights),
        Op::Rope { .. } => rope(&chooser, &shapes),
        Op::Activation { .. }
        | Op::Unary { .. }
        | Op::Binary { .. }
        | Op::Fma { .. }
        | Op::Compare { .. }
        | Op::Select { .. }
        | Op::Cast { .. } => elementwise(&chooser, &shapes),
        _ => Vec::new(),
    };
    let mut found: Vec<Program> = Vec::new();
    for sizes in lists {
        let Some(other) = at(program, op, &sizes) else {
            continue;
        };
        let is_new = |known: &Program| known.inputs != other.inputs;
        let own = program.inputs.iter().map(|input| &input.ty);
        if found.iter().all(is_new) && !own.eq(other.inputs.iter().map(|input| &input.ty)) {
            found.push(other);
        }
    }
    found
}

/// Shapes of operands by name, and of the result.
type Sizes = BTreeMap<&'static str, Vec<usize>>;

/// `program` with operands of other shapes; none where its op does not take them.
fn at(program: &Program, op: &Op, sizes: &Sizes) -> Option<Program> {
    let mut other = Program {
        nodes: Vec::new(),
        outputs: vec![ValueId(program.inputs.len() as u32)],
        ..program.clone()
    };
    let mut texts = Vec::new();
    for (name, id) in op.operands() {
        let input = other.inputs.get_mut(id.0 as usize)?;
        input.ty = TensorType::new(input.ty.dtype, sizes.get(name)?);
        texts.push(input.ty.to_string());
    }
    let node = program.nodes.first()?;
    let ty = TensorType::new(node.ty.dtype, sizes.get("out")?);
    other.push(&node.stage, op.clone(), ty);
    other.name = format!("{} at ({})", node.stage, texts.join(", "));
    other.validate().ok()?;
    Some(other)
}

fn matmul(
    chooser: &Chooser,
    own: &BTreeMap<&str, &[usize]>,
    transpose_a: bool,
    transpose_b: bool,
) -> Vec<Sizes> {
    let side = chooser.side().clamp(4, 64);
    let tile = (
        chooser.tile("m", side),
        chooser.tile("n", side),
        chooser.tile("k", side.min(16)),
    );
    let leading = |name: &str| own.get(name).and_then(|it| it.split_last_chunk::<2>());
    let (Some((batch_a, _)), Some((batch_b, _))) = (leading("a"), leading("b")) else {
        return Vec::new();
    };
    let far = [(FAR, 5, 7), (5, FAR, 7), (5, 7, FAR)];
    let shapes = matmul_shapes(tile).into_iter().chain(far).enumerate();
    let sizes = shapes.map(|(number, (m, n, k))| {
        let [m, n, k] = [("m", m), ("n", n), ("k", k)].map(|(name, it)| chooser.allowed(name, it));
        let (batch_a, batch_b) = (batch(batch_a, number), batch(batch_b, number));
        let matrix = |batch: &[usize], rows, columns, transposed| match transposed {
            true => [batch, &[columns, rows]].concat(),
            false => [batch, &[rows, columns]].concat(),
        };
        let out = matrix(&broadcast(&batch_a, &batch_b), m, n, false);
        Sizes::from([
            ("a", matrix(&batch_a, m, k, transpose_a)),
            ("b", matrix(&batch_b, k, n, transpose_b)),
            ("bias", vec![n]),
            ("residual", out.clone()),
            ("out", out),
        ])
    });
    sizes.collect()
}

/// Batch dimensions of case `number`, counted from the last so that both operands agree; 1
/// stays, because it may be broadcast.
fn batch(own: &[usize], number: usize) -> Vec<usize> {
    let size = |(index, size): (usize, &usize)| match size {
        1 => 1,
        _ => [2, 3, 1][(number + own.len() - index) % 3],
    };
    own.iter().enumerate().map(size).collect()
}

/// As in NumPy, of dimensions that do.
fn broadcast(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], index: usize| {
        let index = (index + dims.len()).checked_sub(rank);
        index.map_or(1, |index| dims[index])
    };
    let size = |index| match (at(a, index), at(b, index)) {
        (1, size) | (size, _) => size,
    };
    (0..rank).map(size).collect()
}

fn rows(chooser: &Chooser, own: &BTreeMap<&str, &[usize]>, axis: i64) -> Vec<Sizes> {
    let workgroup = match chooser.interface.tile.get("n") {
        Some(tile) => *tile as usize,
        None => chooser.invocations(),
    };
    let Some(rank) = own.get("x").map(|x| x.len()).filter(|rank| *rank > 0) else {
        return Vec::new();
    };
    let axis = axis.rem_euclid(rank as i64) as usize;
    let outer = match axis + 1 == rank {
        true => rank.checked_sub(2),
        false => Some(rank - 1),
    };
    let shapes = row_shapes(workgroup.clamp(1, MAX_ROWS), 1).into_iter();
    let shapes = shapes.chain([(3, 4 * FAR), (FAR, 5)]);
    let sizes = shapes.map(|(rows, n)| {
        let (rows, n) = (chooser.allowed("rows", rows), chooser.allowed("n", n));
        let mut x = vec![1; rank];
        x[axis] = n;
        if let Some(outer) = outer {
            x[outer] = rows;
        }
        Sizes::from([
            ("out", x.clone()),
            ("x", x),
            ("gamma", vec![n]),
            ("beta", vec![n]),
        ])
    });
    sizes.collect()
}

fn attention(chooser: &Chooser, own: &BTreeMap<&str, &[usize]>) -> Vec<Sizes> {
    let default = chooser.invocations().clamp(4, 64);
    let (q, k) = (chooser.tile("sq", default), chooser.tile("sk", default));
    let last = |name: &str| own.get(name).and_then(|shape| shape.last());
    let same_depth = last("q") == last("v");
    let far = |queries, keys| AttentionShape {
        batch: 1,
        heads: 1,
        kv_heads: 1,
        queries,
        keys,
        depth: 8,
    };
    let shapes = attention_shapes(q, k).into_iter();
    let shapes = shapes.chain([far(FAR, 5), far(5, FAR)]);
    let sizes = shapes.map(|shape| {
        let AttentionShape {
            batch,
            heads,
            kv_heads,
            queries,
            keys,
            depth,
        } = shape;
        let named = [
            ("b", batch),
            ("h", heads),
            ("hkv", kv_heads),
            ("sq", queries),
            ("sk", keys),
            ("d", depth),
        ];
        let [b, h, hkv, sq, sk, d] = named.map(|(name, size)| chooser.allowed(name, size));
        let dv = match same_depth {
            true => d,
            false => chooser.allowed("dv", d + 3),
        };
        let scores = [b, h, sq, sk];
        let mask = own.get("mask").map_or_else(Vec::new, |own| {
            let scores = &scores[4_usize.saturating_sub(own.len())..];
            let size = |(own, size): (&usize, &usize)| if *own == 1 { 1 } else { *size };
            own.iter().zip(scores).map(size).collect()
        });
        Sizes::from([
            ("q", vec![b, h, sq, d]),
            ("k", vec![b, hkv, sk, d]),
            ("v", vec![b, hkv, sk, dv]),
            ("mask", mask),
            ("out", vec![b, h, sq, dv]),
        ])
    });
    sizes.collect()
}

fn mlp(chooser: &Chooser, own: &BTreeMap<&str, &[usize]>, transpose: bool) -> Vec<Sizes> {
    let side = chooser.side().clamp(4, 64);
    let tile = ["m", "n", "k"].map(|name| chooser.tile(name, side));
    let rank = own.get("x").map_or(2, |x| x.len()).max(2);
    let weight = |inner: usize, outer: usize| match transpose {
        true => vec![outer, inner],
        false => vec![inner, outer],
    };
    let shapes = mlp_shapes((tile[0], tile[1], tile[2])).into_iter();
    let sizes = shapes.map(|(m, k, hidden, n)| {
        let named = [("m", m), ("k", k), ("hidden", hidden), ("n", n)];
        let [m, k, hidden, n] = named.map(|(name, size)| chooser.allowed(name, size));
        let of_rows = |width: usize| {
            let mut shape = vec![1; rank];
            (shape[rank - 2], shape[rank - 1]) = (m, width);
            shape
        };
        Sizes::from([
            ("x", of_rows(k)),
            ("up", weight(k, hidden)),
            ("gate", weight(k, hidden)),
            ("down", weight(hidden, n)),
            ("up_bias", vec![hidden]),
            ("gate_bias", vec![hidden]),
            ("down_bias", vec![n]),
            ("out", of_rows(n)),
        ])
    });
    sizes.collect()
}

fn rope(chooser: &Chooser, own: &BTreeMap<&str, &[usize]>) -> Vec<Sizes> {
    let shared = own.get("positions").is_none_or(|it| it.len() == 1);
    let shapes = rope_shapes(chooser.invocations().clamp(1, MAX_ROWS)).into_iter();
    let sizes = shapes.map(|shape| {
        let named = [
            ("b", shape.batch),
            ("h", shape.heads),
            ("s", shape.sequence),
            ("d", shape.size),
        ];
        let [b, h, s, d] = named.map(|(name, size)| chooser.allowed(name, size));
        Sizes::from([
            ("x", vec![b, h, s, d]),
            ("positions", if shared { vec![s] } else { vec![b, s] }),
            ("inv_freq", vec![(d / 2).max(1)]),
            ("out", vec![b, h, s, d]),
        ])
    });
    sizes.collect()
}

/// Operands of one shape; rules are for its sizes, `out_0`, `out_1`, ...
fn elementwise(chooser: &Chooser, own: &BTreeMap<&str, &[usize]>) -> Vec<Sizes> {
    let rank = own.values().next().map_or(0, |shape| shape.len());
    let workgroup = chooser.invocations().clamp(1, MAX_ROWS);
    let shapes = chain_shapes(rank, workgroup).into_iter();
    let sizes = shapes.map(|shape| {
        let allowed =
            |(index, size): (usize, usize)| chooser.allowed(&format!("out_{index}"), size);
        let shape: Vec<usize> = shape.into_iter().enumerate().map(allowed).collect();
        let names = [
            "a",
            "b",
            "c",
            "x",
            "condition",
            "on_true",
            "on_false",
            "out",
        ];
        names
            .into_iter()
            .map(|name| (name, shape.clone()))
            .collect()
    });
    sizes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_move_sizes_to_the_nearest_one() {
        let rule = |multiple, most, exactly| Rule {
            multiple,
            most,
            exactly,
            least: None,
        };
        for (rule, size, expected) in [
            (rule(Some(4), None, None), 5, 8),
            (rule(Some(4), None, None), 8, 8),
            (rule(Some(4), Some(10), None), 11, 8),
            (rule(None, Some(10), None), 11, 10),
            (rule(None, None, Some(64)), 3, 64),
            (rule(Some(4), Some(8), None), 8, 8),
            (rule(Some(4), Some(9), None), 3, 4),
        ] {
            assert_eq!(rule.nearest(size), expected);
            assert!(rule.takes(expected));
        }
        assert!(!rule(Some(4), None, None).takes(5));
        let least = Rule {
            least: Some(8),
            ..rule(None, None, None)
        };
        assert!(least.takes(8) && least.takes(9) && !least.takes(7));
        assert_eq!((least.nearest(3), least.nearest(9)), (8, 9));
    }

    #[test]
    fn batches_of_both_operands_broadcast_as_their_own() {
        for number in 0..4 {
            let (a, b) = (batch(&[4, 1, 7], number), batch(&[5, 7], number));
            assert_eq!((a[1], a[2]), (1, b[1]));
            assert_eq!(broadcast(&a, &b), [a[0], b[0], b[1]]);
        }
    }
}
