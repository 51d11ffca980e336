//! Invocations one by one: the witness of what is wrong, and the proof of small launches
//! that `symbolic.rs` does not understand.
//!
//! Workgroups are followed from the corners of the launch inwards. What an invocation did
//! until it was left is what it does on a device, so an index out of bounds, two accesses
//! that meet and a barrier that one invocation passes and another does not are defects,
//! whatever else was not followed. Where every invocation was followed to its end, the
//! launch is proved.
//!
//! Limits: 2^20 steps, and 2^15 of one invocation; a step is one expression.

mod machine;
mod meet;
mod values;

use machine::{Event, Stop, follow};
use meet::Memories;

use super::{
    code::Code,
    finding::{Defect, Facts},
    launch::Launch,
    trace::{Line, Memory},
};

/// Steps of all invocations together.
const STEPS: u64 = 1 << 20;
/// Steps of one.
const STEPS_OF_ONE: u64 = 1 << 15;
/// Workgroups that are looked at when not all can be.
const SAMPLES: u64 = 32;

/// What following invocations came to.
pub(super) enum Followed {
    /// All of them did all they do, and nothing is wrong.
    All(Facts),
    Wrong(Defect),
    /// Nothing wrong was met.
    Some,
}

/// An invocation's numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) workgroup: [u32; 3],
    pub(super) local: [u32; 3],
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { workgroup, local } = self;
        write!(f, "invocation {local:?} of workgroup {workgroup:?}")
    }
}

/// Follows the invocations of a launch.
pub(super) fn search(code: &Code, launch: &Launch) -> Followed {
    let size = code.entry().workgroup_size;
    let mut memories = Memories::default();
    let mut left = STEPS;
    let mut complete = true;
    let mut facts = Facts::default();
    for workgroup in order(launch.workgroups, &mut complete) {
        if left == 0 {
            complete = false;
            break;
        }
        let mut barriers: Option<(Who, Vec<Event>, bool)> = None;
        memories.next_workgroup();
        for local in every(size) {
            let who = Who { workgroup, local };
            let (events, stop, used) =
                follow(code, launch, workgroup, local, left.min(STEPS_OF_ONE));
            left = left.saturating_sub(used);
            if let Some(Stop::Outside {
                what,
                index,
                length,
                line,
            }) = &stop
            {
                return Followed::Wrong(outside(code, who, what, *index, *length, *line));
            }
            let finished = stop.is_none();
            complete &= finished;
            facts.indices += events.len();
            let met: Vec<Event> = events
                .iter()
                .filter(|event| matches!(event, Event::Barrier { .. }))
                .copied()
                .collect();
            match &barriers {
                None => barriers = Some((who, met, finished)),
                Some((first, others, others_finished)) => {
                    let defect = apart(
                        code,
                        (*first, others, *others_finished),
                        (who, &met, finished),
                    );
                    if let Some(defect) = defect {
                        return Followed::Wrong(defect);
                    }
                    // The longest is what the next is held against.
                    if met.len() > others.len() {
                        barriers = Some((who, met, finished));
                    }
                }
            }
            if let Some(race) = memories.take(who, &events) {
                return Followed::Wrong(race.defect(code, launch));
            }
        }
        facts.barriers = facts
            .barriers
            .max(barriers.map_or(0, |(_, met, _)| met.len()));
    }
    match complete {
        true => {
            facts.intervals = facts.barriers + 1;
            facts.buffers = memories.buffers();
            Followed::All(facts)
        }
        false => Followed::Some,
    }
}

/// Workgroups from the corners inwards; `complete` becomes false where some are left out.
fn order(count: [u32; 3], complete: &mut bool) -> Vec<[u32; 3]> {
    let total: u64 = count.iter().map(|count| u64::from(*count)).product();
    // More than that many steps are not taken anyway.
    if total <= STEPS / 64 {
        let mut all: Vec<[u32; 3]> = every(count).collect();
        // The last one early: tails are there.
        if let Some(last) = all.pop() {
            all.insert(1.min(all.len()), last);
        }
        return all;
    }
    *complete = false;
    let mut found: Vec<[u32; 3]> = Vec::new();
    let corners = count.map(|count| [0, count - 1, 1.min(count - 1)]);
    for x in corners[0] {
        for y in corners[1] {
            for z in corners[2] {
                found.push([x, y, z]);
            }
        }
    }
    for sample in 0..SAMPLES {
        let mut number = total * sample / SAMPLES;
        found.push(count.map(|count| {
            let own = number % u64::from(count);
            number /= u64::from(count);
            own as u32
        }));
    }
    let mut seen = std::collections::HashSet::new();
    found.retain(|one| seen.insert(*one));
    found
}

fn every(count: [u32; 3]) -> impl Iterator<Item = [u32; 3]> {
    let [x, y, z] = count;
    (0..z).flat_map(move |c| (0..y).flat_map(move |b| (0..x).map(move |a| [a, b, c])))
}

fn outside(code: &Code, who: Who, what: &str, index: i64, length: i64, line: Line) -> Defect {
    Defect {
        what: format!(
            "index {index} into {what}, which has {length} elements, by {who}, at line {line}: {}",
            code.text(line)
        ),
        line,
    }
}

/// A barrier that one invocation meets and another of its workgroup does not.
fn apart(
    code: &Code,
    (first, one, one_finished): (Who, &[Event], bool),
    (second, other, other_finished): (Who, &[Event], bool),
) -> Option<Defect> {
    let barrier = |event: Option<&Event>| match event {
        Some(Event::Barrier { site, line, .. }) => Some((*site, *line)),
        _ => None,
    };
    for number in 0..one.len().max(other.len()) {
        let (a, b) = (barrier(one.get(number)), barrier(other.get(number)));
        let known = (a.is_some() || one_finished) && (b.is_some() || other_finished);
        if !known {
            return None;
        }
        if a == b {
            continue;
        }
        let ((meets, at), (misses, instead)) = match (a, b) {
            (Some((_, at)), instead) => ((first, at), (second, instead)),
            (None, Some((_, at))) => ((second, at), (first, None)),
            (None, None) => return None,
        };
        let instead = match instead {
            Some((_, line)) => format!("is at another one, of line {line}"),
            None => "meets none any more".to_owned(),
        };
        return Some(Defect {
            what: format!(
                "a barrier in divergent control flow: {meets} meets the one of line {at} as its \
                 number {}, {misses} {instead}; line {at}: {}",
                number + 1,
                code.text(at)
            ),
            line: at,
        });
    }
    None
}

/// The name of a memory in messages.
fn name(code: &Code, launch: &Launch, memory: Memory) -> String {
    let is = |handle: naga::Handle<naga::GlobalVariable>, variable: &naga::GlobalVariable| {
        match memory {
            Memory::Workgroup(index) => handle.index() as u32 == index,
            Memory::Buffer(buffer) => launch
                .slot(variable)
                .is_some_and(|slot| slot.buffer == buffer),
        }
    };
    let mut globals = code.module.global_variables.iter();
    let found = globals.find(|(handle, variable)| is(*handle, variable));
    match found.and_then(|(_, variable)| variable.name.as_deref()) {
        Some(name) => format!("'{}'", name.escape_default()),
        None => "memory without a name".to_owned(),
    }
}
