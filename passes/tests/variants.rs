//! Which shapes the gate tries for a unit beside its own, and that right kernels
//! pass at all of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test code")]

use std::sync::Once;

use kforge_dialect::device::Device as Target;
use kforge_lowering::serialize::{self, Options};
use kforge_oracle::Level;
use kforge_passes::verify;
use kforge_runtime::DeviceChoice;
use kforge_verify::{Subject, Verdict};
use melior::{ir::Module, pass::PassManager, utility::parse_pass_pipeline};

/// The lowered module of `source` as text.
fn lowered(source: &str) -> String {
    lowered_for("gpu", source)
}

fn lowered_for(target: &str, source: &str) -> String {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(kforge_passes::register);
    let context = kforge_dialect::context();
    let mut module = Module::parse(&context, source).expect("the module parses");
    let manager = PassManager::new(&context);
    let pipeline = format!("builtin.module(kforge-default-pipeline{{target={target}}})");
    parse_pass_pipeline(manager.as_operation_pass_manager(), &pipeline).unwrap();
    manager.run(&mut module).expect("the pipeline runs");
    module.as_operation().to_string()
}

fn subject(lowered: &str, cases: Level) -> Subject {
    let context = kforge_dialect::context();
    let module = Module::parse(&context, lowered).expect("the module parses");
    let module = module.as_operation();
    let serialized = serialize::package(module, &Options::default()).unwrap();
    verify::subject(&Target::of(module), &serialized, "f", cases).unwrap()
}

fn judge(lowered: &str) -> Verdict {
    let context = kforge_dialect::context();
    let module = Module::parse(&context, lowered).expect("the module parses");
    let module = module.as_operation();
    let serialized = serialize::package(module, &Options::default()).unwrap();
    let device = verify::open_device(module, DeviceChoice::Auto).expect("a GPU, or lavapipe");
    let options = kforge_verify::Options::default();
    let verdicts = verify::verify(&Target::of(module), &serialized, &device, &options);
    verdicts.unwrap().remove(0).1
}

fn stages(subject: &Subject) -> Vec<&str> {
    let variants = subject.variants.iter();
    variants.map(|it| it.unit.stage.as_str()).collect()
}

/// A function on `arguments` of the given types; the last op defines `%y`.
fn function(types: &[&str], body: &str, result: &str) -> String {
    let arguments: Vec<String> = (0..)
        .zip(types)
        .map(|(index, ty)| format!("%{index}: {ty}"))
        .collect();
    let arguments = arguments.join(", ");
    format!("func.func @f({arguments}) -> {result} {{\n{body}\nreturn %y : {result}\n}}")
}

/// Right kernels pass at their own shape and at all of `wanted`, among others.
fn passes(source: &str, wanted: &[&str]) {
    passes_on("gpu", source, wanted);
}

fn passes_on(target: &str, source: &str, wanted: &[&str]) {
    let module = lowered_for(target, source);
    let subject = subject(&module, Level::Quick);
    let tried = stages(&subject);
    for shape in wanted {
        let found = tried.iter().any(|stage| stage.ends_with(shape));
        assert!(found, "'{shape}' is not among {tried:#?}");
    }
    assert_eq!(subject.own_shape_only, []);
    let verdict = judge(&module);
    assert!(verdict.passed, "{source}\n{}", verdict.summary());
}

#[test]
fn mlps_are_tried_at_other_shapes() {
    let (x, up, down) = ("tensor<8x12xf32>", "tensor<12x20xf32>", "tensor<20x12xf32>");
    let biases = ["tensor<20xf32>", "tensor<12xf32>"];
    let types = format!("{x}, {up}, {down}, {}, {}", biases[0], biases[1]);
    passes(
        &function(
            &[x, up, down, biases[0], biases[1]],
            &format!(
                "%y = kforge.mlp %0, %1, %2 up_bias %3 down_bias %4 {{activation = \"gelu\"}} : ({types}) -> {x}"
            ),
            x,
        ),
        &["at (tensor<1x1xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1xf32>, tensor<1xf32>)"],
    );
    // The GPUs of tests have no f16, CPUs do.
    let (x, up, down) = ("tensor<2x3x8xf16>", "tensor<12x8xf16>", "tensor<8x12xf16>");
    let types = format!("{x}, {up}, {down}, {up}, tensor<12xf16>");
    passes_on(
        "cpu",
        &function(
            &[x, up, down, up, "tensor<12xf16>"],
            &format!(
                "%y = kforge.mlp %0, %1, %2 gate %3 gate_bias %4 {{activation = \"silu\", transpose_weights}} : ({types}) -> {x}"
            ),
            x,
        ),
        &[
            "at (tensor<1x1x1xf16>, tensor<1x1xf16>, tensor<1x1xf16>, tensor<1x1xf16>, tensor<1xf16>)",
        ],
    );
}

