//! Blocks that become the programs they should; reshapes, constants, mistakes.

use kforge_oracle::Op;

use super::{BlockConfig, BlockInputs, FunctionBuilder, shape::groups, transformer_block};
use crate::{Element, Error, MatmulArgs, TensorType, build, program};

fn names(config: &BlockConfig) -> Vec<String> {
    let context = crate::context();
    let module = build::module(&context, "main", |f| {
        let x = f.argument(&config.activations());
        let inputs = BlockInputs::arguments(f, config);
        Ok(vec![transformer_block(f, config, x, inputs)?])
    })
    .unwrap();
    let program = program::of_function(module.as_operation(), None).unwrap();
    assert_eq!(
        program.type_of(program.outputs[0]).unwrap().to_string(),
        format!(
            "{}x{}x{}x{}",
            config.batch, config.sequence, config.width, config.element
        )
    );
    program
        .nodes
        .iter()
        .filter(|node| !matches!(node.op, Op::Reshape { .. } | Op::Transpose { .. }))
        .map(|node| node.stage.clone())
        .collect()
}

#[test]
fn a_bert_block() {
    let config = BlockConfig::bert(2, 16, 48, 4, 96);
    assert_eq!(
        names(&config),
        [
            "layer0.q",
            "layer0.k",
            "layer0.v",
            "layer0.attention",
            "layer0.o",
            "layer0.attention_norm",
            "layer0.mlp",
            "arith.addf",
            "layer0.output_norm"
        ]
    );
}

#[test]
fn a_llama_block_with_grouped_heads() {
    let config = BlockConfig {
        element: Element::F16,
        // Wider than the heads together, as some models have it.
        head_size: 24,
        ..BlockConfig::llama(1, 16, 64, 4, 2, 96)
    };
    assert_eq!(
        names(&config),
        [
            "layer0.attention_norm",
            "layer0.q",
            "layer0.k",
            "layer0.v",
            "layer0.q_rope",
            "layer0.k_rope",
            "layer0.attention",
            "layer0.o",
            "layer0.mlp_norm",
            "layer0.mlp",
            "arith.addf"
        ]
    );
}

#[test]
fn plain_blocks_leave_the_fusions_to_the_passes() {
    let encoder = [
        "layer0.attention_norm",
        "layer0.q",
        "layer0.k",
        "layer0.v",
        "layer0.attention",
        "layer0.o",
        "arith.addf",
        "layer0.output_norm",
        "layer0.up",
        "layer0.activation",
        "layer0.down",
        "arith.addf",
    ];
    assert_eq!(names(&BlockConfig::encoder(16, 48, 4)), encoder);
    let micro = [
        "layer0.norm",
        "layer0.q",
        "layer0.k",
        "layer0.v",
        "layer0.attention",
        "arith.addf",
    ];
    assert_eq!(names(&BlockConfig::micro(16, 48, 1)), micro);
}

#[test]
fn reshapes_group_the_finest_way() {
    let group = |source: &[usize], target: &[usize]| (source.to_vec(), target.to_vec());
    assert_eq!(
        groups(&[2, 16, 96], &[2, 16, 12, 8]),
        Some(vec![
            group(&[0], &[0]),
            group(&[1], &[1]),
            group(&[2], &[2, 3])
        ])
    );
    assert_eq!(
        groups(&[4, 6], &[3, 8]),
        Some(vec![group(&[0, 1], &[0, 1])])
    );
    assert_eq!(groups(&[5, 1], &[5]), Some(vec![group(&[0, 1], &[0])]));
    assert_eq!(groups(&[], &[1, 1]), Some(vec![]));
    assert_eq!(groups(&[4], &[5]), None);
    assert_eq!(groups(&[0, 4], &[0]), None);
    assert_eq!(groups(&[4], &[]), None);
}

fn result_of(
    body: impl for<'a> FnOnce(&mut FunctionBuilder<'_, 'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let context = crate::context();
    build::module(&context, "main", |f| {
        body(f)?;
        Ok(Vec::new())
    })
    .map(|_| ())
}

#[test]
fn reshapes_through_the_product_and_to_rank_zero() {
    result_of(|f| {
        let x = f.argument(&TensorType::fixed(&[4, 6], Element::F32));
        let y = f.reshape(x, &[3, 8])?;
        assert_eq!(f.type_of(y)?.sizes(), Some(vec![3, 8]));
        let one = f.argument(&TensorType::fixed(&[1, 1], Element::F32));
        let scalar = f.reshape(one, &[])?;
        assert_eq!(f.type_of(scalar)?.rank(), 0);
        f.reshape(scalar, &[1, 1, 1]).map(|_| ())
    })
    .unwrap();
}

#[test]
fn constants_of_every_element_round_trip() {
    let context = crate::context();
    let module = build::module(&context, "main", |f| {
        let of = |element| TensorType::fixed(&[3], element);
        Ok(vec![
            f.constant(&of(Element::F32), &[0.1, -0.0, f64::NEG_INFINITY])?,
            f.constant(&of(Element::F16), &[0.5, 65504.0, 1.0])?,
            f.constant(&of(Element::I32), &[-1.0, 0.0, 7.0])?,
            f.constant(&of(Element::I64), &[-1.0, 0.0, 7.0])?,
            f.constant(&of(Element::I1), &[1.0, 0.0, 1.0])?,
            f.constant(&of(Element::F32), &[2.5])?,
        ])
    })
    .unwrap();
    let text = module.as_operation().to_string();
    for expected in [
        "dense<[1.000000e-01, -0.000000e+00, 0xFF800000]>",
        "dense<[5.000000e-01, 6.550400e+04, 1.000000e+00]> : tensor<3xf16>",
        "dense<[-1, 0, 7]> : tensor<3xi32>",
        "dense<[-1, 0, 7]> : tensor<3xi64>",
        "dense<[true, false, true]>",
        "dense<2.500000e+00> : tensor<3xf32>",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
}

#[test]
fn mistakes_are_errors() {
    let of = |dims: &[u64]| TensorType::fixed(dims, Element::F32);
    let message = |result: Result<(), Error>| result.unwrap_err().to_string();
    let rule = message(result_of(|f| {
        let (a, b) = (f.argument(&of(&[3, 4])), f.argument(&of(&[5, 6])));
        build::matmul(f, "m", MatmulArgs::new(a, b)).map(|_| ())
    }));
    assert!(rule.contains("(C3)"), "{rule}");
    let name = message(result_of(|f| {
        let x = f.argument(&of(&[3, 3]));
        build::matmul(f, "1m", MatmulArgs::new(x, x)).map(|_| ())
    }));
    assert!(name.contains("'1m'"), "{name}");
    let count = message(result_of(|f| {
        f.constant(&of(&[3]), &[1.0, 2.0]).map(|_| ())
    }));
    assert!(count.contains("2 values"), "{count}");
    let mixed = message(result_of(|f| {
        let (a, b) = (f.argument(&of(&[3])), f.argument(&of(&[4])));
        f.add(a, b).map(|_| ())
    }));
    assert!(mixed.contains("tensor<3xf32> and tensor<4xf32>"), "{mixed}");
    let order = message(result_of(|f| {
        let x = f.argument(&of(&[3, 4]));
        f.transpose(x, &[0, 0]).map(|_| ())
    }));
    assert!(order.contains("no permutation"), "{order}");
}
