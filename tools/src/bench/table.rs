//! Results as rows: ours, the peers, ratios, goals and whether they are met.
//!
//! A ratio is the peer's time by ours, so that more is better; of a copy that moves as many
//! bytes it is the share of the copy's rate. A pure function of the results.

use kforge_runtime::execute::Spread;
use serde::Serialize;

use super::{Against, LeftOut, Measured, Ours, Peer, PeerTime, Results};
use crate::optimize::geometric_mean;

/// Everything that is shown of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// When, where and with what, in a line.
    pub head: String,
    /// Why there are no peers, if there are none.
    pub no_peers: Option<String>,
    /// A row for each work and peer that is no copy.
    pub rows: Vec<Row>,
    /// Goals for several works together.
    pub groups: Vec<GroupRow>,
    /// Works without a package.
    pub left_out: Vec<LeftOut>,
    /// Goals that are met.
    pub met: usize,
    /// All goals, each group's counted once.
    pub goals: usize,
}

/// A work beside a peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The work.
    pub name: String,
    /// Launches of kernels in one run.
    pub launches: usize,
    /// Our time.
    pub ours: Cell,
    /// Whom with; absent where a copy is the only peer.
    pub peer: Option<Peer>,
    /// Its time.
    pub theirs: Cell,
    /// The peer's time by ours.
    pub ratio: Option<f64>,
    /// The least ratio that is wanted.
    pub goal: Option<f64>,
    /// Whose mean the goal is for.
    pub group: Option<String>,
    /// Whether it is reached.
    pub standing: Standing,
    /// The share of a copy's rate.
    pub copy: Option<CopyShare>,
}

/// A work beside a copy that moves as many bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CopyShare {
    /// Our rate by the copy's.
    pub share: Option<f64>,
    /// The least share that is wanted.
    pub goal: Option<f64>,
    /// Whether it is reached.
    pub standing: Standing,
}

/// A time, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Milliseconds.
    Ms(Spread),
    /// A reason.
    None(String),
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// There is no goal, or it is a group's.
    NoGoal,
    /// It is.
    Met,
    /// It is not.
    Short,
    /// Ours has no time, so it is not.
    Refused,
    /// The peer has no time, so nobody knows.
    Open,
}

impl Standing {
    /// In a word; nothing where there is no goal.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoGoal => "",
            Self::Met => "met",
            Self::Short => "short",
            Self::Refused => "refused",
            Self::Open => "open",
        }
    }

    fn of(goal: Option<f64>, ratio: Option<f64>, is_refused: bool) -> Self {
        match (goal, ratio) {
            (None, _) => Self::NoGoal,
            (Some(_), None) if is_refused => Self::Refused,
            (Some(_), None) => Self::Open,
            (Some(goal), Some(ratio)) if ratio >= goal => Self::Met,
            (Some(_), Some(_)) => Self::Short,
        }
    }
}

/// A goal for the geometric mean of several works' ratios.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupRow {
    /// What they are called together.
    pub name: String,
    /// Beside whom.
    pub peer: Peer,
    /// Works of it.
    pub works: usize,
    /// Those that have a ratio.
    pub counted: usize,
    /// The mean of these; absent where there are none.
    pub mean: Option<f64>,
    /// The least mean that is wanted.
    pub goal: f64,
    /// Whether it is reached: only where every work has a ratio.
    pub standing: Standing,
}

impl Table {
    /// The table of a file.
    pub fn of(results: &Results) -> Self {
        let rows: Vec<Row> = results.works.iter().flat_map(rows).collect();
        let groups = groups(&rows);
        let copies = rows.iter().filter_map(|it| it.copy.as_ref());
        let copies = copies.map(|it| it.standing);
        let works = rows.iter().map(|it| it.standing);
        let standings = works
            .chain(copies)
            .chain(groups.iter().map(|it| it.standing));
        let standings: Vec<Standing> = standings.filter(|it| *it != Standing::NoGoal).collect();
        Self {
            head: head(results),
            no_peers: results.no_peers.clone(),
            met: standings.iter().filter(|it| **it == Standing::Met).count(),
            goals: standings.len(),
            rows,
            groups,
            left_out: results.left_out.clone(),
        }
    }
}