#[test]
fn ropes_are_tried_at_other_shapes() {
    let x = "tensor<2x3x5x8xf32>";
    let rope = |operands: &str, types: &str, attributes: &str| {
        format!("%y = kforge.rope {operands} {{{attributes}}} : ({types}) -> {x}")
    };
    let (positions, batched) = ("tensor<5xi32>", "tensor<2x5xi32>");
    passes(
        &function(
            &[x, positions],
            &rope("%0, %1", &format!("{x}, {positions}"), "interleaved"),
            x,
        ),
        &["at (tensor<1x1x1x2xf32>, tensor<1xi32>)"],
    );
    let types = format!("{x}, {batched}, tensor<3xf32>");
    passes(
        &function(
            &[x, batched, "tensor<3xf32>"],
            &rope("%0, %1 inv_freq %2", &types, ""),
            x,
        ),
        &[
            "at (tensor<1x1x1x2xf32>, tensor<1x1xi32>, tensor<1xf32>)",
            "at (tensor<3x2x5x4xf32>, tensor<3x5xi32>, tensor<1xf32>)",
        ],
    );
}

#[test]
fn chains_are_tried_at_other_shapes() {
    let x = "tensor<6x10xf32>";
    let activation = format!("%y = kforge.activation %0 {{kind = \"silu\"}} : ({x}) -> {x}");
    passes(
        &function(&[x], &activation, x),
        &["at (tensor<1x1xf32>)", "at (tensor<3x257xf32>)"],
    );
    // Both dimensions of the result, and what is broadcast along one of them.
    let turned = "tensor<10x6xf32>";
    let chain = format!(
        "%e = tensor.empty() : {turned}\n\
         %t = linalg.transpose ins(%0 : {x}) outs(%e : {turned}) permutation = [1, 0]\n\
         %b = linalg.broadcast ins(%1 : tensor<6xf32>) outs(%e : {turned}) dimensions = [0]\n\
         %c = arith.constant dense<0.5> : {turned}\n\
         %s = arith.addf %t, %b : {turned}\n\
         %m = arith.mulf %s, %c : {turned}\n\
         %y = math.exp %m : {turned}"
    );
    passes(
        &function(&[x, "tensor<6xf32>"], &chain, turned),
        &[
            "at (tensor<1x1xf32>, tensor<1xf32>)",
            "at (tensor<257x3xf32>, tensor<257xf32>)",
        ],
    );
    // Halves of a head exchange: the head stays, rows do not.
    let (whole, half) = ("tensor<3x4x8xf32>", "tensor<3x4x4xf32>");
    let halves = format!(
        "%l = tensor.extract_slice %0[0, 0, 0] [3, 4, 4] [1, 1, 1] : {whole} to {half}\n\
         %h = tensor.extract_slice %0[0, 0, 4] [3, 4, 4] [1, 1, 1] : {whole} to {half}\n\
         %n = arith.negf %h : {half}\n\
         %y = tensor.concat dim(2) %n, %l : ({half}, {half}) -> {whole}"
    );
    passes(
        &function(&[whole], &halves, whole),
        &["at (tensor<1x1x8xf32>)", "at (tensor<3x257x8xf32>)"],
    );
}

#[test]
fn integers_and_f16_in_chains_pass() {
    let (half, number) = ("tensor<5x9xf16>", "tensor<5x9xi32>");
    let body = format!(
        "%w = arith.extf %0 : {half} to tensor<5x9xf32>\n\
         %i = arith.sitofp %1 : {number} to tensor<5x9xf32>\n\
         %z = arith.constant dense<0.0> : tensor<5x9xf32>\n\
         %p = arith.cmpf olt, %w, %z : tensor<5x9xf32>\n\
         %s = arith.select %p, %w, %i : tensor<5x9xi1>, tensor<5x9xf32>\n\
         %y = arith.truncf %s : tensor<5x9xf32> to {half}"
    );
    passes_on(
        "cpu",
        &function(&[half, number], &body, half),
        &["at (tensor<1x1xf16>, tensor<1x1xi32>)"],
    );
}

