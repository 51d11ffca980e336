//! Data movement.

use kforge_oracle::{Level, standard_cases};

use crate::{
    function,
    numeric::check_all,
    right,
    structure::{count, lowered},
    tensor,
    units::check_units,
};

fn transpose(sizes: &[i64], permutation: &[usize], element: &str) -> String {
    let turned: Vec<i64> = permutation.iter().map(|dim| sizes[*dim]).collect();
    let (from, to) = (tensor(sizes, element), tensor(&turned, element));
    function(
        &format!("(%x: {from}) -> {to}"),
        &format!(
            "%e = tensor.empty() : {to}
             %y = linalg.transpose ins(%x : {from}) outs(%e : {to}) permutation = {permutation:?}
             return %y : {to}"
        ),
    )
}

#[test]
fn transposes() {
    let mut modules = Vec::new();
    for (sizes, permutation) in [
        (&[3, 5][..], &[1, 0][..]),
        (&[4, 8], &[1, 0]),
        (&[33, 64], &[1, 0]),
        (&[2, 3, 4, 8], &[0, 2, 1, 3]),
        (&[2, 3, 4, 7], &[0, 2, 1, 3]),
        (&[2, 3, 4, 8], &[3, 1, 0, 2]),
        (&[1, 3, 1, 8], &[2, 3, 0, 1]),
        (&[5], &[0]),
    ] {
        for element in ["f32", "f16", "i32"] {
            let name = format!("{sizes:?} {permutation:?} {element}");
            modules.push((name, transpose(sizes, permutation, element)));
        }
    }
    check_all(&modules, &standard_cases(Level::Quick));
}

#[test]
fn heads_are_moved_in_vectors() {
    let text = lowered(&transpose(&[2, 3, 4, 8], &[0, 2, 1, 3], "f32"));
    assert!(
        text.contains("memref<48xvector<4xf32>>, %arg1: memref<48xvector<4xf32>>"),
        "{text}"
    );
}

#[test]
fn broadcasts_and_fills() {
    let mut modules = Vec::new();
    for (from, to, added) in [
        (&[4][..], &[3, 4][..], &[0][..]),
        (&[3], &[3, 4], &[1]),
        (&[3], &[3, 5], &[1]),
        (&[2, 4], &[2, 3, 4, 5], &[1, 3]),
        (&[], &[3, 3], &[0, 1]),
    ] {
        let (source, target) = (tensor(from, "f32"), tensor(to, "f32"));
        let text = function(
            &format!("(%x: {source}) -> {target}"),
            &format!(
                "%e = tensor.empty() : {target}
                 %y = linalg.broadcast ins(%x : {source}) outs(%e : {target}) dimensions = {added:?}
                 return %y : {target}"
            ),
        );
        modules.push((format!("{from:?} to {to:?}"), text));
    }
    for element in ["f32", "f16"] {
        let ty = tensor(&[3, 7], element);
        let text = function(
            &format!("(%x: {ty}) -> ({ty}, {ty}, {ty})"),
            &format!(
                "%d = arith.constant 0.1 : {element}
                 %e = tensor.empty() : {ty}
                 %y = linalg.fill ins(%d : {element}) outs(%e : {ty}) -> {ty}
                 %s = tensor.splat %d : {ty}
                 return %y, %s, %x : {ty}, {ty}, {ty}"
            ),
        );
        modules.push((format!("fill {element}"), text));
    }
    check_all(&modules, &standard_cases(Level::Quick));
}

#[test]
fn slices() {
    for element in ["f32", "f16"] {
        let ty = tensor(&[4, 6, 16], element);
        for (offsets, sizes, strides, part) in [
            ([0, 0, 0], [4, 6, 16], [1, 1, 1], &[4, 6, 16][..]),
            ([1, 2, 4], [2, 3, 8], [1, 1, 1], &[2, 3, 8]),
            ([1, 2, 5], [2, 3, 8], [1, 1, 1], &[2, 3, 8]),
            ([0, 1, 1], [2, 2, 5], [2, 3, 3], &[2, 2, 5]),
            ([3, 0, 0], [1, 6, 16], [1, 1, 1], &[6, 16]),
            ([3, 5, 0], [1, 1, 16], [1, 1, 1], &[16]),
            ([3, 5, 8], [1, 1, 8], [1, 1, 1], &[1, 8]),
        ] {
            let part = tensor(part, element);
            right(&function(
                &format!("(%x: {ty}) -> {part}"),
                &format!(
                    "%y = tensor.extract_slice %x{offsets:?} {sizes:?} {strides:?} : {ty} to {part} return %y : {part}"
                ),
            ));
        }
        for (offsets, sizes, strides, part) in [
            ([1, 2, 4], [2, 3, 8], [1, 1, 1], &[2, 3, 8][..]),
            ([0, 1, 1], [2, 2, 5], [2, 3, 3], &[2, 2, 5]),
            ([3, 5, 0], [1, 1, 16], [1, 1, 1], &[16]),
        ] {
            let part = tensor(part, element);
            let text = function(
                &format!("(%p: {part}, %x: {ty}) -> {ty}"),
                &format!(
                    "%y = tensor.insert_slice %p into %x{offsets:?} {sizes:?} {strides:?} : {part} into {ty} return %y : {ty}"
                ),
            );
            right(&text);
            check_units(&text);
        }
    }
}