/// A row for each peer but copies, whose share stands in the first one.
fn rows(measured: &Measured) -> Vec<Row> {
    let all = &measured.work.peers;
    let is_copy = |it: &&Against| it.peer == Peer::Copy;
    let mut copy = all.iter().find(is_copy).map(|it| {
        let share = ratio(measured, Peer::Copy);
        CopyShare {
            share,
            goal: it.goal,
            standing: Standing::of(it.goal, share, measured.time().is_none()),
        }
    });
    let mut others: Vec<Option<&Against>> =
        all.iter().filter(|it| !is_copy(it)).map(Some).collect();
    if others.is_empty() {
        others.push(None);
    }
    let row = |against: Option<&Against>| {
        let ratio = against.and_then(|it| ratio(measured, it.peer));
        let goal = against.and_then(|it| it.goal);
        let group = against.and_then(|it| it.group.clone());
        let own = goal.filter(|_| group.is_none());
        Row {
            name: measured.work.name.clone(),
            launches: measured.work.launches,
            ours: ours(measured),
            peer: against.map(|it| it.peer),
            theirs: theirs(measured, against),
            ratio,
            goal,
            group,
            standing: Standing::of(own, ratio, measured.time().is_none()),
            copy: copy.take(),
        }
    };
    others.into_iter().map(row).collect()
}

fn ratio(measured: &Measured, peer: Peer) -> Option<f64> {
    let ours = measured.time()?.ms.median;
    let theirs = measured.peer_ms(peer)?.median;
    Some(theirs / ours).filter(|it| it.is_finite() && *it > 0.0)
}

fn ours(measured: &Measured) -> Cell {
    match &measured.ours {
        Ours::Timed(time) => Cell::Ms(time.ms),
        Ours::Refused(refusal) => Cell::None(format!("{}: {}", refusal.reason, refusal.detail)),
    }
}

fn theirs(measured: &Measured, against: Option<&Against>) -> Cell {
    let Some(against) = against else {
        return Cell::None("no peer".into());
    };
    let found = measured.peers.iter().find(|it| it.peer == against.peer);
    match found.map(|it| &it.time) {
        Some(PeerTime::Timed { ms, .. }) => Cell::Ms(*ms),
        Some(PeerTime::Missing(because)) => Cell::None(format!("missing: {because}")),
        None => Cell::None("missing".into()),
    }
}

/// Every group, in the order of its first work.
fn groups(rows: &[Row]) -> Vec<GroupRow> {
    let mut groups: Vec<(GroupRow, Vec<f64>)> = Vec::new();
    for row in rows {
        let (Some(name), Some(peer), Some(goal)) = (&row.group, row.peer, row.goal) else {
            continue;
        };
        let place = groups
            .iter()
            .position(|it| it.0.name == *name && it.0.peer == peer);
        let place = place.unwrap_or_else(|| {
            let group = GroupRow {
                name: name.clone(),
                peer,
                works: 0,
                counted: 0,
                mean: None,
                goal,
                standing: Standing::Open,
            };
            groups.push((group, Vec::new()));
            groups.len() - 1
        });
        let (group, ratios) = &mut groups[place];
        group.works += 1;
        group.goal = group.goal.max(goal);
        ratios.extend(row.ratio);
    }
    let finished = groups.into_iter().map(|(mut group, ratios)| {
        group.counted = ratios.len();
        group.mean = (!ratios.is_empty()).then(|| geometric_mean(&ratios));
        let all = group.mean.filter(|_| group.counted == group.works);
        group.standing = Standing::of(Some(group.goal), all, false);
        group
    });
    finished.collect()
}

/// When, where and with what.
fn head(results: &Results) -> String {
    let clocks = results.works.iter().filter_map(|it| it.clocks);
    let clocks = clocks.map(|it| (it.sm_min_mhz, it.sm_max_mhz));
    let clocks = clocks.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let clock = clocks.map(|(least, most)| match least == most {
        true => format!("SM clock {least} MHz"),
        false => format!("SM clock {least} to {most} MHz"),
    });
    let parts = [
        Some(results.date.clone()),
        results.device.clone(),
        results.driver.as_ref().map(|it| format!("driver {it}")),
        clock,
        results.torch.as_ref().map(|it| format!("PyTorch {it}")),
        Some(format!("suite {}", results.suite)),
        Some(format!("kforge {}", results.version)),
        Some(format!("{} runs or more of each side", results.samples)),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}
