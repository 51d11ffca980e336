//! The planner that asks the language model which the environment names.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use kforge_planner::{
    llm::{
        Config, ConfigError, Http, LlmPlanner, Material, Pauses, Recorder, Replay, SendError,
        Timeouts, Transport, program_text,
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
    /// A transcript that cannot be begun or replayed.
    #[error("transcript '{}': {reason}", path.display())]
    Transcript {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// How a language model is asked.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Asking {
    /// Tokens that a language model may use
    #[arg(long = "llm-tokens", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) tokens: Option<u64>,
    /// File with the language model's key, readable by its owner alone
    #[arg(long = "api-key-file", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Record what the language model is sent and answers, without the key
    #[arg(
        long = "llm-transcript",
        value_name = "FILE",
        conflicts_with = "replay"
    )]
    transcript: Option<PathBuf>,
    /// Answer from a transcript instead of asking: without network and key, for the same
    /// problem, device and options; only measured times may be others
    #[arg(long = "llm-replay", value_name = "FILE", conflicts_with = "key_file")]
    replay: Option<PathBuf>,
}

impl Asking {
    /// The option that is of no use without a language model, if one is given.
    pub(crate) fn needless(&self) -> Option<&'static str> {
        let given = [
            ("--llm-transcript", &self.transcript),
            ("--llm-replay", &self.replay),
        ];
        let mut given = given.into_iter().filter(|(_, path)| path.is_some());
        given.next().map(|(name, _)| name)
    }

    fn parts(&self) -> Result<(Config, Box<dyn Transport>), LlmSetupError> {
        let failed = |path: &PathBuf, reason: String| LlmSetupError::Transcript {
            path: path.clone(),
            reason,
        };
        if let Some(path) = &self.replay {
            let text = fs::read_to_string(path).map_err(|it| failed(path, it.to_string()))?;
            let replay = Replay::read(&text).map_err(|it| failed(path, it.to_string()))?;
            let model = replay.model();
            let model = model.ok_or_else(|| failed(path, "it holds no request".into()))?;
            return Ok((Config::offline(&model)?, Box::new(replay.measured_again())));
        }
        let key_file = self.key_file.as_deref();
        let config = Config::from_env(|name| std::env::var(name).ok(), key_file)?;
        let http = Http::new(&config, Timeouts::default())?;
        let Some(path) = &self.transcript else {
            return Ok((config, Box::new(http)));
        };
        let file = File::create(path).map_err(|it| failed(path, it.to_string()))?;
        Ok((config, Box::new(Recorder::new(http, file)?)))
    }
}

/// A planner whose prompts show `module`. Nothing is sent yet.
pub(crate) fn planner(
    context: &Context,
    module: &Module,
    asking: &Asking,
) -> Result<LlmPlanner, LlmSetupError> {
    let (mut config, transport) = asking.parts()?;
    config.limits.tokens = asking.tokens.unwrap_or(config.limits.tokens);
    let mut planner = LlmPlanner::new(config, transport, Pauses::default());
    planner.show(Material {
        program: Some(program_text(context, module)?),
        ..Material::default()
    });
    Ok(planner)
}
