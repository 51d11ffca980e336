//! Kernels that never end, devices that go away, drivers that are not there, memory that is
//! not enough. A candidate costs itself alone.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    base::keeps,
    child::{Ended, KFORGE_RUN, LIMIT, Started, finish},
    kind::{Broken, Flaw, Happened, Kind, Run, demand, happened},
    outputs,
};

macro_rules! kinds {
    ($($name:literal, $what:literal, $cheap:literal, $check:expr;)*) => {
        &[$(Kind { name: $name, injected: $what, cheap: $cheap, at_once: 1, run: $check },)*]
    };
}

pub(crate) const KINDS: &[Kind] = kinds![
    "hang-verify", "a kernel of somebody else's that never ends, deadline 3 s", true, hang_verify;
    "hang-candidate", "a candidate that never ends, deadline 3 s, then two good ones", false, hang_candidate;
    "hang-parent-killed", "kill -9 of the parent while a kernel never ends", false, orphan;
    "measurer-killed", "kill -9 of the measuring child at any time", false, measurer_killed;
    "measurer-stopped", "the measuring child stops answering, deadline 2 s", false, measurer_stopped;
    "device-lost", "the driver's process ends (SIGSEGV) at any time", false, driver_crash;
    "driver-missing", "no driver is there", true, |run| driver(run, "{}", false);
    "driver-damaged", "the driver's description is cut off, or names no library", true, |run| driver(run, "", true);
    "driver-vanishes", "the driver goes away between parent and child", false, vanishing;
    "too-large", "a program of more elements than any device has", true, too_large;
];

/// A softmax that is right, after a loop that never ends for who has data.
const NEVER_ENDS: &str = "
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3<u32>) {
    var i = 0u;
    loop {
        if x[group.x] > 3e38 && i == 7u { break; }
        i = i * 5u + 8u;
        y[group.x] = f32(i);
    }
}
";

fn hang_verify(run: &mut Run) -> Result<Happened, Broken> {
    run.copy("p.mlir")?;
    fs::write(run.path("hang.wgsl"), NEVER_ENDS)?;
    let line =
        "verify p.mlir --kernel p=hang.wgsl --bindings x,out --workgroups 3,1,1 --deadline 3";
    let ended = finish(&mut run.kforge(&line.split(' ').collect::<Vec<_>>()))?;
    demand(ended.code() == Some(2), Flaw::FalseVerdict, || {
        format!("{}{}", ended.out, ended.err)
    })?;
    within(&ended, 5.0)?;
    finish(&mut run.kforge(&["verify", "p.mlir"]))?.succeeds()?;
    happened("refused within the deadline + 2 s; the next verification passes")
}

fn within(ended: &Ended, seconds: f64) -> Result<(), Broken> {
    demand(ended.seconds < seconds, Flaw::Other, || {
        format!("it took {:.1} s, the limit is {seconds} s", ended.seconds)
    })
}

/// Puts a loop that never ends into the kernel of a package, with hashes to match. Its atomic
/// keeps compilers from leaving out what has no effect.
fn endless(package: &Path) -> Result<(), Broken> {
    let mut loaded = kforge_runtime::Package::load(package)?;
    for text in loaded.files.values_mut() {
        let source = String::from_utf8_lossy(text).into_owned();
        let (head, body) = source.rsplit_once(") {\n").unwrap_or((&source, ""));
        let stuck = "    loop { if atomicAdd(&stuck, 8u) == 7u { break; } }\n";
        let counter = "var<workgroup> stuck: atomic<u32>;\n";
        *text = format!("{counter}{head}) {{\n{stuck}{body}").into_bytes();
    }
    loaded.save(package)?;
    Ok(())
}

fn hang_candidate(run: &mut Run) -> Result<Happened, Broken> {
    let folder = run.copy("candidates")?;
    let mut places = kforge_tools::measure::list(&folder)?;
    let bad = places.swap_remove(run.rng.usize(0..places.len()));
    endless(&bad.join("package"))?;
    let line = [
        "--measure",
        "candidates",
        "--time",
        "2",
        "--json",
        "--deadline",
        "3",
    ];
    let ended = finish(&mut run.tool(KFORGE_RUN, &line))?;
    ended.succeeds()?;
    let name = bad
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for line in ended.out.lines() {
        let refused = line.contains("\"refused\"");
        let is_bad = line.contains(&format!("\"candidate\":\"{name}\""));
        // A driver that ends loops by itself, as lavapipe does after 65,535 turns, leaves a
        // slow kernel whose outputs are right.
        let ends = !line.contains("\"loop_trip_limit\":0,");
        let right = refused == is_bad || (is_bad && ends);
        demand(right, Flaw::FalseVerdict, || line.to_owned())?;
    }
    within(&ended, 3.0 + 2.0 + 3.0)?;
    happened("that candidate is refused, or the driver ended its loop; the others are verified")
}

