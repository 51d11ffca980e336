//! The language model that a subcommand asks.

use std::fmt::Display;

use clap::Args;
use kforge_planner::llm::{ConfigError, LlmPlanner};

use super::Failure;
use crate::{
    compile::{Session, Source},
    llm::{self, Asking},
};

/// What a command line says of the language model; the rest is in the environment.
#[derive(Debug, Args)]
pub(super) struct Llm {
    #[command(flatten)]
    asking: Asking,
    /// Refused: a key on the command line is seen by everyone on the machine
    #[arg(long, value_name = "VALUE", hide = true)]
    api_key: Option<String>,
}

impl Llm {
    /// The tokens that may be used.
    pub(super) const fn tokens(&self) -> Option<u64> {
        self.asking.tokens
    }

    /// Refuses a key on the command line, whoever proposes.
    pub(super) fn refuse_key(&self) -> Result<(), Failure> {
        match self.api_key {
            None => Ok(()),
            Some(_) => Err(Failure::Usage(ConfigError::KeyArgument.to_string())),
        }
    }

    /// Refuses what another planner has no use for; `flag` chooses the planner.
    pub(super) fn unused(&self, flag: &str, planner: &str) -> Result<(), Failure> {
        match self.asking.needless() {
            None => Ok(()),
            Some(option) => Err(Failure::Usage(format!(
                "{option} is for {flag} llm, this is {flag} {planner}"
            ))),
        }
    }

    /// The planner that asks it about a module.
    pub(super) fn planner(&self, source: &Source) -> Result<LlmPlanner, Failure> {
        let other = |error: &dyn Display| Failure::Other(error.to_string());
        let session = Session::default();
        let module = session.parse(source).map_err(|error| other(&error))?;
        let planner = llm::planner(session.context(), &module, &self.asking);
        planner.map_err(|error| other(&error))
    }
}
