//! Interfaces that do not fit the WGSL or the op: refused before the device, by name.

use kforge_oracle::Program;
use kforge_verify::foreign::{Cause, ForeignKernel, Interface, subject};

use crate::{edited, file, kernel, matmul::product, passes};

/// The naive product with an interface that differs.
fn with(interface: &str) -> ForeignKernel {
    ForeignKernel {
        interface: Interface::from_toml("x.toml", interface).unwrap(),
        ..kernel("matmul_naive")
    }
}

fn refused(own: &Program, kernel: &ForeignKernel) -> (Cause, String) {
    let error = subject(own, kernel).unwrap_err();
    (error.cause, error.to_string())
}

const SIZES: &str = "[sizes]\nfrom = \"uniform\"\nvalues = [\"m\", \"n\", \"k\"]";

#[test]
fn an_interface_must_fit_the_wgsl() {
    let own = product(33, 36, 40);
    let groups = "workgroups = [\"ceildiv(n, 8)\", \"ceildiv(m, 8)\", 1]";
    let cases = [
        (
            "",
            Cause::Input,
            "how many workgroups to launch is not known",
        ),
        (
            "",
            Cause::Input,
            "@group(0) @binding(3) var<uniform> 'sizes'",
        ),
        ("", Cause::Input, "entry point 'main' of 8x8x1 invocations"),
        (
            "bindings = [\"a\", \"b\"]",
            Cause::Interface,
            "has 3 storage buffers, and 2 are to be bound",
        ),
        (
            "bindings = [\"a\", \"c\", \"out\"]",
            Cause::Input,
            "binding 'c' is no operand",
        ),
        (
            "bindings = [\"out\", \"b\", \"a\"]",
            Cause::Interface,
            "result 'out' is bound to 'a', which is declared read",
        ),
        (
            "bindings = [\"a\", \"a\", \"out\"]",
            Cause::Interface,
            "binds one tensor twice",
        ),
        (
            "bindings = [{ name = \"a\", binding = 1 }, \"b\", \"out\"]",
            Cause::Interface,
            "which is at @group(0) @binding(0)",
        ),
        (
            "bindings = [{ name = \"a\", element = \"vec4<f32>\" }, \"b\", \"out\"]",
            Cause::Interface,
            "f32 in the WGSL",
        ),
        (
            "workgroup = [16, 16, 1]",
            Cause::Interface,
            "workgroup is [16, 16, 1] in the interface, [8, 8, 1]",
        ),
        (
            "entry = \"kernel\"",
            Cause::Interface,
            "has no entry point 'kernel'; it has main",
        ),
        (
            "tile = { q = 3 }",
            Cause::Input,
            "tile.q: no such size; there are a_0",
        ),
        (
            "shapes = { q = { multiple = 3 } }",
            Cause::Input,
            "shapes.q: no such size",
        ),
        (
            "shapes = { m = { multiple = 4 } }",
            Cause::Interface,
            "m is 33",
        ),
        (
            "length = \"arrayLength\"",
            Cause::Interface,
            "no buffer is asked for its length",
        ),
        (
            "[scratch]\nout = { element = \"f32\", size = 4 }",
            Cause::Input,
            "the op has a tensor of this name",
        ),
        (
            "[scratch]\nx = { element = \"f64\", size = 4 }",
            Cause::Input,
            "is not f32, f16, i32 or u32",
        ),
        (
            "[scratch]\nx = { element = \"f32\", size = \"m - 33\" }",
            Cause::Launch,
            "is 0, not within",
        ),
    ];
    for (text, cause, words) in cases {
        let head = if text.is_empty() { "" } else { groups };
        let interface = match text.starts_with('[') {
            true => format!("{head}\n{text}\n{SIZES}"),
            false => format!("{head}\n{text}\n{SIZES}"),
        };
        let (found, error) = refused(&own, &with(&interface));
        assert!(error.contains(words), "{text}: {error}");
        assert_eq!(found, cause, "{error}");
    }
}

