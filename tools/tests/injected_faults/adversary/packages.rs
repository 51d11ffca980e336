//! Packages whose kernels are not those that were verified.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use kforge_runtime::Package;
use serde_json::{Value, json};

use crate::{
    child::{Ended, KFORGE_RUN, finish},
    kind::{Broken, Flaw, Happened, Run, demand, files, happened},
};

const LINE: [&str; 5] = ["package", "--arg", "0=x.npy", "--out-dir", "out"];

/// Refused, or verified anew and right.
fn judged(run: &Run, ended: &Ended) -> Result<Happened, Broken> {
    if ended.code() != Some(0) {
        ended.is_calm()?;
        let there = run.path("out/result.0.npy").exists();
        demand(!there, Flaw::FalseVerdict, || {
            "refused, and results are written".into()
        })?;
        return happened("refused");
    }
    let own = fs::read(run.path("out/result.0.npy"))?;
    let right = own == fs::read(run.base.path("out/result.0.npy"))?;
    demand(
        right && ended.out.contains("verified: L0"),
        Flaw::FalseVerdict,
        || ended.out.clone(),
    )?;
    happened("verified anew, and right")
}

pub(super) fn changed(run: &mut Run) -> Result<Happened, Broken> {
    let folder = run.copy("package")?;
    let all: Vec<_> = files(&folder)?
        .into_iter()
        .filter(|it| !it.ends_with("manifest.json"))
        .collect();
    let path = &all[run.rng.usize(0..all.len())];
    let mut bytes = fs::read(path)?;
    let at = run.rng.usize(0..bytes.len());
    bytes[at] = bytes[at].wrapping_add(run.rng.u8(1..=255));
    fs::write(path, bytes)?;
    demand(Package::load(&folder).is_err(), Flaw::FalseVerdict, || {
        format!("{} at {at}", path.display())
    })?;
    happened("refused by its hash")
}

/// Makes a kernel another one; `None` where it does not hold what is to be replaced.
fn edit(run: &mut Run, folder: &Path) -> Result<Option<()>, Broken> {
    let edits = [
        ("exp(", "exp2("),
        ("max(", "min("),
        (" / ", " * "),
        (" + ", " - "),
        (" * ", " + "),
        ("1f", "2f"),
        ("0f", "1f"),
        (" < ", " <= "),
        (" - ", " + "),
        ("workgroupBarrier();", ""),
        ("8u", "7u"),
        ("8i", "7i"),
        ("4i", "3i"),
        ("3i", "2i"),
    ];
    let mut package = Package::load(folder)?;
    let (from, to) = edits[run.rng.usize(0..edits.len())];
    let Some(text) = package.files.values_mut().next() else {
        return Ok(None);
    };
    let source = String::from_utf8_lossy(text).into_owned();
    let places: Vec<usize> = source.match_indices(from).map(|(at, _)| at).collect();
    if places.is_empty() {
        return Ok(None);
    }
    let at = places[run.rng.usize(0..places.len())];
    *text = format!("{}{to}{}", &source[..at], &source[at + from.len()..]).into_bytes();
    package.save(folder)?;
    Ok(Some(()))
}

pub(super) fn rehashed(run: &mut Run) -> Result<Happened, Broken> {
    let folder = run.copy("package")?;
    run.copy("x.npy")?;
    if edit(run, &folder)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    judged(run, &finish(&mut run.tool(KFORGE_RUN, &LINE))?)
}

pub(super) fn says_so(run: &mut Run) -> Result<Happened, Broken> {
    let folder = run.copy("package")?;
    run.copy("x.npy")?;
    if edit(run, &folder)?.is_none() {
        return Ok(Happened::NotInjected);
    }
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let words = ["verified", "kforge.verified", "verdict", "levels"];
    let word = words[run.rng.usize(0..words.len())];
    match run.rng.u8(0..3) {
        0 => manifest[word] = json!(true),
        1 => manifest["plan"] = json!("builtin.module(kforge-verify{level=L3 verified=true})"),
        _ => {
            manifest["kernels"]["p"][word] =
                json!({"levels": ["L0", "L1", "L2", "L3"], "passed": true})
        }
    }
    fs::write(&path, manifest.to_string())?;
    judged(run, &finish(&mut run.tool(KFORGE_RUN, &LINE))?)
}

pub(super) fn race(run: &mut Run) -> Result<Happened, Broken> {
    let folder = run.copy("package")?;
    let evil = run.copy_as("package", "evil")?;
    run.copy("x.npy")?;
    let mut package = Package::load(&evil)?;
    for text in package.files.values_mut() {
        let source = String::from_utf8_lossy(text).replace("exp(", "exp2(");
        *text = source.into_bytes();
    }
    package.save(&evil)?;
    let stop = AtomicBool::new(false);
    let swaps = std::sync::atomic::AtomicUsize::new(0);
    let pause = Duration::from_micros(run.rng.u64(0..2000));
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            // Files one by one or the folders as a whole: any mixture may be read.
            while !stop.load(Ordering::Relaxed) {
                let kernels = |it: &Path| it.join("kernels");
                let aside = folder.with_extension("aside");
                let _ = fs::rename(kernels(&folder), &aside);
                let _ = fs::rename(kernels(&evil), kernels(&folder));
                let _ = fs::rename(&aside, kernels(&evil));
                let manifest = |it: &Path| it.join("manifest.json");
                let _ = fs::rename(manifest(&folder), &aside);
                let _ = fs::rename(manifest(&evil), manifest(&folder));
                let _ = fs::rename(&aside, manifest(&evil));
                swaps.fetch_add(1, Ordering::Relaxed);
                thread::sleep(pause);
            }
        });
        let ended = finish(&mut run.tool(KFORGE_RUN, &LINE));
        stop.store(true, Ordering::Relaxed);
        ended
    })?;
    match swaps.load(Ordering::Relaxed) {
        0 | 1 => Ok(Happened::NotInjected),
        _ => judged(run, &ended),
    }
}

pub(super) fn links(run: &mut Run) -> Result<Happened, Broken> {
    let folder = run.copy("package")?;
    run.copy("x.npy")?;
    let all = files(&folder)?;
    if run.rng.bool() {
        let path = &all[run.rng.usize(0..all.len())];
        let elsewhere = run.path("elsewhere");
        fs::rename(path, &elsewhere)?;
        symlink(&elsewhere, path)?;
        let ended = finish(&mut run.tool(KFORGE_RUN, &LINE))?;
        demand(ended.code() == Some(1), Flaw::FalseVerdict, || {
            ended.out.clone()
        })?;
        return judged(run, &ended);
    }
    // A result replaces a link, and what it names stays what it is.
    fs::create_dir(run.path("out"))?;
    let victim = run.copy_as("x.npy", "victim")?;
    symlink(&victim, run.path("out/result.0.npy"))?;
    let ended = finish(&mut run.tool(KFORGE_RUN, &LINE))?;
    let same = fs::read(&victim)? == fs::read(run.path("x.npy"))?;
    demand(same, Flaw::Lost, || {
        "what a link names was overwritten".into()
    })?;
    judged(run, &ended)
}
