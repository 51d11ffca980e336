//! Schedules that were measured on a device and ship as its defaults.
//!
//! `planner/defaults/` has a file for each device, written by `kforge archive defaults` from
//! what the tuner measured there. An op of a size that is there, or near one, begins with what
//! was fastest; every other one with what the rules of `guess` say. A default is a schedule
//! like another: checked, compiled and verified where it is used.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::{Deserialize, Serialize};

use crate::{Element, device::Device};

/// The files, each of one device.
const FILES: &[&str] = &[include_str!("../../../planner/defaults/nvidia-h200.json")];

/// How far sizes may be from measured ones: the Euclidean distance of their logarithms, where
/// doubling one of them is 0.69. Those that lie in memory one behind the other, the last two of a
/// product or an attention and the last of rows, must be multiples of 4, of 2 or of neither as the
/// measured ones are: rows of whole vectors are another kernel than rows of single elements.
const NEAR: f64 = 0.35;

/// The defaults of one device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// The device's name, as `kforge-attach-device` has it.
    pub device: String,
    /// Measured schedules.
    pub rows: Vec<Row>,
}

/// One measured schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Which kernel.
    pub kernel: Kernel,
    /// What the schedule depends on: batch, m, n, k of a matmul; queries, head and value head
    /// of an attention; rows and their elements.
    pub sizes: Vec<u64>,
    /// Element type.
    pub element: String,
    /// The knobs; those that are not there have their defaults.
    pub knobs: BTreeMap<String, i64>,
    /// Milliseconds that it took.
    pub ms: f64,
    /// Driver that it was measured with.
    pub driver: String,
    /// When, in seconds since 1970.
    pub created: u64,
}

/// What defaults are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// `kforge.matmul`, and the layers of `kforge.mlp`.
    Matmul,
    /// `kforge.attention`.
    Attention,
    /// `kforge.softmax`, `kforge.layer_norm` and `kforge.rms_norm`.
    Rows,
}

/// What ships, file by file. A file that is none is left out here and found by a test.
pub fn shipped() -> &'static [Defaults] {
    static SHIPPED: OnceLock<Vec<Defaults>> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let read = |text: &&str| serde_json::from_str(text).ok();
        FILES.iter().filter_map(read).collect()
    })
}

/// The measured schedules for such a kernel on a device, the nearest first.
pub(super) fn near(
    device: &Device,
    kernel: Kernel,
    element: Element,
    sizes: &[u64],
) -> Vec<&'static BTreeMap<String, i64>> {
    nearest(shipped(), &device.name, kernel, &element.to_string(), sizes)
}

fn nearest<'d>(
    all: &'d [Defaults],
    device: &str,
    kernel: Kernel,
    element: &str,
    sizes: &[u64],
) -> Vec<&'d BTreeMap<String, i64>> {
    let rows = all.iter().filter(|it| it.device == device);
    let rows = rows.flat_map(|it| &it.rows);
    let mut found: Vec<(f64, &BTreeMap<String, i64>)> = rows
        .filter(|row| row.kernel == kernel && row.element == element)
        .filter_map(|row| Some((distance(&row.sizes, sizes)?, &row.knobs)))
        .filter(|(distance, _)| *distance <= NEAR)
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, knobs)| knobs).collect()
}

fn distance(a: &[u64], b: &[u64]) -> Option<f64> {
    let pairs = || a.iter().zip(b);
    let vectors = |size: &u64| size.trailing_zeros().min(2);
    let outer = if a.len() > 2 { a.len() - 2 } else { 1 };
    let mut inner = pairs().skip(outer);
    let alike = a.len() == b.len() && inner.all(|(a, b)| vectors(a) == vectors(b));
    let size = |size: &u64| (*size).max(1) as f64;
    let squares = pairs().map(|(a, b)| (size(a) / size(b)).ln().powi(2));
    alike.then(|| squares.sum::<f64>().sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read() {
        assert_eq!(shipped().len(), FILES.len());
        for defaults in shipped() {
            assert!(!defaults.rows.is_empty(), "{}", defaults.device);
        }
    }

    #[test]
    fn the_nearest_comes_first_and_far_ones_not_at_all() {
        let row = |m, width| Row {
            kernel: Kernel::Matmul,
            sizes: vec![1, m, 64, 64],
            element: "f32".into(),
            knobs: [("tile-m".into(), width)].into(),
            ms: 1.0,
            driver: String::new(),
            created: 0,
        };
        let all = [Defaults {
            device: "here".into(),
            rows: vec![row(100, 1), row(128, 2), row(512, 3)],
        }];
        let of = |device, kernel, element, m| {
            let found = nearest(&all, device, kernel, element, &[1, m, 64, 64]);
            found.iter().map(|it| it["tile-m"]).collect::<Vec<_>>()
        };
        assert_eq!(of("here", Kernel::Matmul, "f32", 127), [2, 1]);
        assert!(distance(&[1, 128, 64, 64], &[1, 128, 64, 63]).is_none());
        assert_eq!(of("here", Kernel::Matmul, "f32", 512), [3]);
        assert!(of("here", Kernel::Matmul, "f32", 256).is_empty());
        assert!(of("there", Kernel::Matmul, "f32", 128).is_empty());
        assert!(of("here", Kernel::Rows, "f32", 128).is_empty());
        assert!(of("here", Kernel::Matmul, "f16", 128).is_empty());
        let other_rank = nearest(&all, "here", Kernel::Matmul, "f32", &[128, 64]);
        assert!(other_rank.is_empty());
    }
}
