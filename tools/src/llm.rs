//! The planner that asks the language model which the environment names.

use std::path::Path;

use kforge_planner::{
    llm::{
        Config, ConfigError, Http, LlmPlanner, Material, Pauses, SendError, Timeouts, program_text,
    },
    problem::ExtractError,
};
use melior::{Context, ir::Module};

/// Why no language model can be asked.
#[derive(Debug, thiserror::Error)]
pub enum LlmSetupError {
    /// The environment or the key file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No client can be made.
    #[error(transparent)]
    Client(#[from] SendError),
    /// There is no program to show.
    #[error(transparent)]
    Program(#[from] ExtractError),
}

/// A planner whose prompts show `module`. Nothing is sent yet.
pub(crate) fn planner(
    context: &Context,
    module: &Module,
    key_file: Option<&Path>,
    tokens: Option<u64>,
) -> Result<LlmPlanner, LlmSetupError> {
    let mut config = Config::from_env(|name| std::env::var(name).ok(), key_file)?;
    config.limits.tokens = tokens.unwrap_or(config.limits.tokens);
    let http = Http::new(&config, Timeouts::default())?;
    let mut planner = LlmPlanner::new(config, Box::new(http), Pauses::default());
    planner.show(Material {
        program: Some(program_text(context, module)?),
        ..Material::default()
    });
    Ok(planner)
}
