//! An MLIR file to a package: read, parsed, run through a pipeline, serialised.

mod diagnostics;
mod source;

pub use source::{Source, SourceError};

use kforge_dialect::{attributes, device::Device as CompiledFor, ir};
use kforge_lowering::serialize::{self, Options, SerializeError, Serialized};
use kforge_oracle::Level;
use kforge_passes::verify::VerifyError;
use kforge_verify::Subject;
use melior::{Context, ir::Module, pass::PassManager, utility::parse_pass_pipeline};

use diagnostics::Collected;

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// MLIR refused the module or the pipeline.
    #[error("{what}{}{diagnostics}", if .diagnostics.is_empty() { "" } else { "\n" })]
    Refused {
        /// Which step.
        what: String,
        /// What was reported, with locations.
        diagnostics: String,
    },
    /// The lowered module cannot become a package.
    #[error(transparent)]
    Serialize(#[from] SerializeError),
}

/// A module as a package, with what is needed to compile its knobs again.
#[derive(Debug)]
pub struct Compiled {
    /// The package and its units.
    pub serialized: Serialized,
    /// The device it was compiled for, as its passes saw it.
    target: CompiledFor,
}

impl Compiled {
    /// The one function of the package, which is what a plan is for.
    pub fn entry(&self) -> Result<String, CompileError> {
        let entries = self.serialized.package.manifest.entries.keys();
        let entries: Vec<&String> = entries.filter(|name| *name != "init").collect();
        match entries[..] {
            [entry] => Ok(entry.clone()),
            _ => Err(CompileError::Refused {
                what: format!(
                    "the module has {} functions, a plan is for one",
                    entries.len()
                ),
                diagnostics: String::new(),
            }),
        }
    }

    /// What the gate checks of an entry: unlike for a package from a folder, the
    /// knobs of its units at other shapes, too.
    pub fn subject(&self, entry: &str, cases: Level) -> Result<Subject, VerifyError> {
        kforge_passes::verify::subject(&self.target, &self.serialized, entry, cases)
    }
}

/// MLIR with every kforge pass, which keeps what it reports.
#[derive(Debug)]
pub struct Session {
    context: Context,
    collected: Collected,
}

impl Default for Session {
    fn default() -> Self {
        kforge_passes::register();
        let context = kforge_dialect::context();
        let collected = Collected::of(&context);
        Self { context, collected }
    }
}

impl Session {
    /// The context.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// An error with everything reported since the last one.
    pub fn refused(&self, what: impl Into<String>) -> CompileError {
        CompileError::Refused {
            what: what.into(),
            diagnostics: self.collected.take(),
        }
    }

    /// Parses a source, without any verdict that it claims.
    pub fn parse(&self, source: &Source) -> Result<Module<'_>, CompileError> {
        let module = kforge_dialect::parse(&self.context, source.text(), source.name());
        let module = module.ok_or_else(|| self.refused("the module does not parse"))?;
        // A verdict in a file is a report of somebody's, never a licence.
        ir::remove_attribute(module.as_operation(), attributes::VERIFIED);
        Ok(module)
    }

    /// Runs a pipeline and serialises what it gives.
    pub fn compile(
        &self,
        mut module: Module<'_>,
        pipeline: &str,
        seed: u64,
    ) -> Result<Compiled, CompileError> {
        let plan = self.run(&mut module, pipeline)?;
        let serialized = serialize::package(module.as_operation(), &Options { plan, seed })?;
        Ok(Compiled {
            serialized,
            target: CompiledFor::of(module.as_operation()),
        })
    }

    /// Runs a pipeline and gives it as MLIR prints it.
    pub fn run(&self, module: &mut Module<'_>, pipeline: &str) -> Result<String, CompileError> {
        let manager = PassManager::new(&self.context);
        // A pipeline that does not parse is an empty one that succeeds.
        parse_pass_pipeline(manager.as_operation_pass_manager(), pipeline).map_err(|error| {
            self.refused(format!("the pipeline {pipeline} does not parse: {error}"))
        })?;
        let plan = manager.as_operation_pass_manager().to_string();
        manager
            .run(module)
            .map_err(|_| self.refused("the module cannot be lowered"))?;
        Ok(plan)
    }
}
