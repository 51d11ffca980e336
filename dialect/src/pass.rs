//! Passes and named pipelines as data: options, statistics and a body.
//!
//! A pass is one `PassDef`; [`register`] puts a list of them into MLIR's global
//! registry, where `--pass-pipeline`, `--help`, crash reproducers and statistics
//! find them like any upstream pass.

use melior::{
    Context,
    ir::{OperationRef, operation::OperationLike},
};

use crate::{bridge, diagnostics};

/// A diagnostic has been emitted; the pass fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// The body of a pass. It runs on a `builtin.module`.
pub type Run =
    for<'c, 'a> fn(&'c Context, OperationRef<'c, 'a>, &PassRun<'_>) -> Result<(), Failed>;

/// One pass.
#[derive(Debug)]
pub struct PassDef {
    /// What stands in a pipeline, such as `kforge-tile-matmul`.
    pub argument: &'static str,
    /// The name in timing and IR dumps, such as `TileMatmul`.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Its options, which are its only state.
    pub options: &'static [OptionDef],
    /// Counters shown by `--mlir-pass-statistics`.
    pub statistics: &'static [StatisticDef],
    /// Dialects whose ops the pass creates.
    pub dialects: &'static [&'static str],
    /// The body.
    pub run: Run,
}

/// One option of a pass or pipeline.
#[derive(Clone, Copy, Debug)]
pub struct OptionDef {
    /// Kebab-case noun, with a unit where there is one.
    pub name: &'static str,
    /// One line.
    pub description: &'static str,
    /// What it holds, with the default.
    pub kind: OptionKind,
}

/// What an option holds, with its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// A 64-bit integer.
    Integer(i64),
    /// A boolean.
    Bool(bool),
    /// Text without spaces.
    Text(&'static str),
    /// One of the names; the first is the default.
    Choice(&'static [&'static str]),
}

/// One counter of a pass.
#[derive(Clone, Copy, Debug)]
pub struct StatisticDef {
    /// Its name.
    pub name: &'static str,
    /// One line.
    pub description: &'static str,
}

/// One named pipeline.
#[derive(Debug)]
pub struct PipelineDef {
    /// What stands in a pipeline, such as `kforge-default-pipeline`.
    pub argument: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [OptionDef],
    /// The passes, as pipeline text, for the option values.
    pub build: fn(&PipelineOptions) -> String,
}

/// One run of a pass: its option values, counters and nested pipelines.
#[derive(Debug)]
pub struct PassRun<'p> {
    pub(crate) def: &'static PassDef,
    pub(crate) handle: bridge::pass::PassHandle<'p>,
}

impl PassRun<'_> {
    /// An integer option. An undeclared name is a bug of the pass: it gives 0
    /// in release builds and fails in debug builds.
    pub fn integer(&self, name: &str) -> i64 {
        self.index(name)
            .map_or(0, |index| self.handle.integer(index))
    }

    /// The passes that ran before this one, as pipeline text. Empty where nothing
    /// ran before it, and in tools whose main is not ours, such as mlir-opt.
    pub fn previous(&self) -> String {
        self.handle.previous()
    }

    /// A boolean option.
    pub fn flag(&self, name: &str) -> bool {
        self.integer(name) != 0
    }

    /// A text option.
    pub fn text(&self, name: &str) -> String {
        self.index(name)
            .map_or_else(String::new, |index| self.handle.text(index))
    }

    /// An option with a closed set of names.
    pub fn choice(&self, name: &str) -> &'static str {
        let Some(index) = self.index(name) else {
            return "";
        };
        match self.def.options[index].kind {
            OptionKind::Choice(names) => {
                let text = self.handle.text(index);
                names
                    .iter()
                    .copied()
                    .find(|name| *name == text)
                    .unwrap_or("")
            }
            _ => "",
        }
    }

    /// Every option with a closed set of names holds one of them; else an error.
    pub(crate) fn check_choices(&self, operation: OperationRef) -> Result<(), Failed> {
        for (index, option) in self.def.options.iter().enumerate() {
            let OptionKind::Choice(names) = option.kind else {
                continue;
            };
            let text = self.handle.text(index);
            if !names.contains(&text.as_str()) {
                let message = format!(
                    "{}: {} is '{text}', expected {}",
                    self.def.argument,
                    option.name,
                    names.join(" or ")
                );
                diagnostics::error(operation.location(), &message);
                return Err(Failed);
            }
        }
        Ok(())
    }

    /// Adds `by` to the counter `name`.
    pub fn count(&self, name: &str, by: u64) {
        let index = self
            .def
            .statistics
            .iter()
            .position(|statistic| statistic.name == name);
        debug_assert!(
            index.is_some(),
            "{} has no statistic '{name}'",
            self.def.argument
        );
        if let Some(index) = index {
            self.handle.count(index, by);
        }
    }

    /// Runs a textual pipeline on `operation`.
    pub fn run_pipeline(&self, operation: OperationRef, pipeline: &str) -> Result<(), Failed> {
        self.handle
            .run_pipeline(operation, pipeline)
            .then_some(())
            .ok_or(Failed)
    }

    /// The name of the running pass in a pipeline.
    pub fn argument(&self) -> &'static str {
        self.def.argument
    }

    /// The declared options.
    pub fn options(&self) -> &'static [OptionDef] {
        self.def.options
    }

    fn index(&self, name: &str) -> Option<usize> {
        let index = self
            .def
            .options
            .iter()
            .position(|option| option.name == name);
        debug_assert!(
            index.is_some(),
            "{} has no option '{name}'",
            self.def.argument
        );
        index
    }
}

/// The option values of a named pipeline.
#[derive(Debug)]
pub struct PipelineOptions {
    pub(crate) def: &'static PipelineDef,
    pub(crate) integers: Vec<i64>,
    pub(crate) texts: Vec<String>,
}

impl PipelineOptions {
    /// The value of option `name` as pipelines spell it.
    pub fn value(&self, name: &str) -> String {
        let index = self
            .def
            .options
            .iter()
            .position(|option| option.name == name);
        debug_assert!(
            index.is_some(),
            "{} has no option '{name}'",
            self.def.argument
        );
        let Some(index) = index else {
            return String::new();
        };
        match self.def.options[index].kind {
            OptionKind::Integer(_) => self.integers[index].to_string(),
            OptionKind::Bool(_) => (self.integers[index] != 0).to_string(),
            OptionKind::Text(_) => self.texts[index].clone(),
            OptionKind::Choice(_) => self.texts[index].clone(),
        }
    }
}

/// Registers passes and pipelines with MLIR, once per process.
pub fn register(passes: &'static [PassDef], pipelines: &'static [PipelineDef]) {
    bridge::pass::register_passes(passes, pipelines);
}
