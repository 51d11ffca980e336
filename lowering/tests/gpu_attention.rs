//! Attention kernels on a device: do they compute what the op means?

mod numeric;

use kforge_oracle::{AttentionShape, Level, Values, attention_shapes, standard_cases};
use numeric::{check_all, check_changed};

/// What is not a size.
#[derive(Clone, Copy, Default)]
struct Variant {
    half: bool,
    causal: bool,
    /// Which of the dimensions B, H, Sq, Sk the mask has; the others are 1.
    mask: Option<[bool; 4]>,
    scale: Option<f32>,
    /// Invocations that share a head; 0: one.
    split: usize,
    /// Invocations that take keys in turns; 0: one.
    slices: usize,
    /// Workgroups that each take a part of the keys; 0: one.
    parts: usize,
}

/// A module with one attention.
fn module(
    shape: &AttentionShape,
    value_depth: usize,
    (block_q, block_kv): (usize, usize),
    variant: Variant,
) -> String {
    let AttentionShape {
        batch,
        heads,
        kv_heads,
        queries,
        keys,
        depth,
    } = shape;
    let element = if variant.half { "f16" } else { "f32" };
    let q = format!("tensor<{batch}x{heads}x{queries}x{depth}x{element}>");
    let k = format!("tensor<{batch}x{kv_heads}x{keys}x{depth}x{element}>");
    let v = format!("tensor<{batch}x{kv_heads}x{keys}x{value_depth}x{element}>");
    let o = format!("tensor<{batch}x{heads}x{queries}x{value_depth}x{element}>");
    let mut attributes = vec![format!(
        "kforge.schedule = {{\"block-q\" = {block_q}, \"block-kv\" = {block_kv}, \"split-head\" = {}, \"slice-kv\" = {}, \"split-kv\" = {}, \"matrix-unit\" = 0, prefetch = 0}}",
        variant.split.max(1),
        variant.slices.max(1),
        variant.parts.max(1)
    )];
    if variant.causal {
        attributes.push("causal".into());
    }
    if let Some(scale) = variant.scale {
        attributes.push(format!("scale = {scale:e} : f32"));
    }
    let (mut arguments, mut operands, mut types) = (
        format!("%q: {q}, %k: {k}, %v: {v}"),
        "%q, %k, %v".to_owned(),
        format!("{q}, {k}, {v}"),
    );
    if let Some(present) = variant.mask {
        let sizes = [batch, heads, queries, keys];
        let dims: String = sizes
            .iter()
            .zip(present)
            // Leading ones need not be there.
            .skip_while(|(_, present)| variant.causal && !present)
            .map(|(size, present)| format!("{}x", if present { **size } else { 1 }))
            .collect();
        arguments += &format!(", %m: tensor<{dims}{element}>");
        operands += " mask %m";
        types += &format!(", tensor<{dims}{element}>");
    }
    let function = format!(
        "func.func @f({arguments}) -> {o} {{\n  %o = kforge.attention {operands} {{{}}} : ({types}) -> {o}\n  return %o : {o}\n}}",
        attributes.join(", ")
    );
    match variant.split {
        0 => function,
        _ => numeric::with_subgroups(&function),
    }
}

const ALL: [bool; 4] = [true; 4];

fn variants() -> Vec<Variant> {
    let plain = Variant::default();
    vec![
        plain,
        Variant {
            causal: true,
            ..plain
        },
        Variant {
            mask: Some(ALL),
            ..plain
        },
        Variant {
            half: true,
            causal: true,
            ..plain
        },
        Variant {
            half: true,
            causal: true,
            mask: Some([true, false, true, true]),
            scale: Some(-0.25),
            ..plain
        },
    ]
}

/// Every mandatory shape around the blocks, each in `count` of the variants.
fn sweep(blocks: (usize, usize), count: usize, level: Level) {
    sweep_shared(blocks, (0, 0, 0), count, level);
}

/// The same with heads, as far as they have accesses, and keys that so many invocations share,
/// and keys that so many workgroups share.
fn sweep_shared(
    blocks: (usize, usize),
    (split, slices, parts): (usize, usize, usize),
    count: usize,
    level: Level,
) {
    let mut modules = Vec::new();
    for (number, shape) in attention_shapes(blocks.0, blocks.1).iter().enumerate() {
        for turn in 0..count {
            let variant_number = (2 * number + turn) % variants().len();
            let variant = Variant {
                split,
                slices,
                parts,
                ..variants()[variant_number]
            };
            // Another size of values than of keys in every second module.
            let other = (number + turn) % 2;
            let value_depth = [shape.depth, shape.depth / 2 + 3][other];
            let name = format!("{shape:?} value_depth {value_depth} variant {variant_number}");
            modules.push((name, module(shape, value_depth, blocks, variant)));
        }
    }
    check_all(&modules, &standard_cases(level));
}

#[test]
fn default_blocks() {
    sweep((32, 16), 5, Level::Quick);
}

#[test]
fn small_blocks() {
    sweep((4, 3), 3, Level::Full);
}

#[test]
fn odd_blocks() {
    sweep((7, 5), 2, Level::Quick);
}

#[test]
fn one_key_at_a_time() {
    sweep((3, 1), 2, Level::Quick);
}

#[test]
fn one_invocation() {
    sweep((1, 8), 3, Level::Quick);
}

