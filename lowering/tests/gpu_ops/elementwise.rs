//! Elementwise chains.

use kforge_oracle::{Level, standard_cases};

use crate::{
    function,
    numeric::check_all,
    right,
    structure::{count, refusal},
    tensor,
    units::check_units,
};

fn all(modules: Vec<(String, String)>) {
    check_all(&modules, &standard_cases(Level::Full));
}

#[test]
fn every_op_of_one_and_two_operands() {
    let ty = tensor(&[3, 20], "f32");
    let mut modules = Vec::new();
    for op in [
        "arith.negf",
        "math.absf",
        "math.tanh",
        "math.erf",
        "math.floor",
        "math.ceil",
    ] {
        let body = format!("%y = {op} %x : {ty} return %y : {ty}");
        modules.push((
            op.to_owned(),
            function(&format!("(%x: {ty}) -> {ty}"), &body),
        ));
    }
    // Of positive numbers, and not too large ones.
    for op in [
        "math.exp",
        "math.exp2",
        "math.log",
        "math.log2",
        "math.sqrt",
        "math.rsqrt",
    ] {
        let body = format!(
            "%c = arith.constant dense<0.01> : {ty} %d = arith.constant dense<30.0> : {ty}
             %p = math.absf %x : {ty} %q = arith.addf %p, %c : {ty} %r = arith.minimumf %q, %d : {ty}
             %y = {op} %r : {ty} return %y : {ty}"
        );
        modules.push((
            op.to_owned(),
            function(&format!("(%x: {ty}) -> {ty}"), &body),
        ));
    }
    for op in [
        "addf", "subf", "mulf", "maximumf", "minimumf", "maxnumf", "minnumf",
    ] {
        let body = format!("%y = arith.{op} %a, %b : {ty} return %y : {ty}");
        modules.push((
            op.to_owned(),
            function(&format!("(%a: {ty}, %b: {ty}) -> {ty}"), &body),
        ));
    }
    for kind in ["relu", "gelu", "gelu_tanh", "silu", "tanh"] {
        for element in ["f32", "f16"] {
            let ty = tensor(&[5, 8], element);
            let body = format!(
                "%y = kforge.activation %x {{kind = \"{kind}\"}} : ({ty}) -> {ty} return %y : {ty}"
            );
            modules.push((
                format!("{kind} {element}"),
                function(&format!("(%x: {ty}) -> {ty}"), &body),
            ));
        }
    }
    all(modules);
}

/// (a·b + bias)·0.5, then where it is above a: that, else -a.
fn chain(sizes: &[i64], element: &str) -> String {
    let ty = tensor(sizes, element);
    let last = sizes.last().copied().unwrap_or(1);
    let bias = tensor(&[last], element);
    let dims: Vec<String> = (0..sizes.len() - 1).map(|dim| dim.to_string()).collect();
    function(
        &format!("(%a: {ty}, %b: {ty}, %bias: {bias}) -> {ty}"),
        &format!(
            "%half = arith.constant dense<0.5> : {ty}
             %e = tensor.empty() : {ty}
             %wide = linalg.broadcast ins(%bias : {bias}) outs(%e : {ty}) dimensions = [{}]
             %p = arith.mulf %a, %b : {ty}
             %s = arith.addf %p, %wide : {ty}
             %h = arith.mulf %s, %half : {ty}
             %c = arith.cmpf ogt, %h, %a : {ty}
             %n = arith.negf %a : {ty}
             %y = arith.select %c, %h, %n : tensor<{}xi1>, {ty}
             return %y : {ty}",
            dims.join(", "),
            sizes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("x"),
        ),
    )
}

#[test]
fn chains_of_every_shape() {
    let mut modules = Vec::new();
    for sizes in [
        &[1, 1][..],
        &[1, 4],
        &[3, 4],
        &[3, 5],
        &[7, 64],
        &[2, 3, 8],
        &[2, 3, 7],
        &[64, 130],
        &[1, 255],
        &[1, 256],
        &[1, 257],
        &[1, 1024],
        &[1, 1028],
        &[5, 2],
    ] {
        for element in ["f32", "f16"] {
            modules.push((format!("{sizes:?} {element}"), chain(sizes, element)));
        }
    }
    all(modules);
}

#[test]
fn a_chain_is_one_kernel() {
    let text = chain(&[3, 8], "f32");
    assert_eq!(count(&text, "gpu.launch_func"), 1);
    assert_eq!(count(&text, "memref.alloc"), 1);
    // Vectors everywhere, the literal included.
    assert_eq!(count(&text, "memref.load"), 3);
    assert_eq!(count(&text, ": memref<6xvector<4xf32>>"), 6);
    assert_eq!(
        count(&text, "memref.load %arg2[%2] : memref<2xvector<4xf32>>"),
        1
    );
    check_units(&text);
}

