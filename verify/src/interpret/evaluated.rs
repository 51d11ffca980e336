//! The interpreter with real numbers for floats: what kernels compute, against what they should.

use std::cmp::Ordering;

use kforge_oracle::Function;
use kforge_runtime::manifest::Place;

use super::{Arithmetic, Buffer, Cell, Domain, Launch, Stop, launch};
use crate::drawn::{Check, Draw, Ids, Term, Ty};

mod edges;
mod flow;
mod forms;
mod matrices;

/// f64 as it is.
struct Reals;

impl Domain for Reals {
    type Value = f64;

    fn literal(&self, value: f64) -> f64 {
        value
    }

    fn integer(&self, value: i64) -> f64 {
        value as f64
    }

    fn unwritten(&self) -> f64 {
        f64::NAN
    }

    fn binary(&self, operation: Arithmetic, a: f64, b: f64) -> f64 {
        match operation {
            Arithmetic::Add => a + b,
            Arithmetic::Sub => a - b,
            Arithmetic::Mul => a * b,
            Arithmetic::Div => a / b,
            Arithmetic::Max => a.max(b),
            Arithmetic::Min => a.min(b),
            Arithmetic::Power => a.powf(b),
        }
    }

    fn negate(&self, x: f64) -> f64 {
        -x
    }

    fn apply(&self, function: Function, x: f64) -> f64 {
        match function {
            Function::Abs => x.abs(),
            Function::Sign if x == 0.0 => 0.0,
            Function::Sign => x.signum(),
            Function::Exp => x.exp(),
            Function::Exp2 => x.exp2(),
            Function::Log => x.ln(),
            Function::Log2 => x.log2(),
            Function::Sqrt => x.sqrt(),
            Function::Rsqrt => x.sqrt().recip(),
            Function::Tanh => x.tanh(),
            Function::Erf => f64::NAN,
            Function::Sin => x.sin(),
            Function::Cos => x.cos(),
            Function::Floor => x.floor(),
            Function::Ceil => x.ceil(),
            Function::Round => x.round_ties_even(),
            Function::Trunc => x.trunc(),
        }
    }

    fn compare(&self, a: &f64, b: &f64) -> Option<Ordering> {
        a.partial_cmp(b)
    }

    fn to_integer(&self, x: &f64) -> Option<i64> {
        x.is_finite().then(|| x.trunc() as i64)
    }

    fn same(&self, a: &f64, b: &f64) -> bool {
        a.to_bits() == b.to_bits()
    }
}

/// What a kernel leaves in its buffers, bound in order, the last one to be written.
fn run(wgsl: &str, workgroups: [u32; 3], buffers: &mut [Buffer<f64>]) -> Result<(), Stop> {
    let last = buffers.len() - 1;
    let places = 0..buffers.len() as u32;
    let launched = Launch {
        wgsl,
        entry_point: "main",
        workgroups,
        bindings: (0..=last).map(|index| (index, 0, index == last)).collect(),
        places: places.map(|binding| Place { group: 0, binding }).collect(),
        immediates: vec![Cell::Integer(-5), Cell::Integer(7), Cell::Float(1.5)],
        uniform: None,
        subgroup: Some(4),
    };
    launch(&Reals, &launched, buffers, 1 << 22).map(|_| ())
}

fn buffer(cells: Vec<Cell<f64>>) -> Buffer<f64> {
    Buffer {
        name: "y".into(),
        cells,
        unit: 4,
    }
}

const COUNTS: Ids = [3, 4, 3, 3];

#[test]
fn integers_are_those_of_32_bits() {
    let mut compared = 0;
    for seed in 0..400 {
        let draw = &mut Draw(seed);
        let (ty, name) = [(Ty::I32, "i32"), (Ty::U32, "u32")][draw.below(2)];
        let (term, check) = (Term::draw(draw, ty, 4), Check::draw(draw, 2));
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<{name}>;
            @compute @workgroup_size(4, 3)
            fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>) {{
                for (var i = 0u; i < 3u; i++) {{
                    if {} {{ y[((w.x * 3u + l.y) * 4u + l.x) * 3u + i] = {}; }}
                }}
            }}",
            check.text(),
            term.text(ty)
        );
        let mut buffers = [buffer(vec![Cell::Unwritten; 108])];
        match run(&text, [3, 1, 1], &mut buffers) {
            Ok(()) => {}
            // WGSL's result of a division by zero is not asked for.
            Err(Stop::Unsupported(what)) if what.contains("of integers") => continue,
            Err(stop) => panic!("{seed}: {stop:?}\n{text}"),
        }
        compared += 1;
        for (place, cell) in buffers[0].cells.iter().enumerate() {
            let place = place as u32;
            let ids = [
                place / 36 % COUNTS[0],
                place / 3 % COUNTS[1],
                place / 12 % COUNTS[2],
                place % COUNTS[3],
            ];
            let got = match cell {
                Cell::Integer(value) => Some(*value),
                _ => None,
            };
            let expected = check.holds(ids).then(|| term.value(ty, ids));
            assert_eq!(got, expected, "{seed}, {ids:?}: {text}");
        }
    }
    assert!(compared >= 200, "{compared}");
}
