//! The real tools as child processes: with a limit, without panics, and under strace where
//! a system call is to fail or to be the last.

use std::{
    collections::BTreeMap,
    io::Read,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use crate::kind::{Broken, Flaw, Run, broken, demand};

pub(crate) const KFORGE: &str = env!("CARGO_BIN_EXE_kforge");
pub(crate) const KFORGE_RUN: &str = env!("CARGO_BIN_EXE_kforge-run");
pub(crate) const KFORGE_OPT: &str = env!("CARGO_BIN_EXE_kforge-opt");

/// Longer than anything here takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// How a child ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
    pub seconds: f64,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn is_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }

    /// The first line of standard error that says why.
    pub fn why(&self) -> &str {
        let says = |line: &&str| line.starts_with("error: ") && !line.contains("XDG_RUNTIME_DIR");
        self.err.lines().find(says).unwrap_or_default()
    }

    /// Success, or an error that is said.
    pub fn is_calm(&self) -> Result<(), Broken> {
        match self.code() {
            Some(0) => Ok(()),
            Some(_) => demand(!self.why().is_empty(), Flaw::Other, || {
                format!("{} without a word: {}", self.status, self.err)
            }),
            None => broken(Flaw::Panic, format!("{}: {}", self.status, self.err)),
        }
    }

    pub fn succeeds(&self) -> Result<(), Broken> {
        demand(self.code() == Some(0), Flaw::Other, || {
            format!(
                "a run without a fault failed: {}: {}",
                self.status, self.err
            )
        })
    }
}

impl Run<'_> {
    /// A tool in the run's folder, with nothing of this machine's settings.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> Command {
        command(self.folder(), program, arguments)
    }

    pub fn kforge(&self, arguments: &[&str]) -> Command {
        self.tool(KFORGE, arguments)
    }
}

pub(crate) fn command(folder: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    for name in [
        "KERNELFORGE_LLM_API_KEY",
        "KERNELFORGE_LLM_ENDPOINT",
        "KERNELFORGE_LLM_MODEL",
        "OPENAI_API_KEY",
    ] {
        command.env_remove(name);
    }
    let own = [
        ("XDG_DATA_HOME", folder.join("data")),
        ("XDG_RUNTIME_DIR", folder.to_path_buf()),
        ("TMPDIR", folder.join("tmp")),
    ];
    command
        .envs(own)
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .env("RUST_BACKTRACE", "1");
    command
}

/// Runs a command to its end. A panic in it or in its children breaks the run.
pub(crate) fn finish(command: &mut Command) -> Result<Ended, Broken> {
    Started::new(command)?.finish(LIMIT)
}

/// A child that runs.
pub(crate) struct Started {
    child: Child,
    start: Instant,
    readers: [thread::JoinHandle<String>; 2],
}

impl Started {
    pub fn new(command: &mut Command) -> Result<Self, Broken> {
        let piped = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        Ok(Self {
            child,
            start: Instant::now(),
            readers: [reader(out), reader(err)],
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> std::io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill()
    }

    pub fn finish(mut self, limit: Duration) -> Result<Ended, Broken> {
        // A machine that sleeps, or stops its processes, makes nothing slow.
        let (mut spent, mut last) = (Duration::ZERO, self.start);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            let now = Instant::now();
            spent += (now - last).min(Duration::from_millis(100));
            last = now;
            if spent > limit {
                self.child.kill()?;
                self.child.wait()?;
                return broken(Flaw::Other, format!("no end within {limit:?}"));
            }
            thread::sleep(Duration::from_millis(2));
        };
        let seconds = spent.as_secs_f64();
        let [out, err] = self.readers.map(|it| it.join().unwrap_or_default());
        let ended = Ended {
            status,
            out,
            err,
            seconds,
        };
        for text in [&ended.out, &ended.err] {
            // What became of a measuring child is a report, not a crash of the tool.
            let own = text
                .lines()
                .filter(|line| !line.contains("the process that ran it ended with"));
            let text = own.collect::<Vec<_>>().join("\n");
            for word in [
                "panicked at",
                "stack backtrace",
                "SIGSEGV",
                "RUST_BACKTRACE",
            ] {
                demand(!text.contains(word), Flaw::Panic, || text.clone())?;
            }
        }
        demand(ended.code() != Some(101), Flaw::Panic, || ended.err.clone())?;
        Ok(ended)
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before a pipe broke is what there is.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// System calls that change a file.
const WRITES: &str = "write,pwrite64,fsync,fdatasync,ftruncate,fallocate,rename,renameat,\
                      renameat2,unlink,unlinkat,mkdir,mkdirat,link,linkat";

/// One system call of a run: the `nth` of its name in the main thread, or in any one.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub call: String,
    pub nth: usize,
}

/// Which threads and children a fault may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Main,
    All,
}

impl Who {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Main => &[],
            Self::All => &["-f"],
        }
    }
}

