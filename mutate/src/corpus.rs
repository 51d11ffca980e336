//! The regression corpus: cases that refused something, kept for the next time.
//!
//! One file of JSON, written whole or not at all. A file that cannot be read, or that a
//! later version wrote, is set aside under another name with one warning, never lost.
//! Limits: 16 cases per function and target, 2048 in all; the file is at most 16 MiB. Where
//! there is no room, what no inputs showed makes some, then the oldest of those that refused
//! least.

use std::{
    fs, io,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use kforge_oracle::Program;
use kforge_runtime::{
    device::Target,
    whole_file::{set_aside, turn, write_whole},
};
use kforge_verify::{Case, Failure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outcome::{scope_name, scope_of};

/// The version of the file.
pub const SCHEMA: u32 = 1;
/// Where it is kept if nothing else is said.
pub const DEFAULT: &str = "reports/regression_corpus.json";
const PER_FUNCTION: usize = 16;
const IN_ALL: usize = 2048;
const MOST_BYTES: u64 = 16 << 20;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corpus {
    /// Version of this format: 1.
    pub schema: u32,
    /// The cases, each once.
    pub cases: Vec<Kept>,
}

/// One case, minimal: what to run, on which inputs, and what it showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Hash of the reference program, by which cases are found.
    pub program: String,
    /// The function's name, for readers.
    pub function: String,
    /// `gpu` or `cpu`.
    pub target: Target,
    /// The plan whose kernels were refused, as pipeline text; empty where unknown.
    pub plan: String,
    /// The stage, with its shape where that is not its own.
    pub stage: String,
    /// `kernel`, `shape` or `function`.
    pub scope: String,
    /// The kind of input values; absent where it took several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
    /// Seed of the inputs.
    pub seed: u64,
    /// What failed, in one word.
    pub reason: String,
    /// What was refused: a mutant's kind, or the command that refused a plan.
    pub found_by: String,
    /// How often this case refused something.
    pub count: u64,
}

/// The hash by which a function's cases are found.
pub fn key(program: &Program) -> String {
    let text = serde_json::to_vec(program).unwrap_or_default();
    blake3::hash(&text).to_hex().as_str()[..32].to_owned()
}

impl Default for Corpus {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            cases: Vec::new(),
        }
    }
}

impl Kept {
    /// A case that refused something; `None` where no inputs were involved.
    pub fn of(failure: &Failure, seed: u64, about: &About<'_>) -> Option<Self> {
        let case = crate::outcome::case_of(failure, seed)?;
        Some(Self {
            program: about.program.to_owned(),
            function: about.function.to_owned(),
            target: about.target,
            plan: about.plan.to_owned(),
            stage: case.stage,
            scope: scope_name(case.scope).into(),
            values: case.values,
            seed,
            reason: format!("{:?}", failure.reason),
            found_by: about.found_by.to_owned(),
            count: 1,
        })
    }

    /// The case that the gate runs.
    pub fn case(&self) -> Option<Case> {
        Some(Case {
            stage: self.stage.clone(),
            scope: scope_of(&self.scope)?,
            values: self.values.clone(),
            seed: self.seed,
        })
    }

    /// Whether inputs showed it: what refuses before anything runs does so again without them.
    fn has_inputs(&self) -> bool {
        const REASONS: [&str; 4] = [
            "NumericMismatch",
            "OnlyWithinTolerance",
            "Poison",
            "Determinism",
        ];
        REASONS.contains(&self.reason.as_str())
    }

    /// Whether two are the same run.
    fn is(&self, other: &Self) -> bool {
        let key = |it: &Self| {
            (
                it.program.clone(),
                it.target,
                it.stage.clone(),
                it.scope.clone(),
                it.values.clone(),
                it.seed,
            )
        };
        key(self) == key(other)
    }
}

/// What a refusal was about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// [`key`] of the reference program.
    pub program: &'a str,
    /// The function.
    pub function: &'a str,
    /// What it was compiled for.
    pub target: Target,
    /// With which plan.
    pub plan: &'a str,
    /// Who found it.
    pub found_by: &'a str,
}

