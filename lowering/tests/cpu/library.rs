//! Shared libraries: linked, packed, saved, loaded and run without the JIT.

use kforge_lowering::cpu::{self, CpuTarget};
use kforge_runtime::{Package, cpu::NativeKernels};

use crate::common::{compile, context, execute, function, package, values};

const EXP: &str = "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : memref<8xvector<16xf32>>
    %e = math.exp %x : vector<16xf32>
    %y = math.log %e : vector<16xf32>
    memref.store %y, %o[%i] : memref<8xvector<16xf32>>";

fn source() -> String {
    function(
        "%a: memref<8xvector<16xf32>>, %o: memref<8xvector<16xf32>>",
        EXP,
    )
}

#[test]
fn a_package_carries_its_code() {
    let compiled = compile(&source()).unwrap();
    let library = cpu::shared_library(&compiled.object).unwrap();
    let buffers = [values(128, 1), vec![0.0; 128]];
    let file = Some(("kernels/cpu.so", library));
    let mut package = package(&compiled.kernels[0], file, [8, 1, 1], &buffers, &[]);
    let folder = tempfile::tempdir().unwrap();
    package.save(folder.path().join("package")).unwrap();
    let loaded = Package::load(folder.path().join("package")).unwrap();
    let found = execute(&loaded, NativeKernels::new(), &buffers).remove(0);
    for (x, y) in buffers[0].iter().zip(&found) {
        assert!((x - y).abs() < 3e-7, "{y}, not {x}");
    }
}

#[test]
fn objects_use_only_the_features_asked_for() {
    let context = context();
    let source = source();
    let module = melior::ir::Module::parse(&context, &source).unwrap();
    let lowered = cpu::lower(&context, module.as_operation()).unwrap();
    let host = CpuTarget::host().unwrap();
    let plain = CpuTarget {
        features: Vec::new(),
        ..host.clone()
    };
    let assembly = cpu::emit_assembly(&context, &lowered, &plain).unwrap();
    if cfg!(target_arch = "x86_64") {
        assert!(
            !assembly.contains("ymm") && !assembly.contains("zmm"),
            "{assembly}"
        );
        if host.features.iter().any(|name| name == "avx512f") {
            let assembly = cpu::emit_assembly(&context, &lowered, &host).unwrap();
            assert!(assembly.contains("zmm"), "{assembly}");
        }
    }
    // The same module gives the same bytes, which is what a cache relies on.
    let object = || cpu::emit_object(&context, &lowered, &host).unwrap();
    assert_eq!(object(), object());
}

#[test]
fn what_is_no_object_is_refused() {
    let error = cpu::shared_library(b"no object").unwrap_err().to_string();
    assert!(error.contains("cannot link a shared library"), "{error}");
    let error = cpu::jit(b"no object", [])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("LLVM failed at"), "{error}");
}

#[test]
fn only_symbols_of_kernels_are_found() {
    let object = compile(&source()).unwrap().object;
    let refusal = |symbol| cpu::jit(&object, [(symbol, "k")]).unwrap_err().to_string();
    let error = refusal("system");
    assert!(error.contains("'system' is no kernel"), "{error}");
    let error = refusal("kforge_other");
    assert!(error.contains("kforge_other"), "{error}");
    assert_eq!(
        cpu::jit(&object, [("kforge_k", "mine")])
            .unwrap()
            .keys()
            .next()
            .unwrap(),
        "mine"
    );
}

#[test]
fn halves_and_fused_products_work_without_instructions_for_them() {
    // Then functions of libgcc and libm convert and fuse.
    let kind = "memref<8xvector<4xf16>>";
    let source = function(
        &format!("%a: {kind}, %o: {kind}"),
        &format!(
            "
    %i = gpu.block_id x
    %x = memref.load %a[%i] : {kind}
    %y = math.fma %x, %x, %x : vector<4xf16>
    memref.store %y, %o[%i] : {kind}"
        ),
    );
    let context = context();
    let module = melior::ir::Module::parse(&context, &source).unwrap();
    let lowered = cpu::lower(&context, module.as_operation()).unwrap();
    let plain = CpuTarget {
        features: Vec::new(),
        ..CpuTarget::host().unwrap()
    };
    let object = cpu::emit_object(&context, &lowered, &plain).unwrap();
    let native = cpu::jit(&object, [("kforge_k", "k")]).unwrap();
    let half = |x: f64| half::f16::from_f64(x).to_f64();
    let buffers = [values(32, 3).into_iter().map(half).collect(), vec![0.0; 32]];
    let package = package(&lowered.kernels[0], None, [8, 1, 1], &buffers, &[]);
    let found = execute(&package, native, &buffers).remove(0);
    assert_eq!(
        found,
        buffers[0]
            .iter()
            .map(|x| half(x * x + x))
            .collect::<Vec<_>>()
    );
}
