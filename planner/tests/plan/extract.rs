//! Problems of modules, and heuristic plans for every one of them.

use kforge_planner::{
    check, heuristic,
    problem::{ExtractError, OpShape, PlannedOp, Problem, Rows, of_module},
};
use kforge_runtime::{
    DeviceDescription, Dtype,
    device::{Cache, Target},
};
use melior::ir::Module;
use proptest::prelude::*;

use crate::{context, gpu, problem};

fn extract(text: &str) -> Result<Problem, ExtractError> {
    let context = context();
    of_module(&context, &Module::parse(&context, text).unwrap())
}

#[test]
fn ops_have_names_and_sizes() {
    let problem = problem();
    let ops: Vec<String> = problem
        .ops
        .iter()
        .map(|op| format!("{}: {}", op.name, op.shape))
        .collect();
    assert_eq!(
        ops,
        [
            "up: matmul 48x96x64 f32",
            "norm: layer_norm 48x96 f32",
            "final: softmax 48x96 f32"
        ]
    );
    assert_eq!(problem.ops[1].epsilon.as_deref(), Some("0.00001"));
    assert_eq!(problem.workload, "main 48x64 (3 ops)");
}

#[test]
fn fused_ops_say_by_what() {
    let source = include_str!("../../../test/Inputs/attention_block.mlir");
    let problem = extract(source).unwrap();
    assert!(
        problem.ops.iter().any(|op| op.shape.kind() == "attention"),
        "{problem:?}"
    );
    // Written out as ops, attention appears by fusion and its products vanish.
    let source = "func.func @f(%q: tensor<1x2x8x4xf32>, %k: tensor<1x2x8x4xf32>, %v: tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32> {
        %s = kforge.matmul %q, %k {transpose_b, kforge.name = \"scores\"} : (tensor<1x2x8x4xf32>, tensor<1x2x8x4xf32>) -> tensor<1x2x8x8xf32>
        %p = kforge.softmax %s {axis = 3, kforge.name = \"p\"} : (tensor<1x2x8x8xf32>) -> tensor<1x2x8x8xf32>
        %y = kforge.matmul %p, %v {kforge.name = \"context\"} : (tensor<1x2x8x8xf32>, tensor<1x2x8x4xf32>) -> tensor<1x2x8x4xf32>
        return %y : tensor<1x2x8x4xf32>
    }";
    let problem = extract(source).unwrap();
    let by = Some("kforge-fuse-attention".to_owned());
    let scores = problem.op("scores").unwrap();
    assert_eq!(scores.gone_after, by);
    let fused = problem
        .ops
        .iter()
        .find(|op| op.shape.kind() == "attention")
        .unwrap();
    assert_eq!(fused.made_by, by);
    let plan = heuristic::propose(&problem, &gpu(32768, 256));
    assert_eq!(check(&plan, Some(&problem)), Ok(()));
}

#[test]
fn the_hash_is_of_what_is_computed() {
    let text = "func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {\n %y = kforge.softmax %x : (tensor<4x8xf32>) -> tensor<4x8xf32>\n return %y : tensor<4x8xf32> }";
    let other = text
        .replace("%x", "%renamed")
        .replace('\n', "\n // a comment\n");
    assert_eq!(extract(text).unwrap(), extract(&other).unwrap());
    assert_ne!(
        extract(text).unwrap().module,
        extract(&text.replace("4x8", "4x9")).unwrap().module
    );
}

#[test]
fn what_cannot_be_planned_says_why() {
    let nothing = "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }";
    assert_eq!(extract(nothing), Err(ExtractError::Nothing));
    let dynamic = "func.func @f(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {\n %y = kforge.softmax %x {kforge.name = \"p\"} : (tensor<?x8xf32>) -> tensor<?x8xf32>\n return %y : tensor<?x8xf32> }";
    assert_eq!(
        extract(dynamic),
        Err(ExtractError::Dynamic { name: "p".into() })
    );
}

fn devices() -> Vec<DeviceDescription> {
    let cpu = |simd_bits| DeviceDescription {
        target: Target::Cpu,
        simd_bits,
        cores: 8,
        caches: vec![
            Cache {
                level: 1,
                bytes: 32768,
            },
            Cache {
                level: 2,
                bytes: 1 << 20,
            },
        ],
        ..DeviceDescription::default()
    };
    vec![
        DeviceDescription::default(),
        gpu(32768, 1024),
        gpu(49152, 1024),
        gpu(4096, 32),
        cpu(128),
        cpu(512),
    ]
}

fn shape() -> impl Strategy<Value = OpShape> {
    let size = || prop_oneof![1..70u64, Just(384), Just(1000), Just(4096), Just(11008)];
    let element = prop_oneof![Just(Dtype::F32), Just(Dtype::F16)];
    (
        0..4u8,
        size(),
        size(),
        size(),
        1..20u64,
        (1..257u64, 1..257u64),
        element,
    )
        .prop_map(
            |(kind, m, n, k, batch, (head, value_head), element)| match kind {
                0 => OpShape::Matmul {
                    batch,
                    m,
                    n,
                    k,
                    element,
                    transpose_b: false,
                },
                1 => OpShape::Attention {
                    heads: batch,
                    queries: m,
                    keys: n,
                    head,
                    value_head,
                    element,
                },
                2 => OpShape::Softmax(Rows {
                    rows: m,
                    n,
                    element,
                }),
                _ => OpShape::LayerNorm(Rows {
                    rows: m,
                    n,
                    element,
                }),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The heuristic is never refused.
    #[test]
    fn heuristic_plans_are_valid(shape in shape(), device in 0..6usize) {
        let op = PlannedOp { name: "op".into(), made_by: None, made_with: Vec::new(), gone_after: None, gone_with: Vec::new(), epsilon: None, shape };
        let problem = Problem { module: "m".into(), workload: shape.to_string(), ops: vec![op] };
        let plan = heuristic::propose(&problem, &devices()[device]);
        prop_assert_eq!(check(&plan, Some(&problem)), Ok(()));
    }
}
