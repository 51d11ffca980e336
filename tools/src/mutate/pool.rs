//! Child processes that judge mutants side by side.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
    thread,
    time::{Duration, Instant},
};

use kforge_mutate::{Fate, Judged, Kill};

use super::job::{Answer, Job};
use crate::measure::{Lost, Process};

/// How long a mutant may take beyond the deadline of one submission: other shapes, and the
/// proof that a survivor is equivalent, take several.
const WHOLE: u32 = 10;

/// When no further mutant begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    /// From then on.
    pub at: Option<Instant>,
    /// Once it is true.
    pub stop: &'a AtomicBool,
}

impl End<'_> {
    pub(super) fn is_reached(self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.at.is_some_and(|at| Instant::now() >= at)
    }
}

/// How children are started.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// The kforge-run that judges.
    pub runner: PathBuf,
    /// As `--device`.
    pub device: String,
    /// Children at a time.
    pub workers: usize,
    /// Deadline of one submission.
    pub deadline: Duration,
    /// Whether one child's endless kernel keeps the device from the others.
    pub exclusive: bool,
}

impl Pool {
    /// Asks every job, in any order; answers come with the job's number. No new job begins
    /// after `end`. Where one child's endless kernel keeps a device from the others, whoever
    /// missed a deadline is asked again alone.
    pub fn ask_all(&self, jobs: &[Job], end: End, answered: &mut dyn FnMut(usize, Answer)) {
        if !self.exclusive || self.workers < 2 {
            return self.ask_some(jobs, (0..jobs.len()).collect(), end, answered);
        }
        let mut late = VecDeque::new();
        self.ask_some(
            jobs,
            (0..jobs.len()).collect(),
            end,
            &mut |number, answer| match missed_deadline(&answer) {
                true => late.push_back(number),
                false => answered(number, answer),
            },
        );
        let alone = Self {
            workers: 1,
            ..self.clone()
        };
        alone.ask_some(jobs, late, end, answered);
    }

    fn ask_some(
        &self,
        jobs: &[Job],
        numbers: VecDeque<usize>,
        end: End,
        answered: &mut dyn FnMut(usize, Answer),
    ) {
        let queue: Mutex<VecDeque<usize>> = Mutex::new(numbers);
        let (send, receive) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.workers.clamp(1, jobs.len().max(1)) {
                let (queue, send) = (&queue, send.clone());
                scope.spawn(move || self.work(jobs, queue, end, &send));
            }
            drop(send);
            for (number, answer) in receive {
                answered(number, answer);
            }
        });
    }

    fn work(
        &self,
        jobs: &[Job],
        queue: &Mutex<VecDeque<usize>>,
        end: End,
        send: &Sender<(usize, Answer)>,
    ) {
        let mut child: Option<Process> = None;
        loop {
            let next = queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            let Some(number) = next else {
                return;
            };
            if end.is_reached() {
                return;
            }
            let start = Instant::now();
            let answer = self.ask(&mut child, &jobs[number]).unwrap_or_else(|error| {
                child = None;
                killed(&error, start.elapsed())
            });
            // After a missed deadline the device is still at work for the mutant.
            if start.elapsed() >= self.deadline && failed_to_run(&answer) {
                child = None;
            }
            if send.send((number, answer)).is_err() {
                return;
            }
        }
    }

    fn ask(&self, child: &mut Option<Process>, job: &Job) -> Result<Answer, Lost> {
        let child = match child {
            Some(child) => child,
            none => {
                let arguments = [".", "--mutation-worker", "--device", &self.device];
                none.insert(Process::start(&self.runner, &arguments)?)
            }
        };
        let line = serde_json::to_string(job);
        let line = line.map_err(|error| Lost::Crash(error.to_string()))?;
        let answer = child.ask(&line, self.deadline * WHOLE)?;
        serde_json::from_str(&answer)
            .map_err(|error| Lost::Crash(format!("the answer is not readable: {error}")))
    }
}

fn failed_to_run(answer: &Answer) -> bool {
    match answer {
        Answer::Judged { judged, .. } => match &judged.fate {
            Fate::Refused(kill) => kill.is_late() || kill.check() == "Execution",
            _ => false,
        },
        _ => false,
    }
}

/// Whether a submission, or the whole, did not end in time.
fn missed_deadline(answer: &Answer) -> bool {
    match answer {
        Answer::Judged { judged, .. } => match &judged.fate {
            Fate::Refused(kill) => kill.is_late(),
            // A survivor that was not compared to the end.
            Fate::Accepted { note } => note
                .as_deref()
                .is_some_and(|it| it.contains("not finished after")),
            _ => false,
        },
        _ => false,
    }
}

/// A mutant that gave no answer is refused: what hangs or crashes costs itself alone.
fn killed(error: &Lost, spent: Duration) -> Answer {
    let reason = match error {
        Lost::Timeout(_) => "Timing",
        Lost::Crash(_) => "Crash",
    };
    Answer::Judged {
        judged: Box::new(Judged {
            fate: Fate::Refused(Kill::plain(reason, error.to_string())),
            stages: Default::default(),
            ms: u64::try_from(spent.as_millis()).unwrap_or(u64::MAX),
        }),
        failure: None,
    }
}