/// Processes whose command line holds the run's folder, or that were started by `parent`.
fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task");
    let tasks = fs::read_dir(path).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
    lists
        .flat_map(|it| {
            it.split_whitespace()
                .filter_map(|it| it.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn signal(pid: u32, name: &str) -> Result<bool, Broken> {
    let mut kill = std::process::Command::new("kill");
    kill.args(["-s", name, &pid.to_string()])
        .stderr(std::process::Stdio::null());
    Ok(kill.status()?.success())
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // What has ended and is not waited for yet does nothing.
    stat.rsplit(") ")
        .next()
        .is_some_and(|it| !it.is_empty() && !it.starts_with('Z'))
}

fn orphan(run: &mut Run) -> Result<Happened, Broken> {
    run.copy("p.mlir")?;
    fs::write(run.path("hang.wgsl"), NEVER_ENDS)?;
    let line =
        "verify p.mlir --kernel p=hang.wgsl --bindings x,out --workgroups 3,1,1 --deadline 3";
    let mut parent = Started::new(&mut run.kforge(&line.split(' ').collect::<Vec<_>>()))?;
    let start = Instant::now();
    let child = loop {
        if let Some(child) = children(parent.id()).first() {
            break *child;
        }
        if start.elapsed() > Duration::from_secs(20) {
            return Ok(Happened::NotInjected);
        }
        thread::sleep(Duration::from_millis(5));
    };
    thread::sleep(Duration::from_millis(run.rng.u64(200..1500)));
    parent.kill()?;
    let ended = parent.finish(LIMIT);
    let start = Instant::now();
    while is_alive(child) && start.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(20));
    }
    let alive = is_alive(child);
    if alive {
        signal(child, "KILL")?;
    }
    demand(!alive, Flaw::Other, || "the child goes on for ever".into())?;
    let _ = ended?;
    finish(&mut run.kforge(&["verify", "p.mlir"]))?.succeeds()?;
    happened("the child ends by itself; the next verification passes")
}

/// Compiles, and sends the measuring child a signal at any time.
fn disturbed(run: &mut Run, name: &str, deadline: &str) -> Result<Option<Ended>, Broken> {
    run.copy("p.mlir")?;
    run.copy_as("archive.sqlite", "a.sqlite")?;
    let line = format!(
        "compile-transformer p.mlir --archive a.sqlite --plan-output plan.json --audit-output audit.json --corpus corpus.json -o out --deadline {deadline}"
    );
    let parent = Started::new(&mut run.kforge(&line.split(' ').collect::<Vec<_>>()))?;
    let start = Instant::now();
    let child = loop {
        if let Some(child) = children(parent.id()).first() {
            break Some(*child);
        }
        if !is_alive(parent.id()) || start.elapsed() > Duration::from_secs(20) {
            break None;
        }
        thread::sleep(Duration::from_millis(1));
    };
    thread::sleep(Duration::from_micros(run.rng.u64(0..120_000)));
    let hit = match child {
        Some(child) => is_alive(child) && signal(child, name)?,
        None => false,
    };
    let ended = parent.finish(LIMIT)?;
    outputs::compiled(run, &ended)?;
    let said = |word| ended.err.contains(word) || ended.out.contains(word);
    if !hit || (ended.code() == Some(0) && !said("crash") && !said("no answer within")) {
        return Ok(None);
    }
    let next = finish(
        &mut run.kforge(
            &line
                .replace("--deadline 2", "--deadline 60")
                .split(' ')
                .collect::<Vec<_>>(),
        ),
    )?;
    next.succeeds()?;
    outputs::compiled(run, &next)?;
    Ok(Some(ended))
}

fn refused(ended: Option<Ended>) -> Result<Happened, Broken> {
    let Some(ended) = ended else {
        return Ok(Happened::NotInjected);
    };
    happened(match ended.code() {
        Some(0) => "that plan is refused, the heuristic's is verified by a new child",
        _ => "refused; the next run succeeds",
    })
}

fn measurer_killed(run: &mut Run) -> Result<Happened, Broken> {
    refused(disturbed(run, "KILL", "60")?)
}

fn measurer_stopped(run: &mut Run) -> Result<Happened, Broken> {
    refused(disturbed(run, "STOP", "2")?)
}

fn driver_crash(run: &mut Run) -> Result<Happened, Broken> {
    refused(disturbed(run, "SEGV", "60")?)
}

fn driver(run: &mut Run, text: &str, damaged: bool) -> Result<Happened, Broken> {
    run.copy("package")?;
    run.copy("x.npy")?;
    if damaged {
        let texts = [
            "",
            "{\"ICD\": {\"library_path\": \"/nowhere.so\", \"api_version\": \"1.1\"}, \"file_format_version\": \"1.0.0\"}",
            "{\"ICD\": ",
            "[]",
        ];
        fs::write(run.path("icd.json"), texts[run.index % texts.len()])?;
    } else {
        fs::write(run.path("other.json"), text)?;
    }
    let line = [
        "package",
        "--arg",
        "0=x.npy",
        "--out-dir",
        "out",
        "--device",
        "vulkan",
    ];
    let mut command = run.tool(KFORGE_RUN, &line);
    command.env("VK_DRIVER_FILES", run.path("icd.json"));
    command.env("VK_ICD_FILENAMES", run.path("icd.json"));
    let ended = finish(&mut command)?;
    demand(ended.code() == Some(3), Flaw::FalseVerdict, || {
        format!("{}{}", ended.out, ended.err)
    })?;
    ended.is_calm()?;
    let results = run.path("out/result.0.npy").exists();
    demand(!results, Flaw::FalseVerdict, || "there are results".into())?;
    finish(&mut run.tool(KFORGE_RUN, &line))?.succeeds()?;
    happened("exit code 3 and an error; the next run succeeds")
}

/// The description of the software driver, wherever it is.
fn lavapipe() -> Option<std::path::PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let files = folders
        .iter()
        .filter_map(|it| fs::read_dir(it).ok())
        .flatten()
        .flatten();
    let mut paths = files.map(|it| it.path());
    paths.find(|it| {
        it.file_name()
            .is_some_and(|it| it.to_string_lossy().starts_with("lvp_icd"))
    })
}