#[test]
fn wide_blocks() {
    sweep((64, 24), 2, Level::Quick);
}

/// Heads of four accesses and more, and of fewer, which are not split so far.
#[test]
fn split_heads() {
    sweep_shared((8, 4), (2, 0, 0), 3, Level::Quick);
    sweep_shared((16, 8), (4, 0, 0), 2, Level::Quick);
    let deep = |depth| AttentionShape {
        batch: 1,
        heads: 4,
        kv_heads: 2,
        queries: 13,
        keys: 21,
        depth,
    };
    let mut modules = Vec::new();
    for (depth, split) in [(32, 2), (32, 4), (32, 8), (24, 4), (64, 4)] {
        for (number, variant) in variants().into_iter().enumerate() {
            let variant = Variant { split, ..variant };
            let name = format!("{depth} by {split}, variant {number}");
            modules.push((name, module(&deep(depth), depth, (8, 8), variant)));
        }
    }
    check_all(&modules, &standard_cases(Level::Quick));
}

/// One query, as in decoding, and several; heads that are shared as well.
#[test]
fn slices_of_keys() {
    sweep_shared((1, 16), (0, 16, 0), 2, Level::Quick);
    sweep_shared((4, 8), (0, 4, 0), 1, Level::Quick);
    sweep_shared((8, 8), (2, 4, 0), 1, Level::Quick);
}

/// Parts of several blocks of keys, of one, and of none.
#[test]
fn parts_of_keys() {
    sweep_shared((4, 4), (0, 0, 2), 3, Level::Quick);
    sweep_shared((1, 8), (0, 8, 3), 2, Level::Quick);
    sweep_shared((8, 4), (2, 2, 16), 1, Level::Quick);
}

/// Heads that share keys are computed as one where nothing tells them apart.
#[test]
fn heads_that_share_keys() {
    let mut modules = Vec::new();
    for queries in [1, 2] {
        let shape = AttentionShape {
            batch: 2,
            heads: 12,
            kv_heads: 3,
            queries,
            keys: 21,
            depth: 8,
        };
        let masks = [
            None,
            Some([true, false, false, true]),
            Some([false, true, true, true]),
            Some([true, true, false, true]),
            Some([true, false, true, true]),
        ];
        for (number, mask) in masks.into_iter().enumerate() {
            for (causal, parts) in [(false, 0), (true, 2)] {
                let variant = Variant {
                    mask,
                    causal,
                    half: number % 2 == 1,
                    parts,
                    ..Variant::default()
                };
                let name = format!("{queries} queries, mask {number}, causal {causal}");
                modules.push((name, module(&shape, 8, (4, 4), variant)));
            }
        }
    }
    check_all(&modules, &standard_cases(Level::Quick));
}

#[test]
fn masks_of_every_broadcast() {
    let shape = AttentionShape {
        batch: 2,
        heads: 4,
        kv_heads: 2,
        queries: 9,
        keys: 12,
        depth: 8,
    };
    let modules: Vec<_> = (0..16)
        .map(|bits| {
            let mask = Some([8, 4, 2, 1].map(|bit| bits & bit != 0));
            let variant = Variant {
                mask,
                causal: bits % 3 == 0,
                half: bits % 2 == 0,
                ..Variant::default()
            };
            (format!("{mask:?}"), module(&shape, 8, (4, 4), variant))
        })
        .collect();
    check_all(&modules, &standard_cases(Level::Quick));
}

#[test]
fn largest_and_smallest_heads() {
    let shape = |depth, keys| AttentionShape {
        batch: 1,
        heads: 2,
        kv_heads: 1,
        queries: 5,
        keys,
        depth,
    };
    let modules: Vec<_> = [
        (shape(256, 11), 256, (4, 4)),
        (shape(255, 11), 3, (4, 4)),
        (shape(1, 11), 254, (4, 4)),
        (shape(2, 11), 1, (4, 4)),
        (shape(4, 0), 4, (4, 4)),
        (shape(4, 0), 4, (1, 4)),
    ]
    .into_iter()
    .map(|(shape, value_depth, blocks)| {
        let text = module(&shape, value_depth, blocks, Variant::default());
        (format!("{shape:?} {value_depth}"), text)
    })
    .collect();
    check_all(&modules, &[(Values::Normal, 0), (Values::OneHot, 1)]);
}

/// Infinite mask values mean absent, like the finite ones, and must not be
/// computed with: inf - inf is NaN.
#[test]
fn infinite_masks() {
    let shape = AttentionShape {
        batch: 1,
        heads: 2,
        kv_heads: 2,
        queries: 9,
        keys: 13,
        depth: 8,
    };
    let modules: Vec<_> = [(false, (4, 4)), (true, (4, 4)), (false, (1, 13))]
        .into_iter()
        .map(|(half, blocks)| {
            let variant = Variant {
                half,
                mask: Some(ALL),
                ..Variant::default()
            };
            let text = module(&shape, 8, blocks, variant);
            (format!("half {half} blocks {blocks:?}"), text)
        })
        .collect();
    let cases = standard_cases(Level::Quick);
    check_changed(&modules, &cases, |inputs| {
        for value in &mut inputs[3].value {
            if *value <= -6e4 {
                *value = f64::NEG_INFINITY;
            }
        }
    });
}