impl Corpus {
    /// Reads a corpus. A missing file is an empty one; one that cannot be read is set
    /// aside, and the sentence says so.
    pub fn load(path: &Path) -> io::Result<(Self, Option<String>)> {
        match Self::read(path)? {
            Ok(corpus) => Ok((corpus, None)),
            Err(_) => {
                let _turn = turn(path)?;
                Self::load_in_turn(path)
            }
        }
    }

    /// [`Corpus::load`] while nobody else changes the file: who waited for a turn may find
    /// another file than before.
    fn load_in_turn(path: &Path) -> io::Result<(Self, Option<String>)> {
        let why = match Self::read(path)? {
            Ok(corpus) => return Ok((corpus, None)),
            Err(why) => why,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let aside = set_aside(path, now.map_or(0, |it| it.as_secs()))?;
        let warning = format!(
            "the regression corpus '{}' {why}; it is set aside as '{}' and a new one begins",
            path.display(),
            aside.display()
        );
        Ok((Self::default(), Some(warning)))
    }

    /// The file, or why it cannot be used.
    fn read(path: &Path) -> io::Result<Result<Self, String>> {
        let size = match fs::metadata(path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Ok(Self::default()));
            }
            Err(error) => return Err(error),
        };
        Ok(match size > MOST_BYTES {
            true => Err(format!("has {size} bytes, the limit is {MOST_BYTES}")),
            false => Self::parse(&fs::read(path)?),
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| format!("is not readable: {error}"))?;
        let schema = value.get("schema").and_then(serde_json::Value::as_u64);
        if schema != Some(u64::from(SCHEMA)) {
            let found = schema.map_or_else(|| "none".into(), |it| it.to_string());
            return Err(format!("has schema {found}, this program reads {SCHEMA}"));
        }
        serde_json::from_value(value).map_err(|error| format!("is not readable: {error}"))
    }

    /// Adds a case, or counts it once more.
    pub fn add(&mut self, kept: Kept) {
        if let Some(known) = self.cases.iter_mut().find(|known| known.is(&kept)) {
            known.count = known.count.saturating_add(kept.count);
            return;
        }
        self.make_room(PER_FUNCTION, |it| {
            it.program == kept.program && it.target == kept.target
        });
        self.make_room(IN_ALL, |_| true);
        self.cases.push(kept);
    }

    /// Leaves fewer than `most` cases of a kind.
    fn make_room(&mut self, most: usize, is_own: impl Fn(&Kept) -> bool) {
        let own = self.cases.iter().enumerate();
        let own = own.filter(|(_, it)| is_own(it));
        if own.clone().count() < most {
            return;
        }
        // Later ones are behind earlier ones; of equals `min_by_key` gives the first.
        if let Some((index, _)) = own.min_by_key(|(_, it)| (it.has_inputs(), it.count)) {
            self.cases.remove(index);
        }
    }

    /// Cases of a function on a target that inputs showed, those that refused most first.
    pub fn matching(&self, program: &str, target: Target) -> Vec<Case> {
        let own = self.cases.iter();
        let mut own: Vec<&Kept> = own
            .filter(|it| it.program == program && it.target == target && it.has_inputs())
            .collect();
        own.sort_by_key(|it| std::cmp::Reverse(it.count));
        own.into_iter().filter_map(Kept::case).collect()
    }

    /// Writes it whole or not at all, with its folder.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(folder(path))?;
        write_whole(path, |file| {
            serde_json::to_writer_pretty(&mut *file, self)?;
            file.write_all(b"\n")
        })
    }

    /// Adds cases to the file at `path`, whoever else does at the same time; a sentence
    /// where an old file was set aside.
    pub fn record(
        path: &Path,
        cases: impl IntoIterator<Item = Kept>,
    ) -> io::Result<Option<String>> {
        let mut cases = cases.into_iter().peekable();
        if cases.peek().is_none() {
            return Ok(None);
        }
        fs::create_dir_all(folder(path))?;
        // Between reading and writing another process could add its cases, and lose them.
        let _turn = turn(path)?;
        let (mut corpus, warning) = Self::load_in_turn(path)?;
        for kept in cases {
            corpus.add(kept);
        }
        corpus.save(path)?;
        Ok(warning)
    }
}