fn vanishing(run: &mut Run) -> Result<Happened, Broken> {
    let Some(icd) = lavapipe() else {
        return Ok(Happened::Skipped("there is no lavapipe".into()));
    };
    let icd_copy = run.path("icd.json");
    fs::copy(icd, &icd_copy)?;
    run.copy("p.mlir")?;
    let archive = run.copy_as("archive.sqlite", "a.sqlite")?;
    let before = crate::base::rows(&archive)?;
    let line = "compile-transformer p.mlir --device vulkan --archive a.sqlite --plan-output plan.json --audit-output audit.json --corpus corpus.json -o out";
    let mut command = run.kforge(&line.split(' ').collect::<Vec<_>>());
    command
        .env("VK_DRIVER_FILES", &icd_copy)
        .env("VK_ICD_FILENAMES", &icd_copy);
    let parent = Started::new(&mut command)?;
    thread::sleep(Duration::from_micros(run.rng.u64(0..250_000)));
    fs::remove_file(&icd_copy)?;
    let ended = parent.finish(LIMIT)?;
    if ended.code() == Some(0) {
        return Ok(Happened::NotInjected);
    }
    ended.is_calm()?;
    outputs::compiled(run, &ended)?;
    keeps(&archive, &before)?;
    finish(&mut run.kforge(&line.split(' ').collect::<Vec<_>>()))?.succeeds()?;
    happened("refused or no device, said; the next run succeeds")
}

fn too_large(run: &mut Run) -> Result<Happened, Broken> {
    let size = 10_u64.pow(run.rng.u32(5..10)) + run.rng.u64(0..1000);
    let text = format!(
        "func.func @p(%x: tensor<{size}x{size}xf32>) -> tensor<{size}x{size}xf32> {{
  %y = kforge.softmax %x {{kforge.name = \"p\"}} : (tensor<{size}x{size}xf32>) -> tensor<{size}x{size}xf32>
  return %y : tensor<{size}x{size}xf32>
}}
"
    );
    fs::write(run.path("p.mlir"), text)?;
    let ended = finish(&mut run.kforge(&["verify", "p.mlir"]))?;
    demand(
        ended.code().is_some_and(|it| it != 0),
        Flaw::FalseVerdict,
        || ended.out.clone(),
    )?;
    demand(
        ended.code() == Some(2) || !ended.why().is_empty(),
        Flaw::Other,
        || ended.err.clone(),
    )?;
    run.copy("p.mlir")?;
    finish(&mut run.kforge(&["verify", "p.mlir"]))?.succeeds()?;
    happened("refused; the next verification passes")
}
