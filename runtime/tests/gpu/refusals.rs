//! What is refused, or cut short, says why with names and numbers.

use kforge_runtime::{
    Device, DeviceChoice, HostTensor, Package, RunError, RunOptions,
    execute::FailureKind,
    manifest::{BufferId, Dispatch, Expr, Step, Symbols},
};

use crate::common::{ADD, add_package, gpu, iota, run};

#[test]
fn wrong_wgsl_names_the_stage() {
    let Some(device) = gpu() else { return };
    let mut package = add_package(&ADD.replace("a[id.x] +", "a[id.x] + nonsense +"));
    let kernel = package.manifest.kernels.get_mut("add").unwrap();
    kernel.stage = "matmul".into();
    kernel
        .knobs
        .insert("tile-m".into(), kforge_runtime::manifest::Knob::Integer(64));
    let Step::Dispatch(dispatch) = &mut package.manifest.entries.get_mut("main").unwrap().steps[0];
    dispatch.shape = [128, 256, 512].map(Expr::from).to_vec();
    let error = run(
        device,
        &package,
        &Symbols::new(),
        &[],
        &RunOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error.kind(), Some(FailureKind::Pipeline));
    let text = error.to_string();
    let start = "GPU execution failed at stage 'matmul' (shape 128x256x512): ";
    assert!(text.starts_with(start), "{text}");
    assert!(
        text.contains("nonsense") && text.contains("tile-m=64"),
        "{text}"
    );
}

#[test]
fn limits_are_named_with_numbers() {
    let Some(device) = gpu() else { return };
    let attempt = |change: &dyn Fn(&mut Package)| {
        let mut package = add_package(ADD);
        change(&mut package);
        let inputs = [iota(100), iota(100)];
        let error = run(
            device,
            &package,
            &Symbols::new(),
            &inputs,
            &RunOptions::default(),
        )
        .unwrap_err();
        (error.kind(), error.to_string())
    };
    fn kernel(package: &mut Package) -> &mut kforge_runtime::manifest::Kernel {
        package.manifest.kernels.get_mut("add").unwrap()
    }
    fn dispatch(package: &mut Package) -> &mut Dispatch {
        let entry = package.manifest.entries.get_mut("main").unwrap();
        let Step::Dispatch(dispatch) = &mut entry.steps[0];
        dispatch
    }
    let limit = device.description().workgroups_per_dimension;

    let (kind, text) = attempt(&|p| dispatch(p).workgroups[1] = (i64::from(limit) + 1).into());
    assert_eq!(kind, Some(FailureKind::Limit));
    assert!(text.contains(&limit.to_string()), "{text}");

    let (kind, text) = attempt(&|p| kernel(p).workgroup_size = [2048, 1, 1]);
    assert_eq!(kind, Some(FailureKind::Limit), "{text}");
    assert!(text.contains("2048 exceed"), "{text}");

    let (kind, text) = attempt(&|p| kernel(p).requires.limits.workgroup_memory = 1 << 30);
    assert_eq!(kind, Some(FailureKind::Limit));
    assert!(
        text.contains("workgroup memory bytes: 1073741824"),
        "{text}"
    );

    let (kind, text) = attempt(&|p| kernel(p).requires.features = vec!["warp-drive".into()]);
    assert_eq!(kind, Some(FailureKind::Unsupported));
    assert!(text.contains("lacks feature 'warp-drive'"), "{text}");

    let (kind, text) = attempt(&|p| kernel(p).bindings[2].elements = Some(101.into()));
    assert_eq!(kind, Some(FailureKind::Validation));
    assert!(text.contains("404 bytes"), "{text}");

    let (kind, text) = attempt(&|p| dispatch(p).args[1].byte_offset = 4.into());
    assert_eq!(kind, Some(FailureKind::Limit));
    assert!(text.contains("byte offset 4"), "{text}");

    let (kind, text) = attempt(&|p| dispatch(p).args[2] = BufferId(0).into());
    assert_eq!(kind, Some(FailureKind::Validation));
    assert!(text.contains("at once"), "{text}");

    // Declared small, but the code itself asks for too many invocations.
    let (kind, text) = attempt(&|p| {
        let wide = ADD.replace("workgroup_size(64)", "workgroup_size(65535)");
        p.files.insert("kernels/add.wgsl".into(), wide.into());
    });
    assert_eq!(kind, Some(FailureKind::Pipeline), "{text}");
}

#[test]
fn wrong_arguments_are_named() {
    let Some(device) = gpu() else { return };
    let package = add_package(ADD);
    let attempt = |inputs: &[HostTensor]| {
        let error = run(
            device,
            &package,
            &Symbols::new(),
            inputs,
            &RunOptions::default(),
        )
        .unwrap_err();
        assert!(matches!(error, RunError::Argument { .. }), "{error}");
        error.to_string()
    };
    assert!(attempt(&[iota(100)]).contains("1 inputs given, it takes 2"));
    let text = attempt(&[iota(100), iota(99)]);
    assert!(
        text.contains("input 'b': given f32[99], it takes f32[100]"),
        "{text}"
    );
}

#[test]
fn a_run_beyond_its_deadline_is_a_timeout() {
    let Some(device) = gpu() else { return };
    let slow = ADD.replace(
        "c[id.x] = a[id.x]",
        "var s = 0.0; for (var i = 0u; i < 60000u; i++) { s = s * 0.5 + a[(id.x + i) % 100u]; } \
         c[id.x] = s",
    );
    let mut package = add_package(&slow);
    let Step::Dispatch(dispatch) = &mut package.manifest.entries.get_mut("main").unwrap().steps[0];
    dispatch.workgroups = [2, 128, 1].map(Expr::from);
    let options = RunOptions {
        timeout_ms: 1,
        ..RunOptions::default()
    };
    let inputs = [iota(100), iota(100)];
    let error = run(device, &package, &Symbols::new(), &inputs, &options).unwrap_err();
    assert_eq!(error.kind(), Some(FailureKind::Timeout), "{error}");
    assert!(
        error.to_string().contains("not finished after 1 ms"),
        "{error}"
    );
}

#[cfg(not(target_vendor = "apple"))]
#[test]
fn a_missing_adapter_is_explained() {
    let error = Device::open(DeviceChoice::Metal).unwrap_err().to_string();
    assert!(
        error.starts_with("no GPU adapter for device 'metal'"),
        "{error}"
    );
    assert!(
        error.contains("mesa-vulkan-drivers") && error.contains("'cpu'"),
        "{error}"
    );
}