/// Whether strace may trace children here.
pub(crate) fn has_strace() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-qq", "-o", "/dev/null", "-e", "trace=none", "true"]);
    let quiet = probe.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The steps at which a command changes files, in their order, as found once by running it.
pub(crate) fn steps(
    key: &str,
    run: &Run,
    command: &Command,
    who: Who,
) -> Result<Vec<Step>, Broken> {
    static KNOWN: Mutex<BTreeMap<String, Vec<Step>>> = Mutex::new(BTreeMap::new());
    let known = |()| {
        KNOWN.lock().map_err(|_| Broken {
            flaw: Flaw::Other,
            detail: "the campaign: a thread failed".into(),
        })
    };
    if let Some(steps) = known(())?.get(key) {
        return Ok(steps.clone());
    }
    let log = run.path("tmp/strace.log");
    let options = format!("trace={WRITES}");
    let options = [who.options(), &["-e", &options]].concat();
    finish(&mut traced(command, &log, &options))?.succeeds()?;
    let text = std::fs::read_to_string(&log)?;
    std::fs::remove_file(&log)?;
    let (mut counts, mut steps) = (BTreeMap::<(&str, &str), usize>::new(), Vec::new());
    for line in text.lines() {
        let Some((call, rest)) = line.split_once('(') else {
            continue;
        };
        // With several threads the line begins with its number.
        let (thread, call) = call.rsplit_once(' ').unwrap_or(("", call));
        let nth = counts.entry((thread, call)).or_default();
        *nth += 1;
        // Standard output and error are no files of ours.
        if call == "write" && (rest.starts_with("1,") || rest.starts_with("2,")) {
            continue;
        }
        steps.push(Step {
            call: call.to_owned(),
            nth: *nth,
        });
    }
    known(())?.insert(key.to_owned(), steps.clone());
    Ok(steps)
}

/// What becomes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The process is killed before it.
    Kill,
    /// It fails with this error.
    Error(&'static str),
}

/// Runs a command with a fault at a step; `None` where the step did not come.
pub(crate) fn inject(
    run: &Run,
    command: &Command,
    step: &Step,
    at: At,
    who: Who,
) -> Result<Option<Ended>, Broken> {
    let Step { call, nth } = step;
    let fault = match at {
        At::Kill => "signal=KILL".to_owned(),
        At::Error(name) => format!("error={name}"),
    };
    let log = run.path("tmp/strace.log");
    let (trace, inject) = (
        format!("trace={call}"),
        format!("inject={call}:{fault}:when={nth}"),
    );
    let options = [who.options(), &["-e", &trace, "-e", &inject]].concat();
    let ended = finish(&mut traced(command, &log, &options))?;
    let text = std::fs::read_to_string(&log)?;
    std::fs::remove_file(&log)?;
    let hit = match at {
        At::Kill => ended.is_killed() || text.contains("killed by SIGKILL"),
        At::Error(_) => text.contains("(INJECTED)"),
    };
    Ok(hit.then_some(ended))
}

fn traced(command: &Command, log: &Path, options: &[&str]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-qq", "-o"]).arg(log).args(options).arg("--");
    traced.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        traced.current_dir(folder);
    }
    traced
}
