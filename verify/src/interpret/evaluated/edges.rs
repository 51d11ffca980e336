//! Limits, offsets of bindings, memory of other types, and what is not interpreted.

use kforge_runtime::manifest::Place;

use super::{Buffer, Cell, Launch, Reals, Stop, buffer, forms::stops, launch};
use crate::interpret::Seen;

/// A kernel with `y` and its body, of workgroups of `size`.
fn kernel(globals: &str, size: &str, body: &str) -> String {
    format!(
        "enable f16; {globals}
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size({size})
fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(local_invocation_index) t: u32) {{ {body} }}"
    )
}

/// Two workgroups; `y` begins at byte `from` of its buffer.
fn run_from(text: &str, from: i64, buffers: &mut [Buffer<f64>], limit: u64) -> Result<Seen, Stop> {
    let launched = Launch {
        wgsl: text,
        entry_point: "main",
        workgroups: [2, 1, 1],
        bindings: vec![(0, from, true)],
        places: vec![Place {
            group: 0,
            binding: 0,
        }],
        immediates: Vec::new(),
        uniform: None,
        subgroup: Some(4),
    };
    launch(&Reals, &launched, buffers, limit)
}

/// What is in `y` then.
fn run(text: &str, from: i64) -> Result<Vec<f64>, Stop> {
    let mut buffers = [buffer(
        (0..64).map(|it| Cell::Float(-f64::from(it))).collect(),
    )];
    run_from(text, from, &mut buffers, 1 << 22)?;
    let float = |cell: &Cell<f64>| match cell {
        Cell::Float(value) => *value,
        _ => f64::NAN,
    };
    Ok(buffers[0].cells.iter().map(float).collect())
}

#[track_caller]
fn refused(text: &str, words: &str) {
    match run(text, 0) {
        Err(Stop::Refused(what) | Stop::Unsupported(what)) if what.contains(words) => {}
        other => panic!("{words}: {other:?}\n{text}"),
    }
}

#[test]
fn a_binding_begins_at_its_offset() {
    let text = kernel(
        "",
        "4",
        "if w.x == 0u { y[t] = f32(arrayLength(&y)) + 10.0 * y[t]; }",
    );
    let y = run_values(&text, 16);
    assert_eq!(y[..4], [0.0, -1.0, -2.0, -3.0]);
    assert_eq!(y[4..8], [20.0, 10.0, 0.0, -10.0]);
    assert!((8..64).all(|it| y[it] == -(it as f64)));
    // Matrices, too.
    let text = "enable wgpu_cooperative_matrix;
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
var<workgroup> two: array<f32, 64>;
@compute @workgroup_size(4)
fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    if w.x == 0u {
        for (var i = t; i < 64u; i += 4u) { two[i] = f32(i); }
        workgroupBarrier();
        let m = coopLoadT<coop_mat8x8<f32,C>>(&two[0], 8u);
        coopStoreT(m, &y[0], 8u);
    }
}";
    let mut buffers = [buffer(vec![Cell::Float(-1.0); 80])];
    run_from(text, 32, &mut buffers, 1 << 22).unwrap();
    let is = |place: usize, value: f64| {
        let cell = &buffers[0].cells[place];
        assert!(
            matches!(cell, Cell::Float(it) if *it == value),
            "{place}: {cell:?}"
        );
    };
    (0..8).for_each(|place| is(place, -1.0));
    (8..72).for_each(|place| is(place, place as f64 - 8.0));
}

#[test]
fn memory_keeps_its_type() {
    let run = |globals: &str, cell: Cell<f64>| {
        let text =
            kernel("", "4", "if w.x == 0u { y[t] = f32(t); }").replace("array<f32>", globals);
        let text = text.replace("f32(t)", &globals.replace("array<", "").replace('>', "(t)"));
        run_from(&text, 0, &mut [buffer(vec![cell; 16])], 1 << 22)
    };
    let (float, integer) = (Cell::Float(0.0), Cell::Integer(0));
    for (ty, first, right) in [
        ("array<f32>", float, true),
        ("array<f32>", Cell::Unwritten, true),
        ("array<f32>", integer, false),
        ("array<i32>", integer, true),
        ("array<i32>", float, false),
        ("array<u64>", integer, false),
        ("array<f16>", float, false),
    ] {
        match run(ty, first) {
            Ok(_) if right => {}
            Err(Stop::Unsupported(what)) if !right && what.contains("another type") => {}
            other => panic!("{ty} {first:?}: {other:?}"),
        }
    }
    let wide = kernel(
        "var<workgroup> s: array<i64, 4>; var<workgroup> b: array<bool, 4>;",
        "4",
        "s[t] = i64(t); b[t] = t > 1u; workgroupBarrier(); y[w.x * 4u + t] = f32(s[3u - t]) + 10.0 * f32(b[t]);",
    );
    let half = kernel("", "4", "y[w.x * 4u + t] = f32(f16(f32(t)) * 1.5h);");
    assert_eq!(run_values(&half, 0)[..4], [0.0, 1.5, 3.0, 4.5]);
    assert_eq!(run_values(&wide, 0)[..4], [3.0, 2.0, 11.0, 10.0]);
}

