//! Enumeration finds exactly what the relations allow.

use kforge_planner::{
    Plan, Problem, check, device,
    plan::Step,
    problem::OpShape,
    search::{Schedules, Space},
    space,
};
use kforge_runtime::{DeviceDescription, device::DeviceKind};
use proptest::prelude::*;

use crate::{attention, devices, gpu, matmul, op, problem, shape, softmax};

fn schedules(shape: OpShape, device: &DeviceDescription) -> Schedules {
    let space = Space::new(&problem(vec![op("op", shape)]), device);
    space.ops()[0].clone()
}

/// Whether the judge of plans accepts the schedule.
fn accepted(shape: OpShape, device: &DeviceDescription, knobs: &[(&'static str, i64)]) -> bool {
    let problem: Problem = problem(vec![op("op", shape)]);
    let mut plan = Plan::new(device.target, device::limits(device));
    plan.passes = vec![Step::schedule(shape.pass(), "op", knobs)];
    check(&plan, Some(&problem)).is_ok()
}

#[test]
fn small_spaces_are_what_a_full_product_leaves() {
    for device in devices() {
        for shape in [attention(64, 32), attention(7, 256), softmax(16, 1000)] {
            let mut expected = vec![Vec::new()];
            for (knob, values) in space::axes(&shape) {
                expected = expected
                    .iter()
                    .flat_map(|begin: &Vec<(&'static str, i64)>| {
                        values.iter().map(move |value| {
                            let mut all = begin.clone();
                            all.push((*knob, *value));
                            all
                        })
                    })
                    .collect();
            }
            expected.retain(|knobs| accepted(shape, &device, knobs));
            let space = schedules(shape, &device);
            let mut found: Vec<Vec<(&'static str, i64)>> =
                space.iter().map(|values| space.named(&values)).collect();
            assert_eq!(space.count(), found.len() as u64);
            found.iter_mut().for_each(|knobs| knobs.sort());
            expected.iter_mut().for_each(|knobs| knobs.sort());
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{shape} on {device:?}");
        }
    }
}

#[test]
fn a_matmul_on_a_small_device_is_counted_and_walked_alike() {
    let space = schedules(matmul(64, 64, 64), &gpu(1024, 4));
    let mut walked: Vec<_> = space.iter().collect();
    assert_eq!(space.count(), walked.len() as u64);
    assert!(walked.len() > 1000, "{}", walked.len());
    let all = walked.len();
    walked.sort();
    walked.dedup();
    assert_eq!(walked.len(), all, "a schedule came twice");
}

#[test]
fn heads_that_no_kernel_takes_have_no_schedule() {
    let space = schedules(attention(64, 257), &gpu(32768, 256));
    assert_eq!(space.count(), 0);
    assert_eq!(space.first(), None);
    assert_eq!(space.sample(&mut fastrand::Rng::with_seed(1), 4), None);
}

#[test]
fn draws_and_numbers_come_from_the_same_space() {
    let space = schedules(softmax(16, 1000), &gpu(32768, 64));
    let count = space.count() as usize;
    for draws in [0, 1000] {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut found: Vec<_> = (0..40 * count)
            .map(|_| space.sample(&mut rng, draws).unwrap())
            .collect();
        found.sort();
        let most = found.chunk_by(|a, b| a == b).map(<[_]>::len).max();
        found.dedup();
        assert_eq!(found.len(), count, "every schedule is drawn");
        assert!(
            most.unwrap() < 120,
            "one is drawn three times too often: {most:?}"
        );
    }
}

#[test]
fn a_software_device_is_not_asked_for_what_it_takes_minutes_to_compile() {
    let devices = devices();
    let software = devices.iter().find(|it| it.kind == DeviceKind::Software);
    let space = schedules(matmul(512, 512, 512), software.unwrap());
    let huge = |knob: &str| match knob {
        "thread-m" | "thread-n" | "tile-k" => Some(16),
        "tile-m" | "tile-n" => Some(64),
        "unroll" | "subgroups" | "prefetch" | "matrix-unit" => Some(0),
        "vector-width" => Some(4),
        _ => Some(1),
    };
    let huge = space.read(huge).unwrap();
    assert!(space.is_legal(&huge) && !space.is_candidate(&huge));
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..200 {
        let values = space.sample(&mut rng, 1 << 14).unwrap();
        let knob = |name| space.value(&values, name).unwrap();
        let steps = match knob("unroll") {
            0 => knob("tile-k") / knob("slice-k"),
            steps => steps,
        };
        assert!(knob("thread-m") * knob("thread-n") * steps <= 512);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// No legal schedule is cut off with the beginning it shares with others.
    #[test]
    fn a_legal_schedule_is_reached(shape in shape(), device in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let devices = devices();
        let device = device.get(&devices);
        let space = schedules(shape, device);
        let mut rng = fastrand::Rng::with_seed(seed);
        for _ in 0..64 {
            let axes = 0..space.knobs().count();
            let values: Vec<i64> = axes.map(|axis| *rng.choice(space.axis(axis)).unwrap()).collect();
            let knobs = space.named(&values);
            prop_assert_eq!(space.is_legal(&values), accepted(shape, device, &knobs), "{:?}", knobs);
            if space.is_candidate(&values) {
                prop_assert!(space.is_legal(&values));
                // Its predecessor's successor: the walk meets it.
                let mut before = values.clone();
                if let Some(last) = before.last_mut() {
                    let axis = space.axis(values.len() - 1);
                    let at = axis.iter().position(|it| it == last).unwrap();
                    if at > 0 {
                        *last = axis[at - 1];
                        if space.is_candidate(&before) {
                            prop_assert_eq!(space.after(&before), Some(values.clone()));
                        }
                    }
                }
            }
        }
        if let Some(values) = space.sample(&mut rng, 1 << 14) {
            prop_assert!(accepted(shape, device, &space.named(&values)));
        }
    }
}