/// The published JSON Schema of the file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Corpus).to_value()
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(stage: &str, seed: u64) -> Kept {
        Kept {
            program: "p".into(),
            function: "f".into(),
            target: Target::Gpu,
            plan: String::new(),
            stage: stage.into(),
            scope: "kernel".into(),
            values: Some("normal".into()),
            seed,
            reason: "NumericMismatch".into(),
            found_by: "test".into(),
            count: 1,
        }
    }

    #[test]
    fn a_case_is_kept_once_and_found_by_its_function() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reports/corpus.json");
        assert_eq!(
            Corpus::record(&path, [kept("a", 0), kept("a", 0)]).unwrap(),
            None
        );
        Corpus::record(&path, [kept("b", 0), kept("b", 0), kept("b", 0)]).unwrap();
        let (corpus, warning) = Corpus::load(&path).unwrap();
        assert_eq!(warning, None);
        assert_eq!(corpus.cases.len(), 2);
        let stages: Vec<String> = corpus
            .matching("p", Target::Gpu)
            .into_iter()
            .map(|case| case.stage)
            .collect();
        assert_eq!(stages, ["b", "a"]);
        assert!(corpus.matching("p", Target::Cpu).is_empty());
        assert!(corpus.matching("q", Target::Gpu).is_empty());
    }

    #[test]
    fn what_no_input_showed_is_kept_and_not_replayed() {
        let shown_before = Kept {
            reason: "Static".into(),
            count: 9,
            ..kept("a", 0)
        };
        let mut corpus = Corpus::default();
        corpus.add(shown_before);
        assert_eq!(corpus.cases.len(), 1);
        assert!(corpus.matching("p", Target::Gpu).is_empty());
        (1..=PER_FUNCTION as u64).for_each(|seed| corpus.add(kept("a", seed)));
        assert!(corpus.cases.iter().all(|it| it.reason != "Static"));
    }

    #[test]
    fn writers_at_once_lose_no_case() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.json");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for seed in 0..PER_FUNCTION as u64 {
                        let mut kept = kept("a", seed);
                        kept.program = format!("p{writer}");
                        Corpus::record(path, [kept]).unwrap();
                    }
                });
            }
        });
        let (corpus, warning) = Corpus::load(&path).unwrap();
        assert_eq!((corpus.cases.len(), warning), (8 * PER_FUNCTION, None));
    }

    #[test]
    fn it_is_bounded_per_function() {
        let mut corpus = Corpus::default();
        let other = Kept {
            program: "q".into(),
            ..kept("a", 0)
        };
        corpus.add(other.clone());
        corpus.add(kept("a", 0));
        (0..100).for_each(|seed| corpus.add(kept("a", seed)));
        assert_eq!(corpus.cases[0], other);
        let seeds: Vec<u64> = corpus.cases[1..].iter().map(|it| it.seed).collect();
        // What refused twice, and the newest.
        let newest = 100 - (PER_FUNCTION as u64 - 1)..100;
        assert_eq!(seeds, [0].into_iter().chain(newest).collect::<Vec<_>>());
    }

    #[test]
    fn it_is_bounded_in_all() {
        let mut corpus = Corpus::default();
        for program in 0..=IN_ALL {
            let mut kept = kept("a", 0);
            kept.program = program.to_string();
            corpus.add(kept);
        }
        assert_eq!(
            (corpus.cases.len(), &*corpus.cases[0].program),
            (IN_ALL, "1")
        );
    }

    #[test]
    fn what_cannot_be_read_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.json");
        for text in [
            "{",
            "{\"schema\": 2, \"cases\": []}",
            "{\"schema\": 1, \"other\": 1}",
        ] {
            fs::write(&path, text).unwrap();
            let (corpus, warning) = Corpus::load(&path).unwrap();
            assert!(corpus.cases.is_empty());
            let warning = warning.unwrap();
            let aside = warning.split('\'').nth(3).unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), text, "{warning}");
            fs::remove_file(aside).unwrap();
            assert!(!path.exists());
        }
    }
}