#[test]
fn sizes_must_fit_the_wgsl() {
    let own = product(33, 36, 40);
    let groups = "workgroups = [\"ceildiv(n, 8)\", \"ceildiv(m, 8)\", 1]\n";
    for (text, words) in [
        (
            "",
            "has a var<uniform>, and the interface does not say what is in it",
        ),
        (
            "[sizes]\nfrom = \"immediates\"\nvalues = [\"m\"]",
            "has a var<uniform>",
        ),
        (
            "[sizes]\nfrom = \"uniform\"\nvalues = [\"m\", \"n\"]",
            "sizes.values has 2 values, the WGSL has 3 fields",
        ),
        (
            "[sizes]\nfrom = \"uniform\"\nvalues = [\"m\", \"n\", 1.5]",
            "sizes.values[2] is the float 1.5, the field is u32",
        ),
        (
            "[sizes]\nfrom = \"uniform\"\nvalues = [\"m\", \"n\", \"k\"]\ntypes = [\"u32\", \"i32\", \"u32\"]",
            "sizes.types[1] is i32",
        ),
        (
            "[sizes]\nfrom = \"uniform\"\nvalues = [\"m\", \"n\", \"o\"]",
            "unknown symbol 'o'; known symbols: a_0",
        ),
        (
            "[sizes]\nfrom = \"uniform\"\nvalues = [\"m\", \"n\", \"k\"]\nconstants = { TILE = 4 }",
            "sizes.constants.TILE: there is no such override",
        ),
    ] {
        let (_, error) = refused(&own, &with(&format!("{groups}{text}")));
        assert!(error.contains(words), "{text}: {error}");
    }
    let mut missing = kernel("matmul_override");
    let sizes = missing.interface.sizes.as_mut().unwrap();
    sizes.constants.remove("K");
    let (cause, error) = refused(&own, &missing);
    assert_eq!(cause, Cause::Interface);
    assert!(
        error.contains("override constants: ") && error.contains("override 'K'"),
        "{error}"
    );
}

#[test]
fn workgroups_are_within_limits_at_every_shape() {
    let own = product(33, 36, 40);
    for (formula, words) in [
        ("0", "'0' is 0, not within 1..=65535"),
        ("m floordiv 64", "'(m floordiv 64)' is 0 at m = 33"),
        ("n * 2000", "is 72000 at n = 36, not within"),
        ("m - 34", "is -1 at m = 33"),
        ("m * 9223372036854775807", "overflows 64-bit"),
        ("m mod (n - 36)", "divisor"),
        ("ceildiv(m, 0)", "divisor"),
    ] {
        let text = format!("workgroups = [\"{formula}\", 1, 1]\n{SIZES}");
        let (cause, error) = refused(&own, &with(&text));
        assert_eq!(cause, Cause::Launch, "{error}");
        assert!(
            error.contains("workgroups in x") && error.contains(words),
            "{formula}: {error}"
        );
    }
    // One that has none at a smaller shape is refused there.
    let (_, error) = refused(
        &own,
        &with(&format!("workgroups = [\"m floordiv 8\", 1, 1]\n{SIZES}")),
    );
    assert!(
        error.contains("for op at (1x1xf32, 1x1xf32)") || error.contains("for op at ("),
        "{error}"
    );
}

#[test]
fn what_a_kernel_does_not_use_it_cannot_compute_from() {
    let own = product(33, 36, 40);
    let (cause, error) = refused(
        &own,
        &edited("matmul_naive", &[("* b[i * sizes.n + column]", "")]),
    );
    assert_eq!(cause, Cause::Interface);
    assert!(
        error.contains("operand 'b' of 'op' is used by no entry point"),
        "{error}"
    );
    let mut kernel = kernel("matmul_split_k");
    kernel.interface.dispatches.swap(0, 1);
    let (_, error) = refused(&own, &kernel);
    assert!(
        error.contains("scratch 'parts' is read before anything is written to it"),
        "{error}"
    );
}

#[test]
fn writable_operands_and_undeclared_lengths_are_refused() {
    let own = product(33, 36, 40);
    let writable = &[("var<storage, read> a", "var<storage, read_write> a")];
    let (cause, error) = refused(&own, &edited("matmul_naive", writable));
    assert_eq!(cause, Cause::Interface);
    assert!(error.contains("operands must stay as they were"), "{error}");
    let length = &[(
        "let row = id.y",
        "let row = id.y + min(0u, arrayLength(&a))",
    )];
    let (_, error) = refused(&own, &edited("matmul_naive", length));
    assert!(error.contains("asks for the arrayLength of 'a'"), "{error}");
}

