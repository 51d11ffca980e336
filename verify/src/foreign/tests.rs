//! What is read of a file, without a device.

use naga::AddressSpace;

use super::{
    interface::{Interface, Rule},
    place,
    shader::{MAX_WGSL_BYTES, Shader},
};

fn read(text: &str) -> Shader {
    Shader::read("k.wgsl", text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn problem(text: &str) -> String {
    Shader::read("k.wgsl", text).unwrap_err().to_string()
}

/// A kernel with these declarations and this body.
fn kernel(globals: &str, arguments: &str, body: &str) -> String {
    format!("{globals}\n@compute @workgroup_size(4, 2)\nfn main({arguments}) {{ {body} }}")
}

#[test]
fn features_are_those_that_are_used() {
    let lane = "@builtin(subgroup_invocation_id) l: u32";
    for (text, features) in [
        (kernel("", "", ""), &[][..]),
        (
            kernel("", "@builtin(local_invocation_index) t: u32", ""),
            &[],
        ),
        (kernel("", lane, ""), &["subgroup"]),
        (kernel("", "", "let a = subgroupAdd(1.0);"), &["subgroup"]),
        (
            kernel(
                "fn f() -> f32 { return subgroupAdd(1.0); }",
                "",
                "let a = f();",
            ),
            &["subgroup"],
        ),
        (kernel("", "", "subgroupBarrier();"), &[]),
        (
            kernel("enable f16;", "", "var a: f16; var b: vec2<f16>;"),
            &["shader-f16"],
        ),
        (
            kernel(
                "",
                "",
                "let a = quantizeToF16(1.5); let b = pack2x16float(vec2<f32>(a));",
            ),
            &[],
        ),
        (
            kernel(
                "enable f16;",
                "@builtin(local_invocation_index) t: u32",
                "let a = f32(f16(f32(t)));",
            ),
            &["shader-f16"],
        ),
        (
            kernel(
                "fn f(t: u32) -> u32 { return u32(u64(t)); }",
                "@builtin(local_invocation_index) t: u32",
                "let a = f(t);",
            ),
            &["shader-int64"],
        ),
        (kernel("", "", "var a: u64; var b: i64;"), &["shader-int64"]),
        (
            kernel("var<immediate> n: u32;", "", "let a = n;"),
            &["immediates"],
        ),
        (
            kernel(
                "@group(0) @binding(0) var<uniform> n: u32;",
                "",
                "let a = n;",
            ),
            &[],
        ),
    ] {
        // Numbers of subgroups are for workgroups of one row.
        let text = text.replace("(4, 2)", "(8)");
        assert_eq!(read(&text).features(), features, "{text}");
    }
}

#[test]
fn a_file_is_described_by_what_it_declares() {
    let text = kernel(
        "@group(0) @binding(0) var<storage, read> a: array<f32>;
        @group(0) @binding(1) var<storage, read_write> y: array<f32>;
        @group(1) @binding(2) var<uniform> n: u32;
        var<immediate> k: u32; var<workgroup> s: f32; override N: u32 = 3u;",
        "",
        "",
    );
    let described = read(&text).describe();
    assert_eq!(
        described,
        "entry point 'main' of 4x2x1 invocations, \
         @group(0) @binding(0) var<storage, read> 'a', \
         @group(0) @binding(1) var<storage, read_write> 'y', \
         @group(1) @binding(2) var<uniform> 'n', var<immediate> 'k', override 'N'"
    );
    let array = "@group(0) @binding(0) var b: binding_array<texture_2d<f32>, 4>;";
    let words = problem(&kernel(
        &format!("enable wgpu_binding_array; {array}"),
        "",
        "",
    ));
    assert!(words.contains("'b' is an array of bindings"), "{words}");
    let scene = "enable wgpu_ray_query; @group(0) @binding(0) var b: acceleration_structure;";
    let words = problem(&kernel(scene, "", ""));
    assert!(
        words.contains("'b' is an acceleration structure"),
        "{words}"
    );
}

#[test]
fn the_only_compute_entry_is_the_one() {
    let other = "@fragment fn first() -> @location(0) vec4<f32> { return vec4<f32>(); }";
    assert_eq!(read(&kernel(other, "", "")).entry(None).unwrap(), 1);
    assert_eq!(read(&kernel("", "", "")).entry(None).unwrap(), 0);
}

#[test]
fn buffers_are_read_and_written_as_the_text_says() {
    let shader = read(&kernel(
        "@group(0) @binding(0) var<storage, read> a: array<vec2<f32>, 6>;
        @group(0) @binding(1) var<storage, read_write> n: array<atomic<u32>>;
        @group(0) @binding(2) var<storage, read_write> y: array<f32>;
        @group(0) @binding(3) var<storage, read_write> z: array<f32>;",
        "",
        "y[0] = a[0].x; atomicAdd(&n[0], 1u);",
    ));
    let all = shader.storage().unwrap();
    let found: Vec<_> = all
        .iter()
        .map(|it| {
            let uses = shader.uses(0, it.variable);
            (
                it.element.text(),
                it.fixed,
                uses.any,
                uses.reads,
                uses.writes,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("vec2<f32>".to_owned(), Some(6), true, true, false),
            ("atomic<u32>".to_owned(), None, true, true, true),
            ("f32".to_owned(), None, true, false, true),
            ("f32".to_owned(), None, false, false, false),
        ]
    );
}

#[test]
fn fields_of_scalars_have_their_bytes() {
    let of = |globals: &str, body: &str| {
        let shader = read(&kernel(globals, "", body));
        shader.scalars(0, AddressSpace::Uniform)
    };
    let fields = |globals: &str| {
        let found = of(globals, "let a = n;").unwrap().unwrap();
        found
            .fields
            .iter()
            .map(|(byte, _)| *byte)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        fields(
            "struct N { a: u32, b: vec3<u32>, c: f32 } @group(0) @binding(0) var<uniform> n: N;"
        ),
        [0, 16, 20, 24, 28]
    );
    let many = |count: u32| {
        let members: String = (0..count).map(|it| format!("m{it}: u32, ")).collect();
        format!("struct N {{ {members} }} @group(0) @binding(0) var<uniform> n: N;")
    };
    assert_eq!(fields(&many(65)).len(), 65);
    let error = of(&many(66), "let a = n;").unwrap_err().to_string();
    assert!(error.contains("more than 64 fields"), "{error}");
    let two =
        "@group(0) @binding(0) var<uniform> n: u32; @group(0) @binding(1) var<uniform> m: u32;";
    let error = of(two, "let a = n + m;").unwrap_err().to_string();
    assert!(error.contains("has 2 var<uniform>s"), "{error}");
}

#[test]
fn a_file_has_its_length_and_messages_no_control_bytes() {
    let code = kernel("", "", "");
    let padded = |bytes: usize| format!("{code}{}", "\n".repeat(bytes - code.len()));
    read(&padded(MAX_WGSL_BYTES));
    let error = problem(&padded(MAX_WGSL_BYTES + 1));
    assert!(error.contains("exceed the limit"), "{error}");
    let error = problem("fn f() { let x = /* \u{7}\u{1b}[31m */ unknown; }");
    assert!(error.contains('\n') && error.contains("unknown"), "{error}");
    assert!(!error.contains(['\u{7}', '\u{1b}']), "{error:?}");
}

#[test]
fn interfaces_have_their_limits() {
    let read = |text: &str| Interface::from_toml("k.toml", text).map_err(|error| error.to_string());
    let padded = |bytes: usize| format!("#{}", " ".repeat(bytes - 1));
    assert!(read(&padded(64 << 10)).is_ok());
    assert!(
        read(&padded((64 << 10) + 1))
            .unwrap_err()
            .contains("exceed the limit of 65536")
    );
    let bound = |count: usize| format!("bindings = [{}]", "\"a\", ".repeat(count));
    assert!(read(&bound(64)).is_ok());
    assert!(
        read(&bound(65))
            .unwrap_err()
            .contains("65 bindings exceed the limit of 64")
    );
    let error = read("workgroups = [true, 1, 1]").unwrap_err();
    let error_of_size = read("[sizes]\nfrom = \"uniform\"\nvalues = [true]").unwrap_err();
    assert!(
        error.contains("a number or a formula") || error_of_size.contains("a number or a formula"),
        "{error}\n{error_of_size}"
    );
    let rule = |multiple, most| Rule {
        multiple,
        most,
        least: None,
        exactly: None,
    };
    assert_eq!(rule(Some(4), None).to_string(), "a multiple of 4");
    assert_eq!(
        rule(Some(4), Some(9)).to_string(),
        "a multiple of 4 and at most 9"
    );
}

#[test]
fn names_are_cleaned() {
    assert_eq!(place::clean("a b/ö_1"), "a_b___1");
    assert_eq!(place::clean(""), "kernel");
}