fn run_values(text: &str, from: i64) -> Vec<f64> {
    run(text, from).unwrap_or_else(|stop| panic!("{stop:?}\n{text}"))
}

#[test]
fn variables_begin_anew_in_every_workgroup() {
    let text = kernel(
        "",
        "4",
        "var a: f32; a += f32(t) + 1.0; y[w.x * 4u + t] = a;",
    );
    assert_eq!(run_values(&text, 0)[4..8], [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn limits_are_met_and_not_passed() {
    let text = kernel("", "4", "y[w.x * 4u + t] = f32(t) + 1.0;");
    let cells = || [buffer(vec![Cell::Unwritten; 64])];
    let all = run_from(&text, 0, &mut cells(), 1 << 20)
        .unwrap()
        .operations;
    assert!(run_from(&text, 0, &mut cells(), all).is_ok());
    for limit in [0, 1, all / 2, all - 1] {
        let stopped = run_from(&text, 0, &mut cells(), limit);
        assert!(matches!(stopped, Err(Stop::TooMuch)), "{limit}");
    }
    let one = "if t == 0u { y[w.x] = 1.0; }";
    run_values(&kernel("", "64, 64", one), 0);
    refused(&kernel("", "64, 65", one), "more than 4096 invocations");
    let own = |count: u32| format!("var own: array<f32, {count}>; own[t] = 1.0; {one}");
    run_values(&kernel("", "64", &own(16384)), 0);
    refused(&kernel("", "64", &own(16385)), "more than 4194304 bytes");
    let shared = |count: u32| format!("var<workgroup> s: array<f32, {count}>;");
    let used = format!("s[t] = 1.0; {one}");
    run_values(&kernel(&shared(1 << 20), "4", &used), 0);
    refused(
        &kernel(&shared((1 << 20) + 1), "4", &used),
        "more than 4194304 bytes",
    );
    // The kernel and as many functions as make 16.
    let nested = |count: u32| {
        let mut text = "fn f0(a: f32) -> f32 { return a; }".to_owned();
        for it in 1..count {
            text += &format!("fn f{it}(a: f32) -> f32 {{ return f{}(a); }}", it - 1);
        }
        let body = format!("y[w.x * 4u + t] = f{}(f32(t));", count - 1);
        kernel(&text, "4", &body)
    };
    run_values(&nested(15), 0);
    refused(&nested(16), "more than 16 deep");
}

#[test]
fn what_is_not_interpreted() {
    stops(
        "var a = f; change(&a); y[g] = a;",
        "pointers to variables as arguments",
    );
    refused(
        &kernel("override N: u32 = 3u;", "4", "y[w.x * 4u + t] = f32(N);"),
        "overrides are not interpreted",
    );
}

#[test]
fn the_last_subgroup_may_be_smaller() {
    let text = |body: &str| {
        kernel("", "6", body).replace("fn main(", "fn main(@builtin(subgroup_id) s: u32, ")
    };
    let y = run_values(&text("y[w.x * 6u + t] = subgroupAdd(f32(t));"), 0);
    assert_eq!(y[..6], [6.0, 6.0, 6.0, 6.0, 9.0, 9.0]);
    for (some, words) in [
        ("t == 2u || t == 3u", "2 of 4 invocations of a subgroup"),
        (
            "t == 1u || t == 2u || t == 3u",
            "3 of 4 invocations of a subgroup",
        ),
        ("t == 5u", "1 of 2 invocations of a subgroup"),
    ] {
        let body = format!("if {some} {{ y[w.x * 6u + t] = subgroupAdd(f32(t)); }}");
        refused(&text(&body), words);
    }
}

#[test]
fn the_library_is_known_by_its_code() {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let source = include_str!("../../../../shaders/erf.wgsl");
    let module = naga::front::wgsl::parse_str(source).unwrap();
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).unwrap();
    let flags = naga::back::wgsl::WriterFlags::empty();
    let written = naga::back::wgsl::write_string(&module, &info, flags).unwrap();
    let known = |text: &str| {
        let module = naga::front::wgsl::parse_str(text).unwrap();
        let (_, function) = module.functions.iter().next().unwrap();
        crate::interpret::library::recognise(function)
    };
    for text in [source, &written] {
        assert_eq!(known(text), Some(kforge_oracle::Function::Erf), "{text}");
        let other = text.replace("kforge_erf", "kforge_tanh");
        assert_eq!(known(&other), None);
        let digit = text.rfind(['1', '2', '3']).unwrap();
        let changed = format!("{}7{}", &text[..digit], &text[digit + 1..]);
        assert_eq!(known(&changed), None, "{changed}");
    }
}
