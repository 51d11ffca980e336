//! A peer's times, to which speedups may be relative.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path};

use kforge_planner::Problem;
use kforge_runtime::DeviceDescription;
use serde::{Deserialize, Serialize};

/// Bytes of a file of times.
const MAX_BYTES: u64 = 1 << 20;

/// What another implementation takes for the same work on the same device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// What it is called: `cuBLAS 12.8`.
    pub name: String,
    /// The name of the device that it was measured on.
    pub device: String,
    /// Median milliseconds by workload: `matmul 512x512x512 f32`.
    pub ms: BTreeMap<String, f64>,
}

/// Why a peer's times cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No such file, or no such JSON.
    #[error(
        "'{path}' has no times of a peer: {reason}; expected \
         {{\"name\": \"cuBLAS\", \"device\": \"...\", \"ms\": {{\"matmul 512x512x512 f32\": 0.1}}}}"
    )]
    File {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// Times of another machine say nothing.
    #[error("the times of '{peer}' are of device '{theirs}', this one is '{ours}'")]
    Device {
        /// The peer.
        peer: String,
        /// Where it was measured.
        theirs: String,
        /// Where this run is.
        ours: String,
    },
    /// A workload without a time.
    #[error("'{peer}' has no positive time for '{workload}'; there are: {known}")]
    Workload {
        /// The peer.
        peer: String,
        /// What is wanted.
        workload: String,
        /// What there is.
        known: String,
    },
}

impl Peer {
    /// Reads a file of times.
    pub fn read(path: &Path) -> Result<Self, PeerError> {
        let failed = |reason: String| PeerError::File {
            path: path.display().to_string(),
            reason,
        };
        let mut text = String::new();
        let file = File::open(path).map_err(|error| failed(error.to_string()))?;
        file.take(MAX_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(|error| failed(error.to_string()))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(failed(format!("it has more than {MAX_BYTES} bytes")));
        }
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// Its time for a problem on a device.
    pub(super) fn ms(
        &self,
        problem: &Problem,
        device: &DeviceDescription,
    ) -> Result<f64, PeerError> {
        if self.device != device.name {
            return Err(PeerError::Device {
                peer: self.name.clone(),
                theirs: self.device.clone(),
                ours: device.name.clone(),
            });
        }
        let ms = self.ms.get(&problem.workload).copied();
        ms.filter(|ms| ms.is_finite() && *ms > 0.0).ok_or_else(|| {
            let known: Vec<&str> = self.ms.keys().map(String::as_str).collect();
            PeerError::Workload {
                peer: self.name.clone(),
                workload: problem.workload.clone(),
                known: known.join(", "),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(workload: &str) -> Problem {
        Problem {
            module: "0".into(),
            workload: workload.into(),
            ops: Vec::new(),
        }
    }

    fn read(text: &str) -> Result<Peer, PeerError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Peer::read(file.path())
    }

    const TIMES: &str =
        r#"{"name": "BLAS", "device": "d", "ms": {"matmul 4x4x4 f32": 0.5, "softmax 2x2 f32": 0}}"#;

    #[test]
    fn a_time_is_for_one_workload_on_one_device() {
        let peer = read(TIMES).unwrap();
        let mut device = DeviceDescription {
            name: "d".into(),
            ..DeviceDescription::default()
        };
        let ms = |workload: &str, device: &DeviceDescription| peer.ms(&problem(workload), device);
        assert_eq!(ms("matmul 4x4x4 f32", &device).unwrap(), 0.5);
        let error = ms("matmul 8x8x8 f32", &device).unwrap_err().to_string();
        assert!(error.contains("no positive time for 'matmul 8x8x8 f32'; there are: matmul 4x4x4 f32, softmax 2x2 f32"), "{error}");
        assert!(ms("softmax 2x2 f32", &device).is_err(), "no time is 0");
        device.name = "e".into();
        let error = ms("matmul 4x4x4 f32", &device).unwrap_err().to_string();
        assert!(error.contains("of device 'd', this one is 'e'"), "{error}");
    }

    #[test]
    fn what_is_no_file_of_times_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"name": "a", "device": "d", "ms": {"x": "1"}}"#,
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("has no times of a peer"), "{error}");
        }
        assert!(Peer::read("nowhere.json".as_ref()).is_err());
    }
}
