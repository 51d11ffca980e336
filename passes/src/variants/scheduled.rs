//! Other shapes for the ops that have a schedule of their own: matmul, the row
//! ops, attention.
//!
//! What the generator looks at beside the sizes stays: the rank, which batch
//! dimensions are broadcast, which operands there are. None without a schedule.

use kforge_dialect::{
    Attention, Matmul, TensorType, ir,
    schedule::{AttentionSchedule, MatmulSchedule, RowSchedule},
};
use kforge_oracle::{attention_shapes, matmul_shapes, row_shapes};
use melior::ir::{OperationRef, Value, operation::OperationLike};

/// Types of every operand, in order.
type Operands = Vec<TensorType>;

/// Around the tile.
pub fn matmul(op: Matmul) -> Option<Vec<Operands>> {
    let (schedule, signature) = (MatmulSchedule::of(op.operation())?, op.signature()?);
    let element = signature.a.element;
    let tile = (
        schedule.tile_m as usize,
        schedule.tile_n as usize,
        schedule.tile_k as usize,
    );
    let batch_a = leading(&signature.a)?;
    let batch_b = leading(&signature.b)?;
    let shapes = matmul_shapes(tile).into_iter().enumerate();
    let operands = shapes.map(|(number, (m, n, k))| {
        let (m, n, k) = (m as u64, n as u64, k as u64);
        let (batch_a, batch_b) = (batch(&batch_a, number), batch(&batch_b, number));
        let typed = |batch: &[u64], rows, columns, transposed| {
            let last = if transposed {
                [columns, rows]
            } else {
                [rows, columns]
            };
            TensorType::fixed(&[batch, &last].concat(), element)
        };
        let mut types = vec![
            typed(&batch_a, m, k, signature.transpose_a),
            typed(&batch_b, k, n, signature.transpose_b),
        ];
        types.extend(
            signature
                .bias
                .is_some()
                .then(|| TensorType::fixed(&[n], element)),
        );
        let all = broadcast(&batch_a, &batch_b);
        types.extend(
            signature
                .residual
                .is_some()
                .then(|| typed(&all, m, n, false)),
        );
        types
    });
    Some(operands.collect())
}

/// The batch dimensions of a matmul's operand.
fn leading(ty: &TensorType) -> Option<Vec<u64>> {
    let sizes = ty.sizes()?;
    Some(sizes[..sizes.len().checked_sub(2)?].to_vec())
}

/// Batch dimensions of case `number`, counted from the last so that both operands
/// agree; 1 stays, because it may be broadcast.
fn batch(own: &[u64], number: usize) -> Vec<u64> {
    let size = |(index, size): (usize, &u64)| match size {
        1 => 1,
        _ => [2, 3, 1][(number + own.len() - index) % 3],
    };
    own.iter().enumerate().map(size).collect()
}

/// As in NumPy, of dimensions that do.
fn broadcast(a: &[u64], b: &[u64]) -> Vec<u64> {
    let rank = a.len().max(b.len());
    let at = |dims: &[u64], index: usize| {
        let index = (index + dims.len()).checked_sub(rank);
        index.map_or(1, |index| dims[index])
    };
    (0..rank)
        .map(|index| match (at(a, index), at(b, index)) {
            (1, size) | (size, _) => size,
        })
        .collect()
}

/// Around the invocations of a row and the rows of a workgroup.
pub fn rows(op: OperationRef, axis: i64, parameters: &[Option<Value>]) -> Option<Vec<Operands>> {
    let schedule = RowSchedule::of(op)?;
    let x = op.operand(0).ok().and_then(ir::tensor_type)?;
    let element = x.element;
    let last = axis.rem_euclid(x.rank().max(1) as i64) as usize + 1 == x.rank();
    let shapes = row_shapes(schedule.invocations() as usize, schedule.rows as usize).into_iter();
    let operands = shapes.map(|(rows, n)| {
        let (rows, n) = (rows as u64, n as u64);
        // The rank stays, since the attribute `axis` does.
        let mut dims = vec![1; x.rank()];
        if let Some(place) = dims.get_mut(axis.rem_euclid(x.rank() as i64) as usize) {
            *place = n;
        }
        let outer = if last {
            x.rank().checked_sub(2)
        } else {
            Some(x.rank() - 1)
        };
        if let Some(outer) = outer {
            dims[outer] = rows;
        }
        let mut types = vec![TensorType::fixed(&dims, element)];
        let given = parameters.iter().flatten().count();
        types.extend(vec![TensorType::fixed(&[n], element); given]);
        types
    });
    Some(operands.collect())
}

/// Around the blocks.
pub fn attention(op: Attention) -> Option<Vec<Operands>> {
    let (schedule, signature) = (AttentionSchedule::of(op.operation())?, op.signature()?);
    let element = signature.q.element;
    let fixed = |dims: &[u64]| TensorType::fixed(dims, element);
    // The knobs fit heads of the op's own sizes; larger ones may pass a limit, and matrices
    // want whole ones.
    let edge = schedule.matrix_unit.max(1) as u64;
    let fitting = |size: u64, most: u64| (size / edge * edge).max(edge).min(most);
    let depth = |ty: &TensorType| Some(ty.sizes()?.last().copied()?.max(1));
    let (key_depth, value_depth) = (depth(&signature.q)?, depth(&signature.v)?);
    let mask = match &signature.mask {
        Some(mask) => Some(mask.sizes()?),
        None => None,
    };
    let shapes = attention_shapes(schedule.block_q as usize, schedule.block_kv as usize);
    let operands = shapes.into_iter().map(|shape| {
        let [batch, heads, kv_heads, queries, keys, size] = [
            shape.batch,
            shape.heads,
            shape.kv_heads,
            shape.queries,
            shape.keys,
            shape.depth,
        ]
        .map(|size| size as u64);
        let mut types = vec![
            fixed(&[batch, heads, queries, fitting(size, key_depth)]),
            fixed(&[batch, kv_heads, keys, fitting(size, key_depth)]),
            fixed(&[batch, kv_heads, keys, fitting(size, value_depth)]),
        ];
        let scores = [batch, heads, queries, keys];
        types.extend(mask.as_ref().map(|own| {
            let dims = own.iter().zip(&scores[4 - own.len()..]);
            let dims = dims.map(|(own, size)| if *own == 1 { 1 } else { *size });
            fixed(&dims.collect::<Vec<_>>())
        }));
        types
    });
    Some(operands.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_both_operands_broadcast_as_their_own() {
        for number in 0..4 {
            let (a, b) = (batch(&[4, 1, 7], number), batch(&[5, 7], number));
            assert_eq!(a[1], 1);
            assert_eq!(a[2], b[1]);
            assert_eq!(broadcast(&a, &b), [a[0], b[0], b[1]]);
        }
    }
}
