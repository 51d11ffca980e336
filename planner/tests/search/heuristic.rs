//! The heuristic on every recorded device.

use kforge_planner::{archive::Key, check, device, heuristic};
use kforge_runtime::device::DeviceKind;
use proptest::prelude::*;

use crate::{devices, matmul, op, problem, recorded, shape};

#[test]
fn every_device_has_its_own_key_and_words() {
    let problem = problem(vec![op("up", matmul(64, 64, 64))]);
    let devices = recorded::devices();
    assert!(devices.len() >= 9, "{}", devices.len());
    let count = |mut all: Vec<String>| {
        all.sort();
        all.dedup();
        all.len()
    };
    let keys = devices.iter().map(|it| Key::new(&problem, it).digest());
    assert_eq!(count(keys.collect()), devices.len());
    let limits = devices.iter().map(|it| format!("{:?}", device::limits(it)));
    assert_eq!(count(limits.collect()), devices.len());
    for device in devices {
        assert!(device.cores > 0, "{}", device.name);
        let software = device.driver.contains("llvmpipe");
        assert_eq!(device.kind == DeviceKind::Software, software);
        let limits = device::limits(&device);
        assert_eq!(limits["kind"].to_string(), device.kind.as_str());
        assert_eq!(limits["cores"].to_string(), device.cores.to_string());
    }
}

#[test]
fn software_and_large_gpus_get_other_tiles() {
    let problem = problem(vec![op("up", matmul(512, 512, 512))]);
    let knobs = |name: &str| {
        let devices = recorded::devices();
        let device = devices.iter().find(|it| it.name.starts_with(name)).unwrap();
        let plan = heuristic::propose(&problem, device);
        let step = plan
            .passes
            .iter()
            .find(|it| it.pass == "kforge-tile-matmul");
        step.unwrap().knobs.clone()
    };
    let (software, h200, m1) = (knobs("llvmpipe"), knobs("NVIDIA H200"), knobs("Apple M1"));
    assert_eq!(software["stages"].to_string(), "1");
    assert_ne!(software["thread-m"], h200["thread-m"]);
    // 8 units are filled by larger tiles than 132 are.
    assert_ne!(m1["tile-m"], h200["tile-m"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Where a kernel exists for the shape, the heuristic's plan is never refused.
    #[test]
    fn it_is_never_refused(shape in shape()) {
        for device in devices() {
            if shape.kind() == "attention" && shape.sizes().iter().rev().take(2).any(|it| *it > 256) {
                continue;
            }
            let problem = problem(vec![op("op", shape)]);
            let plan = heuristic::propose(&problem, &device);
            prop_assert_eq!(check(&plan, Some(&problem)), Ok(()), "{} on {}", shape, device.name);
        }
    }
}