#[test]
fn elements_are_what_the_tensor_has() {
    for (from, to, words) in [
        (
            "a: array<f32>",
            "a: array<vec3<f32>>",
            "vec3<f32> of 12 bytes every 16 bytes",
        ),
        ("a: array<f32>", "a: f32", "is no array"),
        (
            "a: array<f32>",
            "a: array<mat2x2<f32>>",
            "neither scalars nor vectors",
        ),
        (
            "a: array<f32>",
            "a: array<i32>",
            "has elements i32, 'a' is f32",
        ),
        (
            "a: array<f32>",
            "a: array<f32, 1321>",
            "is declared with 5284 bytes, 'a' has 5280",
        ),
    ] {
        // Loads of another type would not parse.
        let load = format!("f32(arrayLength(&{}))", "b");
        let edits: &[(&str, &str)] = match to.contains("array<f32,") {
            true => &[(from, to)],
            false => &[(from, to), ("a[row * sizes.k + i]", &load)],
        };
        let mut kernel = edited("matmul_naive", edits);
        if !to.contains("array<f32,") {
            // Keeps 'a' in use.
            let keep = if to == "a: f32" {
                "var keep = a;"
            } else {
                "var keep = a[0];"
            };
            kernel.wgsl = kernel
                .wgsl
                .replace("let row = id.y;", &format!("let row = id.y; {keep}"));
        }
        kernel.interface.length = Some(kforge_verify::foreign::Length::ArrayLength);
        let (_, error) = refused(&product(33, 36, 40), &kernel);
        assert!(error.contains(words), "{to}: {error}");
    }
    // Vectors whose last is not whole.
    let kernel = edited("matmul_override", &[]);
    let mut any = kernel.clone();
    any.interface.shapes.clear();
    let (_, error) = refused(&product(33, 37, 40), &any);
    assert!(
        error.contains("no multiple of it; restrict the sizes under [shapes]"),
        "{error}"
    );
}

#[test]
fn other_forms_of_the_same_are_taken() {
    let own = product(33, 36, 40);
    // Fields in vectors, with a gap, of other types, at other places.
    let mut kernel = edited(
        "matmul_naive",
        &[
            (
                "struct Sizes { m: u32, n: u32, k: u32 }",
                "struct Sizes { size: vec2<u32>, one: f32, k: vec2<i32> }",
            ),
            ("sizes.m", "sizes.size.x"),
            ("sizes.n", "sizes.size.y"),
            ("sizes.k", "u32(sizes.k.y)"),
            ("= sum;", "= sum * sizes.one;"),
            ("@group(0) @binding(1)", "@group(2) @binding(7)"),
            ("@group(0) @binding(2)", "@group(3) @binding(0)"),
            ("@group(0) @binding(3)", "@group(0) @binding(9)"),
        ],
    );
    kernel.interface = Interface::from_toml(
        "x.toml",
        "bindings = [\"a\", { name = \"b\", group = 2, binding = 7 }, \"out\"]
         workgroups = [\"ceildiv(n, 8)\", \"ceildiv(m, 8)\", 1]
         [sizes]
         from = \"uniform\"
         values = [\"m\", \"n\", 1.0, 0, \"k\"]
         types = [\"u32\", \"u32\", \"f32\", \"i32\", \"i32\"]",
    )
    .unwrap();
    assert!(passes(&own, &kernel) >= 20);
    // A file of several entry points.
    let mut two = edited("matmul_naive", &[]);
    two.wgsl += &file("matmul_naive.wgsl")
        .split_once("@compute")
        .map(|(_, it)| format!("@compute{}", it.replace("fn main", "fn other")))
        .unwrap();
    let (_, error) = refused(&own, &two);
    assert!(
        error.contains("has 2 entry points, choose one with 'entry': main, other"),
        "{error}"
    );
    two.interface.entry = Some("other".into());
    assert!(passes(&own, &two) >= 20);
}
