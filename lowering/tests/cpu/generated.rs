//! Kernels that are generated for a CPU, held against the oracle's bounds.

use kforge_dialect::{
    device::{Device, Target},
    ir,
};
use kforge_lowering::{cpu, gpu};
use kforge_oracle::{EvalOptions, Values, compare, evaluate, generate};
use melior::{
    Context,
    ir::{
        BlockLike, Module, OperationRef, RegionLike, Value, ValueLike,
        attribute::{DenseI32ArrayAttribute, IntegerAttribute},
        block::BlockArgument,
        operation::{OperationLike, OperationMutLike},
    },
    pass::{PassManager, transform},
};

use crate::common::{Compiled, execute, load, package};

/// A CPU with vectors of 16 lanes.
fn device() -> Device {
    Device {
        target: Target::Cpu,
        simd_bits: 512,
        l1: 32 << 10,
        l2: 512 << 10,
        ..Device::default()
    }
}

/// A function of one op whose kernels are generated, and its one launch.
struct Generated {
    compiled: Compiled,
    workgroups: [i64; 3],
    /// Per kernel argument the argument of the function; none for the result.
    arguments: Vec<Option<usize>>,
}

fn generated(text: &str) -> Generated {
    let context = kforge_dialect::context();
    let mut module = Module::parse(&context, text).expect("test input parses");
    let attribute = device().to_attribute(&context);
    module
        .as_operation_mut()
        .set_attribute("kforge.device", attribute);
    gpu::convert(&context, module.as_operation()).unwrap_or_else(|(_, error)| panic!("{error}"));
    let manager = PassManager::new(&context);
    manager.add_pass(transform::create_canonicalizer());
    manager.run(&mut module).unwrap();
    let (workgroups, arguments) = launch(&module);
    Generated {
        compiled: compile(&context, &module),
        workgroups,
        arguments,
    }
}

fn compile(context: &Context, module: &Module) -> Compiled {
    let lowered =
        cpu::lower(context, module.as_operation()).unwrap_or_else(|error| panic!("{error}"));
    let target = cpu::CpuTarget::host().unwrap();
    Compiled {
        object: cpu::emit_object(context, &lowered, &target).unwrap(),
        assembly: String::new(),
        kernels: lowered.kernels,
    }
}

/// The one launch of a module: workgroups and arguments.
fn launch(module: &Module) -> ([i64; 3], Vec<Option<usize>>) {
    let mut launches = Vec::new();
    let mut next = module.body().first_operation();
    while let Some(op) = next {
        next = op.next_in_block();
        if ir::name(op) == "func.func" {
            let block = op.region(0).unwrap().first_block().unwrap();
            let mut inner = block.first_operation();
            while let Some(op) = inner {
                inner = op.next_in_block();
                if ir::name(op) == "gpu.launch_func" {
                    launches.push(read(op));
                }
            }
        }
    }
    assert_eq!(launches.len(), 1, "one launch in {}", module.as_operation());
    launches.remove(0)
}

fn read(launch: OperationRef) -> ([i64; 3], Vec<Option<usize>>) {
    let constant = |index: usize| {
        let op = ir::defining(launch.operand(index).unwrap()).unwrap();
        IntegerAttribute::try_from(op.attribute("value").unwrap())
            .unwrap()
            .value()
    };
    let segments = launch.attribute("operandSegmentSizes").unwrap();
    let segments = DenseI32ArrayAttribute::try_from(segments).unwrap();
    assert_eq!(
        segments.element(11).unwrap() as usize,
        launch.operand_count() - 6
    );
    let arguments = (6..launch.operand_count())
        .map(|index| argument(launch.operand(index).unwrap()))
        .collect();
    ([0, 1, 2].map(constant), arguments)
}

