//! Other shapes for the mlp and for rotary embeddings.

use kforge_dialect::{
    Mlp, MlpSignature, Rope, TensorType,
    device::Device,
    schedule::{MatmulProblem, MatmulSchedule},
};
use kforge_oracle::{mlp_shapes, rope_shapes};

use super::Shapes;

/// Invocations of a workgroup of rope.
const ROPE_INVOCATIONS: usize = 64;

/// Around the tiles of each schedule that the layers have. Where the op names
/// none, each layer guesses its own; the guesses at the op's own sizes are what is
/// tried, since those at other sizes would be other knobs.
pub fn mlp(op: Mlp, device: &Device) -> Result<Vec<Shapes>, String> {
    let signature = op.signature().ok_or("an operand is no ranked tensor")?;
    let own = MatmulSchedule::of(op.operation());
    let schedules = match own {
        Some(schedule) => vec![schedule],
        None => guesses(&signature, device).ok_or("a dimension is dynamic")?,
    };
    let shapes = schedules.into_iter().map(|schedule| Shapes {
        schedule: own.is_none().then_some(schedule),
        operands: operands(&signature, &schedule),
    });
    Ok(shapes.collect())
}

/// The distinct schedules that the layers guess.
fn guesses(signature: &MlpSignature, device: &Device) -> Option<Vec<MatmulSchedule>> {
    let columns = |ty: &TensorType| {
        let sizes = ty.sizes()?;
        sizes
            .get(usize::from(!signature.transpose_weights))
            .copied()
    };
    let x = signature.x.sizes()?;
    let (width, rows) = x.split_last()?;
    let (hidden, out) = (columns(&signature.up)?, columns(&signature.down)?);
    let mut found: Vec<MatmulSchedule> = Vec::new();
    for (n, k) in [(hidden, *width), (out, hidden)] {
        let problem = MatmulProblem {
            batch: 1,
            m: rows.iter().product(),
            n,
            k,
            element: signature.x.element,
            transpose_b: signature.transpose_weights,
        };
        let guess = MatmulSchedule::guess(&problem, device);
        if !found.contains(&guess) {
            found.push(guess);
        }
    }
    Some(found)
}

fn operands(signature: &MlpSignature, schedule: &MatmulSchedule) -> Vec<Vec<TensorType>> {
    let tile = (
        schedule.tile_m as usize,
        schedule.tile_n as usize,
        schedule.tile_k as usize,
    );
    let element = signature.x.element;
    let fixed = |dims: &[u64]| TensorType::fixed(dims, element);
    let weight = |inner: u64, outer: u64| match signature.transpose_weights {
        true => fixed(&[outer, inner]),
        false => fixed(&[inner, outer]),
    };
    let one = |(rows, width, hidden, out): (usize, usize, usize, usize)| {
        let [rows, width, hidden, out] = [rows, width, hidden, out].map(|size| size as u64);
        let mut x = vec![1; signature.x.rank()];
        x[signature.x.rank() - 2] = rows;
        x[signature.x.rank() - 1] = width;
        let mut types = vec![fixed(&x), weight(width, hidden), weight(hidden, out)];
        let given = [
            (signature.gate.is_some(), weight(width, hidden)),
            (signature.up_bias.is_some(), fixed(&[hidden])),
            (signature.down_bias.is_some(), fixed(&[out])),
            (signature.gate_bias.is_some(), fixed(&[hidden])),
        ];
        types.extend(given.into_iter().filter(|(is, _)| *is).map(|(_, ty)| ty));
        types
    };
    mlp_shapes(tile).into_iter().map(one).collect()
}

/// Around the workgroup. Heads that are rotated in part stay so, where their size
/// allows.
pub fn rope(op: Rope) -> Result<Vec<Shapes>, String> {
    let signature = op.signature().ok_or("an operand is no ranked tensor")?;
    let element = signature.x.element;
    let size = |ty: &TensorType| ty.sizes().and_then(|sizes| sizes.last().copied());
    let in_part = match &signature.inv_freq {
        Some(pairs) => size(pairs).map(|pairs| 2 * pairs) != size(&signature.x),
        None => false,
    };
    let one = |(number, shape): (usize, kforge_oracle::RopeShape)| {
        let [batch, heads, sequence, size] =
            [shape.batch, shape.heads, shape.sequence, shape.size].map(|size| size as u64);
        let positions: &[u64] = match signature.positions.rank() {
            1 => &[sequence],
            _ => &[batch, sequence],
        };
        let mut types = vec![
            TensorType::fixed(&[batch, heads, sequence, size], element),
            TensorType::fixed(positions, signature.positions.element),
        ];
        let pairs = match (in_part, number % 2) {
            (false, _) => size / 2,
            (true, 0) => size / 4,
            (true, _) => size / 2 - 1,
        };
        types.extend(
            signature
                .inv_freq
                .as_ref()
                .map(|ty| TensorType::fixed(&[pairs.max(1)], ty.element)),
        );
        types
    };
    let operands = rope_shapes(ROPE_INVOCATIONS).into_iter().enumerate();
    Ok(vec![Shapes {
        schedule: None,
        operands: operands.map(one).collect(),
    }])
}
