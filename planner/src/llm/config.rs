//! Which model is asked, where, with which key and within which budget.
//!
//! Everything comes from the environment or a private key file. Values that are
//! refused are never shown: a key put into the wrong variable must not be printed.

use std::path::Path;

use reqwest::Url;

use super::Key;

/// Variable with the key.
pub const KEY_VARIABLE: &str = "KERNELFORGE_LLM_API_KEY";
/// Variable with the server's base URL.
pub const ENDPOINT_VARIABLE: &str = "KERNELFORGE_LLM_ENDPOINT";
/// Variable with the model's name.
pub const MODEL_VARIABLE: &str = "KERNELFORGE_LLM_MODEL";
/// Where plans are asked for by default.
pub const DEFAULT_ENDPOINT: &str = "https://api.openai.com/v1";
/// The model that is asked by default.
pub const DEFAULT_MODEL: &str = "gpt-4o-mini";

/// Keys of well-known servers, read when [`KEY_VARIABLE`] is unset and sent to no other.
const SERVER_KEYS: &[(&str, &str)] = &[
    ("api.openai.com", "OPENAI_API_KEY"),
    ("api.cerebras.ai", "CEREBRAS_API_KEY"),
];

/// How a model is asked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address of the chat completions.
    pub(super) url: Url,
    /// Sent as bearer token; none for a server on this machine that needs none.
    pub(super) key: Option<Key>,
    /// The model's name.
    pub(super) model: String,
    /// Limits on what is spent.
    pub limits: Limits,
}

/// What one run may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// HTTP requests, repeated ones included.
    pub calls: u64,
    /// Tokens, of prompts and replies together.
    pub tokens: u64,
    /// Tokens of one prompt, estimated at three bytes each.
    pub prompt_tokens: u64,
    /// Tokens of one reply.
    pub reply_tokens: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 100,
            tokens: 500_000,
            prompt_tokens: 16_000,
            reply_tokens: 4_000,
        }
    }
}

/// Why no model can be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No key for a server that needs one.
    #[error("no key for {host}: set {variables}, or name a file of mode 0600 with --api-key-file")]
    NoKey {
        /// The server.
        host: String,
        /// The variables that may hold it.
        variables: String,
    },
    /// A key among the program's arguments.
    #[error(
        "--api-key is not accepted, because every process can read the arguments of a program: set \
         {KEY_VARIABLE} (or OPENAI_API_KEY for OpenAI's endpoint), or name a file of mode 0600 with \
         --api-key-file"
    )]
    KeyArgument,
    /// A key with characters that no key has.
    #[error("the key in {origin} has other characters than letters, digits and ._~+/=:-")]
    KeyCharacters {
        /// Where it was.
        origin: String,
    },
    /// A key that is too short to be hidden, or too long.
    #[error(
        "the key in {origin} has {length} characters, expected 8 to 512; a server that needs no key \
         wants none set"
    )]
    KeyLength {
        /// Where it was.
        origin: String,
        /// Its length.
        length: usize,
    },
    /// A key file that cannot or must not be read.
    #[error("the key file '{path}' is not used: {reason}")]
    KeyFile {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// An address that is none, or must not be used.
    #[error("{ENDPOINT_VARIABLE} {reason}")]
    Endpoint {
        /// Why.
        reason: &'static str,
    },
    /// A name that no model has.
    #[error(
        "{MODEL_VARIABLE} is no model's name, expected 1 to 200 printable characters without spaces"
    )]
    Model,
    /// A key where it would be printed and recorded.
    #[error("{variable} holds the key; set {KEY_VARIABLE} alone to it")]
    KeyElsewhere {
        /// The variable.
        variable: &'static str,
    },
}

impl Config {
    /// Reads the configuration with `lookup`, which gives the value of an environment
    /// variable. A key file wins over the environment.
    pub fn from_env(
        lookup: impl Fn(&str) -> Option<String>,
        key_file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        let endpoint = set(ENDPOINT_VARIABLE);
        let model = set(MODEL_VARIABLE);
        let url = address(endpoint.as_deref().unwrap_or(DEFAULT_ENDPOINT).trim())?;
        let model = model.as_deref().unwrap_or(DEFAULT_MODEL).trim().to_owned();
        if model.len() > 200 || !model.chars().all(|c| c.is_ascii_graphic()) {
            return Err(ConfigError::Model);
        }
        let variables = variables(&url);
        let key = match key_file {
            Some(path) => Some(Key::from_file(path)?),
            None => variables
                .iter()
                .find_map(|name| Some((name, set(name)?)))
                .map(|(name, value)| Key::new(&value, name))
                .transpose()?,
        };
        match &key {
            Some(key) => {
                let elsewhere = [(ENDPOINT_VARIABLE, url.as_str()), (MODEL_VARIABLE, &model)];
                for (variable, value) in elsewhere {
                    if value.contains(key.expose()) {
                        return Err(ConfigError::KeyElsewhere { variable });
                    }
                }
            }
            None if !is_loopback(&url) => {
                return Err(ConfigError::NoKey {
                    host: url.host_str().unwrap_or_default().to_owned(),
                    variables: variables.join(" or "),
                });
            }
            None => {}
        }
        Ok(Self {
            url,
            key,
            model,
            limits: Limits::default(),
        })
    }

    /// For a transport that reaches no server: no key is read, none is wanted.
    pub fn offline(model: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            url: address(DEFAULT_ENDPOINT)?,
            key: None,
            model: model.to_owned(),
            limits: Limits::default(),
        })
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The server's name.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether a key is sent; a server on this machine may need none.
    pub const fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// `text` without the key.
    pub(super) fn hide(&self, text: &str) -> String {
        match &self.key {
            Some(key) => key.hide(text),
            None => text.to_owned(),
        }
    }
}

/// The variables that may hold a server's key, the general one first.
fn variables(url: &Url) -> Vec<&'static str> {
    let own = SERVER_KEYS
        .iter()
        .filter(|(host, _)| url.host_str() == Some(host) && url.port().is_none());
    let own = own.map(|(_, variable)| *variable);
    [KEY_VARIABLE].into_iter().chain(own).collect()
}

/// The address of the chat completions below a base URL.
fn address(text: &str) -> Result<Url, ConfigError> {
    let refused = |reason| Err(ConfigError::Endpoint { reason });
    let Ok(mut url) = Url::parse(text) else {
        return refused("is no URL, expected one such as https://api.openai.com/v1");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refused("holds a user name or password; a key has its own variable");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refused("has a query or fragment, expected a base URL without them");
    }
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => {}
        ("http", Some(_)) if is_loopback(&url) => {}
        ("http", _) => {
            return refused("is http, which only an address of this machine may be; use https");
        }
        _ => return refused("has another scheme than https"),
    }
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/chat/completions").unwrap_or(path);
    let path = format!("{path}/chat/completions");
    url.set_path(&path);
    Ok(url)
}

/// Whether an address stays on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let parsed = address.parse::<std::net::IpAddr>();
    host == "localhost" || parsed.is_ok_and(|address| address.is_loopback())
}