/// The function's argument behind views.
fn argument(value: Value) -> Option<usize> {
    match ir::defining(value) {
        Some(op) if ir::name(op) == "memref.alloc" => None,
        Some(op) => argument(op.operand(0).unwrap()),
        None => {
            assert!(value.r#type().to_string().starts_with("memref"));
            Some(BlockArgument::try_from(value).unwrap().argument_number())
        }
    }
}

/// Runs the function of `text` on generated inputs and compares with the oracle.
fn check(text: &str) {
    let generated = generated(text);
    let program = kforge_dialect::program::of_text(text).unwrap();
    let kernel = &generated.compiled.kernels[0];
    for values in [
        Values::Normal,
        Values::Outliers,
        Values::Large30,
        Values::NearMinus1e4,
    ] {
        let arrays = generate(&program, values, 7).unwrap();
        let reference = evaluate(&program, &arrays, &EvalOptions::default()).unwrap();
        let expected = reference.outputs()[0];
        let buffers: Vec<Vec<f64>> = generated
            .arguments
            .iter()
            .map(|argument| match argument {
                Some(index) => arrays[*index].value.clone(),
                None => vec![0.0; expected.value.len()],
            })
            .collect();
        let package = package(kernel, None, generated.workgroups, &buffers, &[]);
        let found = execute(&package, load(&generated.compiled), &buffers).remove(0);
        let comparison = compare(&found, expected, &Default::default()).unwrap();
        assert!(comparison.passed, "{text}\n{values:?}: {comparison:?}");
    }
}

#[test]
fn matmuls_of_ragged_shapes() {
    // Tiles of 8 x 32 x 64; none of the sizes is a multiple of them all.
    for (m, n, k) in [(27, 80, 100), (9, 33, 5), (1, 16, 64)] {
        check(&format!(
            "func.func @f(%a: tensor<{m}x{k}xf32>, %b: tensor<{k}x{n}xf32>) -> tensor<{m}x{n}xf32> {{
  %c = kforge.matmul %a, %b {{activation = \"gelu\", kforge.schedule = {{
    \"tile-m\" = 8, \"thread-m\" = 8, \"tile-n\" = 32, \"thread-n\" = 32, \"tile-k\" = 64,
    \"vector-width\" = 16, unroll = 16, stages = 1, subgroups = 0, \"group-m\" = 1,
    \"split-k\" = 1, \"prefetch\" = 0, \"slice-k\" = 1, \"matrix-unit\" = 0}}}} : (tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>) -> tensor<{m}x{n}xf32>
  return %c : tensor<{m}x{n}xf32>
}}"
        ));
    }
}

#[test]
fn rows_of_every_kind() {
    for (ty, size) in [("tensor<5x67xf32>", 67), ("tensor<4x96xf16>", 96)] {
        let element = &ty[ty.len() - 4..ty.len() - 1];
        let weight = format!("tensor<{size}x{element}>");
        check(&format!(
            "func.func @f(%x: {ty}) -> {ty} {{
  %y = kforge.softmax %x {{axis = -1 : i64}} : ({ty}) -> {ty}
  return %y : {ty}
}}"
        ));
        check(&format!(
            "func.func @f(%x: {ty}, %g: {weight}, %b: {weight}) -> {ty} {{
  %y = kforge.layer_norm %x gamma %g beta %b {{axis = -1 : i64, epsilon = 1.0e-5 : f32}} : ({ty}, {weight}, {weight}) -> {ty}
  return %y : {ty}
}}"
        ));
        check(&format!(
            "func.func @f(%x: {ty}, %g: {weight}) -> {ty} {{
  %y = kforge.rms_norm %x gamma %g {{axis = -1 : i64, epsilon = 1.0e-5 : f32}} : ({ty}, {weight}) -> {ty}
  return %y : {ty}
}}"
        ));
    }
}

#[test]
fn activations_and_rotations() {
    for kind in ["relu", "gelu", "gelu_tanh", "silu", "tanh"] {
        check(&format!(
            "func.func @f(%x: tensor<3x70xf32>) -> tensor<3x70xf32> {{
  %y = kforge.activation %x {{kind = \"{kind}\"}} : (tensor<3x70xf32>) -> tensor<3x70xf32>
  return %y : tensor<3x70xf32>
}}"
        ));
    }
    check(
        "func.func @f(%x: tensor<2x3x5x16xf32>, %p: tensor<5xi32>) -> tensor<2x3x5x16xf32> {
  %y = kforge.rope %x, %p : (tensor<2x3x5x16xf32>, tensor<5xi32>) -> tensor<2x3x5x16xf32>
  return %y : tensor<2x3x5x16xf32>
}",
    );
}

#[test]
fn attention_of_one_query_per_workgroup() {
    let (q, k) = ("tensor<1x4x9x32xf32>", "tensor<1x2x21x32xf32>");
    check(&format!(
        "func.func @f(%q: {q}, %k: {k}, %v: {k}) -> {q} {{
  %o = kforge.attention %q, %k, %v {{causal, kforge.schedule = {{\"block-q\" = 1, \"block-kv\" = 8, \"split-head\" = 1, \"slice-kv\" = 1, \"split-kv\" = 1, \"matrix-unit\" = 0, prefetch = 0}}}} : ({q}, {k}, {k}) -> {q}
  return %o : {q}
}}"
    ));
}
