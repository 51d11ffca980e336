//! Files that mean no good: refused with a reason, none accepted.

use kforge_verify::{
    Reason,
    foreign::{Cause, ForeignKernel, Interface, MAX_WGSL_BYTES, subject},
};

use crate::{device, edited, file, kernel, matmul::product, refusal};

#[test]
fn what_is_no_wgsl_is_refused_with_its_line() {
    let own = product(33, 36, 40);
    for (text, words) in [
        ("let row = id.y", "let row: f32 = id.y"),
        ("let row = id.y", "let row = unknown"),
        ("var sum = 0.0", "var sum = 1.0 / 0.0"),
    ]
    .map(|(from, to)| {
        (
            edited("matmul_naive", &[(from, to)]).wgsl,
            "matmul_naive.wgsl:",
        )
    })
    .into_iter()
    .chain([
        ("fn".to_owned(), "matmul_naive.wgsl:1"),
        ("\0\x1b[31m".to_owned(), "matmul_naive.wgsl:1"),
        (String::new(), "no @compute entry point"),
        (
            "x".repeat(MAX_WGSL_BYTES + 1),
            "exceed the limit of 1048576",
        ),
    ]) {
        let mut wrong = kernel("matmul_naive");
        wrong.wgsl = text;
        let error = subject(&own, &wrong).unwrap_err();
        assert!(
            matches!(error.cause, Cause::Wgsl | Cause::Interface),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().len() < 5000 && !error.to_string().contains('\x1b'));
    }
}

#[test]
fn deep_nesting_ends_in_an_answer() {
    let own = product(33, 36, 40);
    for nested in [
        format!("= {}sum{};", "(".repeat(5000), ")".repeat(5000)),
        format!("= {}sum;", "-".repeat(5000)),
        format!("{}= sum;", "[0]".repeat(5000)),
        format!("= sum{};", " + sum".repeat(5000)),
        format!("= sum{};", ".x".repeat(5000)),
    ] {
        let deep = edited("matmul_naive", &[("= sum;", &nested)]);
        let error = subject(&own, &deep).unwrap_err();
        assert_eq!(error.cause, Cause::Wgsl, "{error}");
    }
}

#[test]
fn what_cannot_be_bound_is_refused_by_name() {
    let own = product(33, 36, 40);
    for (declaration, words) in [
        (
            "@group(1) @binding(0) var image: texture_2d<f32>;",
            "'image' is a texture",
        ),
        (
            "@group(1) @binding(0) var filtering: sampler;",
            "'filtering' is a sampler",
        ),
        (
            "enable wgpu_cooperative_matrix; ",
            "wgpu_cooperative_matrix",
        ),
    ] {
        let mut wrong = kernel("matmul_naive");
        wrong.wgsl = match declaration.starts_with("enable") {
            true => format!(
                "{declaration}var<private> m: coop_mat8x8<f32, A>; {}",
                wrong.wgsl
            ),
            false => format!("{declaration} {}", wrong.wgsl),
        };
        let error = subject(&own, &wrong).unwrap_err();
        if !declaration.starts_with("enable") {
            assert_eq!(error.cause, Cause::Unsupported);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn a_device_says_which_limit_is_exceeded() {
    let own = product(33, 36, 40);
    let memory = edited(
        "matmul_tiled",
        &[("tile_a: array<f32, 256>", "tile_a: array<f32, 16777216>")],
    );
    let failure = refusal(&own, &memory);
    assert_eq!(failure.reason, Reason::Execution);
    assert!(
        failure
            .detail
            .contains("workgroup memory bytes: 67109888 exceed"),
        "{failure:?}"
    );
    let mut large = edited(
        "matmul_naive",
        &[("@workgroup_size(8, 8)", "@workgroup_size(64, 64)")],
    );
    large.interface.workgroup = None;
    let failure = refusal(&own, &large);
    assert_eq!(failure.reason, Reason::Execution);
    assert!(
        failure
            .detail
            .contains("[64, 64, 1] is not within 1..=2048"),
        "{failure:?}"
    );
    if !device().description().has("shader-f16") {
        let half = edited(
            "matmul_naive",
            &[
                ("// out", "enable f16;\n// out"),
                ("var sum = 0.0;", "var sum = f32(f16(sizes.m)) * 0.0;"),
            ],
        );
        let failure = refusal(&own, &half);
        assert_eq!(failure.reason, Reason::Execution);
        assert!(
            failure.detail.contains("lacks feature 'shader-f16'"),
            "{failure:?}"
        );
    }
}

/// Set for the child process that asks the gate.
const ENDLESS: &str = "KFORGE_TEST_ENDLESS";

#[test]
fn a_kernel_that_never_ends_is_refused() {
    if std::env::var_os(ENDLESS).is_some() {
        return endless();
    }
    // On a GPU the loop goes on until its process ends, and keeps other tests waiting.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::a_kernel_that_never_ends_is_refused"])
        .env(ENDLESS, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn endless() {
    // Whether a driver ends such a loop by itself or the deadline does, it must not pass.
    let own = product(33, 36, 40);
    let endless = edited(
        "matmul_naive",
        &[(
            "    out[",
            "    var turns = 0u;\n    while sizes.m > 0u { turns += 1u; sum += f32(turns & 1u); }\n    out[",
        )],
    );
    let subject = subject(&own, &endless).unwrap();
    let options = kforge_verify::Options {
        timeout_ms: 3000,
        ..Default::default()
    };
    let verdict = kforge_verify::verify(&subject, device(), &Default::default(), &options);
    assert!(!verdict.passed);
}

#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    let own = product(33, 36, 40);
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below.max(1)
    };
    let mut damaged = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => drop(bytes.drain(at..(at + random(20)).min(bytes.len()))),
                1 => bytes.insert(at, b"(){}[]<>,;=*&0-"[random(15)]),
                2 => bytes[at] = b'a' + random(26) as u8,
                _ => bytes.extend_from_within(at..(at + random(40)).min(bytes.len())),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut read = 0;
    for name in ["matmul_tiled", "matmul_override", "matmul_split_k"] {
        let toml = file(&format!("{name}.toml"));
        for _ in 0..100 {
            let mut kernel = kernel(name);
            kernel.wgsl = damaged(&kernel.wgsl);
            read += usize::from(subject(&own, &kernel).is_ok());
            if let Ok(interface) = Interface::from_toml("x.toml", &damaged(&toml)) {
                let kernel = ForeignKernel {
                    interface,
                    ..crate::kernel(name)
                };
                read += usize::from(subject(&own, &kernel).is_ok());
            }
        }
    }
    // A changed comment or name changes nothing.
    assert!((1..550).contains(&read), "{read} of 600");
}