#[test]
fn a_chain_of_insertions_is_one_unit_without_copies() {
    let (part, whole) = (tensor(&[2, 4], "f32"), tensor(&[2, 8], "f32"));
    let text = function(
        &format!("(%a: {part}, %b: {part}) -> {whole}"),
        &format!(
            "%e = tensor.empty() : {whole}
             %n = arith.negf %b : {part}
             %p = tensor.insert_slice %a into %e[0, 0] [2, 4] [1, 1] : {part} into {whole}
             %q = tensor.insert_slice %n into %p[0, 4] [2, 4] [1, 1] : {part} into {whole}
             return %q : {whole}"
        ),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 2);
    assert_eq!(count(&text, "memref.alloc"), 1);
    right(&text);
    check_units(&text);
}

#[test]
fn insertion_over_a_fill() {
    let (part, whole) = (tensor(&[2, 3], "f32"), tensor(&[4, 8], "f32"));
    let text = function(
        &format!("(%a: {part}) -> {whole}"),
        &format!(
            "%c = arith.constant 2.5 : f32
             %e = tensor.empty() : {whole}
             %f = linalg.fill ins(%c : f32) outs(%e : {whole}) -> {whole}
             %p = tensor.insert_slice %a into %f[1, 2] [2, 3] [1, 1] : {part} into {whole}
             return %p : {whole}"
        ),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 2);
    right(&text);
    check_units(&text);
}

#[test]
fn concatenations() {
    for (first, second, joined, dim) in [
        (&[2, 3][..], &[4, 3][..], &[6, 3][..], 0),
        (&[2, 4], &[2, 8], &[2, 12], 1),
        (&[2, 3], &[2, 6], &[2, 9], 1),
        (&[2, 1, 5, 8], &[2, 1, 1, 8], &[2, 1, 6, 8], 2),
    ] {
        for element in ["f32", "f16"] {
            let [a, b, c] = [first, second, joined].map(|sizes| tensor(sizes, element));
            let text = function(
                &format!("(%a: {a}, %b: {b}) -> {c}"),
                &format!(
                    "%y = tensor.concat dim({dim}) %a, %b : ({a}, {b}) -> {c} return %y : {c}"
                ),
            );
            right(&text);
            check_units(&text);
        }
    }
}

/// As a decoder written without `kforge.rope` has it.
#[test]
fn rotated_halves_are_one_unit() {
    let (half, whole) = (tensor(&[2, 3, 4], "f32"), tensor(&[2, 3, 8], "f32"));
    let text = function(
        &format!("(%x: {whole}, %s: {whole}) -> {whole}"),
        &format!(
            "%a = tensor.extract_slice %x[0, 0, 0] [2, 3, 4] [1, 1, 1] : {whole} to {half}
             %b = tensor.extract_slice %x[0, 0, 4] [2, 3, 4] [1, 1, 1] : {whole} to {half}
             %n = arith.negf %b : {half}
             %r = tensor.concat dim(2) %n, %a : ({half}, {half}) -> {whole}
             %y = arith.mulf %r, %s : {whole}
             return %y : {whole}"
        ),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 3);
    assert_eq!(count(&text, "memref.alloc"), 2);
    right(&text);
    check_units(&text);
}

#[test]
fn movement_inside_a_chain_moves_nothing() {
    let (from, to) = (tensor(&[4, 8], "f32"), tensor(&[8, 4], "f32"));
    let text = function(
        &format!("(%x: {from}, %z: {to}) -> {to}"),
        &format!(
            "%n = arith.negf %x : {from}
             %e = tensor.empty() : {to}
             %t = linalg.transpose ins(%n : {from}) outs(%e : {to}) permutation = [1, 0]
             %y = arith.addf %t, %z : {to}
             return %y : {to}"
        ),
    );
    assert_eq!(count(&text, "gpu.launch_func"), 1);
    right(&text);
    check_units(&text);
}