#[test]
fn a_value_that_others_read_is_stored() {
    let ty = tensor(&[4, 4], "f32");
    let text = function(
        &format!("(%a: {ty}, %b: {ty}) -> ({ty}, {ty})"),
        &format!(
            "%s = arith.addf %a, %b : {ty}
             %t = math.tanh %s : {ty}
             %m = kforge.matmul %s, %t : ({ty}, {ty}) -> {ty}
             return %m, %t : {ty}, {ty}"
        ),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 3);
    right(&text);
    check_units(&text);
}

#[test]
fn several_uses_inside_a_chain_are_computed_once() {
    let ty = tensor(&[4, 4], "f32");
    let text = function(
        &format!("(%a: {ty}) -> {ty}"),
        &format!(
            "%t = math.tanh %a : {ty}
             %s = arith.mulf %t, %t : {ty}
             %y = arith.addf %s, %t : {ty}
             return %y : {ty}"
        ),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 1);
    assert_eq!(count(&text, "= math.tanh"), 1);
    right(&text);
    check_units(&text);
}

#[test]
fn conversions_and_integers() {
    let (half, single, integer) = (
        tensor(&[3, 6], "f16"),
        tensor(&[3, 6], "f32"),
        tensor(&[3, 6], "i32"),
    );
    let mut modules = vec![(
        "casts".to_owned(),
        function(
            &format!("(%a: {half}, %b: {single}) -> {half}"),
            &format!(
                "%w = arith.extf %a : {half} to {single}
                 %s = arith.addf %w, %b : {single}
                 %n = arith.truncf %s : {single} to {half}
                 %y = arith.mulf %n, %a : {half}
                 return %y : {half}"
            ),
        ),
    )];
    modules.push((
        "integers".to_owned(),
        function(
            &format!("(%a: {integer}, %b: {integer}) -> ({integer}, {single})"),
            &format!(
                "%two = arith.constant dense<2> : {integer}
                 %p = arith.muli %a, %two : {integer}
                 %s = arith.addi %p, %b : {integer}
                 %c = arith.cmpi slt, %s, %b : {integer}
                 %y = arith.select %c, %s, %b : tensor<3x6xi1>, {integer}
                 %f = arith.sitofp %s : {integer} to {single}
                 return %y, %f : {integer}, {single}"
            ),
        ),
    ));
    modules.push((
        "booleans as numbers".to_owned(),
        function(
            &format!("(%a: {single}, %b: {single}) -> {single}"),
            &format!(
                "%c = arith.cmpf ole, %a, %b : {single}
                 %d = arith.cmpf oge, %a, %a : {single}
                 %e = arith.andi %c, %d : tensor<3x6xi1>
                 %y = arith.uitofp %e : tensor<3x6xi1> to {single}
                 return %y : {single}"
            ),
        ),
    ));
    all(modules);
}

#[test]
fn scalars_of_rank_zero() {
    let text = function(
        "(%a: tensor<f32>, %b: tensor<f32>) -> tensor<f32>",
        "%y = arith.mulf %a, %b : tensor<f32> return %y : tensor<f32>",
    );
    right(&text);
}

#[test]
fn more_inputs_than_buffers_make_several_kernels() {
    let ty = tensor(&[2, 4], "f32");
    let arguments: Vec<String> = (0..12).map(|index| format!("%a{index}: {ty}")).collect();
    let mut body = String::from("%s0 = arith.addf %a0, %a1 : TY\n");
    for index in 2..12 {
        body += &format!(
            "%s{} = arith.addf %s{}, %a{index} : TY\n",
            index - 1,
            index - 2
        );
    }
    body += "return %s10 : TY";
    let text = function(
        &format!("({}) -> {ty}", arguments.join(", ")),
        &body.replace("TY", &ty),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 2);
    right(&text);
    check_units(&text);
}

#[test]
fn work_is_not_repeated_for_every_element_of_a_broadcast() {
    let (row, ty) = (tensor(&[4], "f32"), tensor(&[64, 4], "f32"));
    let text = function(
        &format!("(%r: {row}, %a: {ty}) -> {ty}"),
        &format!(
            "%t = math.tanh %r : {row}
             %e = tensor.empty() : {ty}
             %w = linalg.broadcast ins(%t : {row}) outs(%e : {ty}) dimensions = [0]
             %y = arith.mulf %a, %w : {ty}
             return %y : {ty}"
        ),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 2);
    right(&text);
}

#[test]
fn infinite_constants_are_read_from_memory() {
    let ty = tensor(&[2, 4], "f32");
    let text = function(
        &format!("(%a: {ty}) -> {ty}"),
        &format!(
            "%c = arith.constant dense<0x7F800000> : {ty}
             %y = arith.minimumf %a, %c : {ty} return %y : {ty}"
        ),
    );
    assert_eq!(count(&text, "memref.global"), 1);
    right(&text);
}

#[test]
fn booleans_cannot_be_stored() {
    let ty = tensor(&[2, 4], "f32");
    let text = function(
        &format!("(%a: {ty}) -> tensor<2x4xi1>"),
        &format!("%c = arith.cmpf ogt, %a, %a : {ty} return %c : tensor<2x4xi1>"),
    );
    let reason = refusal(&text);
    assert!(reason.contains("no buffer holds i1"), "{reason}");
}
