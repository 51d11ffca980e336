//! Several processes: writers at once, one killed, one without leave to write.
//!
//! A test starts its own binary again for the test of the same name, with the
//! archive's path in the environment; there it plays the other process.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use kforge_planner::archive::{Archive, ArchiveError, Filter, Options, default_path};

use crate::{open, place, record, verified};

const ROLE: &str = "KFORGE_TEST_ARCHIVE_ROLE";
const PATH: &str = "KFORGE_TEST_ARCHIVE_PATH";

/// In a process started by [`start`]: its role and the archive.
fn role() -> Option<(u64, PathBuf)> {
    let role = env::var(ROLE).ok()?;
    Some((role.parse().unwrap(), env::var_os(PATH)?.into()))
}

/// This test binary again, in which the test `name` has a role.
fn command(program: &Path, name: &str, role: u64, path: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ROLE, role.to_string())
        .env(PATH, path)
        .stdout(Stdio::piped());
    command
}

fn start(name: &str, role: u64, path: &Path) -> Child {
    let program = env::current_exe().unwrap();
    command(&program, name, role, path).spawn().unwrap()
}

#[test]
fn eight_writers_lose_nothing() {
    const EACH: u64 = 12;
    if let Some((role, path)) = role() {
        let mut archive = open(&path);
        for index in 0..EACH {
            let number = role * EACH + index;
            archive
                .record(&record(number, verified(1.0 + number as f64)))
                .unwrap();
        }
        return;
    }
    let (_folder, path) = place();
    // The file is not there yet: they also compete to make it.
    let name = "processes::eight_writers_lose_nothing";
    let writers: Vec<Child> = (0..8).map(|role| start(name, role, &path)).collect();
    for writer in writers {
        assert!(writer.wait_with_output().unwrap().status.success());
    }
    let archive = open(&path);
    assert!(archive.warnings().is_empty());
    let report = archive.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.intact, 8 * EACH);
    for number in 0..8 * EACH {
        archive.show(&format!("try-{number}")).unwrap();
    }
    let best = archive.best(&crate::key(64)).unwrap().unwrap();
    assert_eq!(best.attempt.id, "try-0");
}

#[test]
fn eight_processes_set_a_corrupt_file_aside_once() {
    if let Some((role, path)) = role() {
        let mut archive = open(&path);
        println!("warnings {}", archive.warnings().len());
        archive.record(&record(role, verified(1.0))).unwrap();
        return;
    }
    let (folder, path) = place();
    std::fs::write(&path, b"no database".repeat(1000)).unwrap();
    let name = "processes::eight_processes_set_a_corrupt_file_aside_once";
    let writers: Vec<Child> = (0..8).map(|role| start(name, role, &path)).collect();
    let mut warnings = 0;
    for writer in writers {
        let output = writer.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        warnings += text.matches("warnings 1").count();
    }
    assert_eq!(warnings, 1);
    let files = std::fs::read_dir(folder.path()).unwrap();
    let names = files.map(|it| it.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|it| it.contains(".corrupt-")).count(), 1);
    assert_eq!(open(&path).stats(&Filter::default()).unwrap().attempts, 8);
}

#[test]
fn a_killed_writer_loses_nothing_that_it_reported() {
    if let Some((role, path)) = role() {
        let mut archive = open(&path);
        for number in role.. {
            archive.record(&record(number, verified(1.0))).unwrap();
            println!("\nstored {number}");
        }
        return;
    }
    let (_folder, path) = place();
    let name = "processes::a_killed_writer_loses_nothing_that_it_reported";
    let mut next = 0;
    for round in 0..6 {
        let mut writer = start(name, next, &path);
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut reported = 0;
        let numbers = lines.filter_map(|line| {
            let line = line.ok()?;
            line.strip_prefix("stored ")?.parse::<u64>().ok()
        });
        // The pipe is read to its end: what was reported while the signal was on its
        // way counts too.
        for number in numbers {
            reported += 1;
            next = number + 1;
            if reported == 5 + 3 * round {
                writer.kill().unwrap();
            }
        }
        writer.wait().unwrap();
        assert!(reported >= 5, "round {round}: {reported}");
        let archive = open(&path);
        assert!(archive.warnings().is_empty());
        let report = archive.verify().unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
        for number in 0..next {
            archive.show(&format!("try-{number}")).unwrap();
        }
        // At most the one in flight is there unreported, and then it is whole.
        assert!(report.intact <= next + 1, "{report:?}");
        next = report.intact;
    }
}

#[test]
#[cfg(unix)]
fn a_folder_that_may_only_be_read_serves_and_stores_nothing() {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};

    if let Some((_, path)) = role() {
        let mut archive = open(&path);
        assert!(archive.is_read_only());
        let best = archive.best(&crate::key(64)).unwrap().unwrap();
        assert_eq!(best.attempt.id, "try-1");
        let error = archive.record(&record(2, verified(1.0))).unwrap_err();
        assert!(matches!(error, ArchiveError::ReadOnly { .. }), "{error}");
        assert!(matches!(
            archive.gc(None),
            Err(ArchiveError::ReadOnly { .. })
        ));
        assert!(archive.verify().unwrap().is_sound());
        let garbage = path.with_file_name("garbage.sqlite");
        let error = Archive::open(&garbage, &Options::default()).unwrap_err();
        assert!(matches!(error, ArchiveError::Corrupt { .. }), "{error}");
        let missing = path.with_file_name("missing.sqlite");
        let error = Archive::open(&missing, &Options::default()).unwrap_err();
        assert!(matches!(error, ArchiveError::ReadOnly { .. }), "{error}");
        println!("all checked");
        return;
    }
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (folder, path) = place();
    open(&path).record(&record(1, verified(1.0))).unwrap();
    let garbage = folder.path().join("garbage.sqlite");
    std::fs::write(&garbage, b"no database".repeat(1000)).unwrap();
    let lock = folder.path().join("archive.sqlite.lock");
    for file in [&path, &garbage, &lock] {
        mode(file, 0o444);
    }
    let program = folder.path().join("program");
    // By another process: were this one to write it, a test that forks meanwhile would
    // hold it open, and what is open for writing cannot be started.
    let mut copy = Command::new("cp");
    copy.arg(env::current_exe().unwrap()).arg(&program);
    assert!(copy.status().unwrap().success());
    mode(&program, 0o555);
    mode(folder.path(), 0o555);
    let name = "processes::a_folder_that_may_only_be_read_serves_and_stores_nothing";
    let mut reader = command(&program, name, 0, &path);
    // Permissions do not bind root, who can be someone else.
    if std::fs::write(folder.path().join("probe"), b"").is_ok() {
        std::fs::remove_file(folder.path().join("probe")).unwrap();
        reader.uid(65534).gid(65534).current_dir(folder.path());
    }
    let output = reader.output().unwrap();
    mode(folder.path(), 0o755);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("all checked"),
        "{text}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_default_path_is_in_the_users_data_folder() {
    if role().is_some() {
        println!("path {}", default_path().unwrap().display());
        return;
    }
    let name = "processes::the_default_path_is_in_the_users_data_folder";
    let program = env::current_exe().unwrap();
    for (data, expected) in [
        ("/data", "path /data/kforge/archive.sqlite"),
        // A relative one is none.
        ("data", "path /somebody/.local/share/kforge/archive.sqlite"),
    ] {
        let mut child = command(&program, name, 0, Path::new("x"));
        child.env("XDG_DATA_HOME", data).env("HOME", "/somebody");
        let output = child.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}