/// Units that differ in what the generator looks at are tried each for itself.
#[test]
fn operands_ranks_and_broadcasts_make_other_kernels() {
    let t = "tensor<8x8xf32>";
    let two = |first: &str, second: &str, types: &[&str]| {
        let body = format!("{first}\n{second}");
        stages(&subject(&lowered(&function(types, &body, t)), Level::Quick)).len()
    };
    let matmul = |result: &str, a: &str, operands: &str, types: &str| {
        format!("%{result} = kforge.matmul %{a}, %1 {operands} : ({t}, {t}{types}) -> {t}")
    };
    let plain = matmul("p", "0", "", "");
    let types = [t, t, "tensor<8xf32>"];
    let same = two(&plain, &matmul("y", "p", "", ""), &types);
    assert_eq!(same, 6);
    let bias = matmul("y", "p", "bias %2", ", tensor<8xf32>");
    assert_eq!(two(&plain, &bias, &types), 2 * same);
    let residual = matmul("y", "p", "residual %0", &format!(", {t}"));
    assert_eq!(two(&plain, &residual, &types), 2 * same);

    // Masks of one row for all queries and of one row each; for all heads or each.
    let (q, mask) = ("tensor<2x2x4x8xf32>", ["4x4", "1x4", "2x2x4x4", "2x1x4x4"]);
    let attention = |result: &str, q_name: &str, mask: &str, mask_type: &str| {
        format!(
            "%{result} = kforge.attention %{q_name}, %0, %0 mask %{mask} : ({q}, {q}, {q}, tensor<{mask_type}xf32>) -> {q}"
        )
    };
    let masks: Vec<String> = mask.iter().map(|it| format!("tensor<{it}xf32>")).collect();
    let mut types = vec![q];
    types.extend(masks.iter().map(String::as_str));
    let mut names = vec!["0".to_owned()];
    let mut body = String::new();
    for (index, ty) in mask.iter().enumerate() {
        let last = index + 1 == mask.len();
        let result = if last {
            "y".into()
        } else {
            format!("r{index}")
        };
        let argument = (index + 1).to_string();
        body += &attention(&result, &names[index], &argument, ty);
        body.push('\n');
        names.push(result);
    }
    let subject = subject(&lowered(&function(&types, &body, q)), Level::Quick);
    let (tried, mut distinct) = (stages(&subject), Vec::new());
    for stage in &tried {
        let operands = stage.split_once(" at ").unwrap().1;
        assert!(!distinct.contains(&operands), "{operands} is tried twice");
        distinct.push(operands);
    }
    for rank in [2, 4] {
        let is_mask = |stage: &&&str| {
            let last = stage.rsplit("tensor<").next().unwrap();
            last.matches('x').count() == rank
        };
        assert!(tried.iter().filter(is_mask).count() >= 6, "{tried:#?}");
    }
}

#[test]
fn batches_stay_batches() {
    let (a, b, y) = (
        "tensor<4x1x8x8xf32>",
        "tensor<3x8x8xf32>",
        "tensor<4x3x8x8xf32>",
    );
    let body = format!("%y = kforge.matmul %0, %1 : ({a}, {b}) -> {y}");
    let module = lowered(&function(&[a, b], &body, y));
    let subject = subject(&module, Level::Quick);
    let tried = stages(&subject);
    let broadcast =
        |stage: &&&str| stage.contains("at (tensor<2x1x") || stage.contains("at (tensor<3x1x");
    assert!(tried.iter().filter(broadcast).count() >= 2, "{tried:#?}");
    assert!(judge(&module).passed);
}

/// What has no other shapes is named, with the reason.
#[test]
fn own_shape_alone_is_said() {
    let x = "tensor<4xf32>";
    let fixed = format!(
        "%c = arith.constant dense<[1.0, 2.0, 3.0, 4.0]> : {x}\n\
         %e = tensor.empty() : {x}\n\
         %y = arith.addf %0, %c : {x}"
    );
    // A dense constant is an input of the kernel, so the chain is free; a slice is not.
    passes(
        &function(&[x], &fixed, x),
        &["at (tensor<1xf32>, tensor<1xf32>)"],
    );

    let part = "tensor<3xf32>";
    let slice = format!("%y = tensor.extract_slice %0[1] [3] [1] : {x} to {part}");
    let subject_of = |text: &str| subject(text, Level::Quick);
    let module = lowered(&function(&[x], &slice, part));
    let cut = subject_of(&module);
    assert_eq!(stages(&cut), [""; 0]);
    assert!(cut.own_shape_only[0].because.contains("fix every size"));
    assert_eq!(judge(&module).own_shape_only, cut.own_shape_only);

    // Kernels that are not generated: changed code, and no schedule.
    let negated = format!("%y = arith.negf %0 : {x}");
    let module = lowered(&function(&[x], &negated, x));
    let at = module.find("gpu.func @").unwrap();
    let (head, kernel) = module.split_at(at + module[at..].find('\n').unwrap());
    let kernel = kernel.replacen("arith.negf %", "arith.mulf %minus_one, %", 1);
    assert!(kernel.contains("%minus_one"), "{kernel}");
    let constant = "%minus_one = arith.constant dense<-1.0> : vector<4xf32>";
    let module = format!("{head}\n{constant}{kernel}");
    let edited = subject_of(&module);
    assert_eq!(stages(&edited), [""; 0]);
    let because = &edited.own_shape_only[0].because;
    assert!(because.contains("not what its specification"), "{because}");
    assert!(judge(&module).passed);

    let t = "tensor<8x8xf32>";
    let matmul = format!("%y = kforge.matmul %0, %1 : ({t}, {t}) -> {t}");
    let foreign = lowered(&function(&[t, t], &matmul, t));
    let at = foreign.find("kforge.spec").unwrap();
    let foreign =
        foreign[..at].to_owned() + &foreign[at..].replace("kforge.schedule", "gpu.unused");
    let foreign = subject_of(&foreign);
    assert_eq!(stages(&foreign), [""; 0]);
    let because = &foreign.own_shape_only[0].because;
    assert!(because.contains("no schedule"), "{because}");
}
