//! Where key, endpoint and model come from, and what is refused.

use std::fs;

use kforge_planner::llm::{Config, ConfigError};

use crate::KEY;

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let lookup = |name: &str| {
        let mut variables = variables.iter();
        let found = variables.find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::from_env(lookup, None)
}

fn refused(variables: &[(&str, &str)]) -> String {
    let error = read(variables).expect_err("refused");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains(KEY), "{text}");
    }
    error.to_string()
}

const ENDPOINT: &str = "KERNELFORGE_LLM_ENDPOINT";
const MODEL: &str = "KERNELFORGE_LLM_MODEL";
const OWN: &str = "KERNELFORGE_LLM_API_KEY";

/// Whether a configuration has a key.
fn has_key(config: &Config) -> bool {
    format!("{config:?}").contains("key: Some(")
}

#[test]
fn the_default_is_openai_with_its_own_variable() {
    let config = read(&[("OPENAI_API_KEY", KEY)]).unwrap();
    let shown = format!("{config:?}");
    assert_eq!(config.model(), "gpt-4o-mini");
    assert!(shown.contains("\"api.openai.com\"") && shown.contains("/v1/chat/completions"));
    assert!(has_key(&config) && !shown.contains(KEY), "{shown}");
    assert!(read(&[(OWN, KEY), (MODEL, "other"), (ENDPOINT, " ")]).is_ok());
}

#[test]
fn a_servers_key_is_read_for_that_server_alone() {
    let openai = ("OPENAI_API_KEY", KEY);
    let error = refused(&[openai, (ENDPOINT, "https://example.org/v1")]);
    let expected = "no key for example.org: set KERNELFORGE_LLM_API_KEY, or name a file";
    assert!(error.starts_with(expected), "{error}");
    assert!(refused(&[openai, (ENDPOINT, "https://api.openai.com:444/v1")]).contains("no key for"));
    let local = read(&[openai, (ENDPOINT, "http://localhost:11434/v1")]).unwrap();
    assert!(!has_key(&local));
    let cerebras = (ENDPOINT, "https://api.cerebras.ai/v1");
    assert!(read(&[("CEREBRAS_API_KEY", KEY), cerebras]).is_ok());
    assert!(refused(&[openai, cerebras]).contains("or CEREBRAS_API_KEY"));
    assert!(refused(&[]).contains("KERNELFORGE_LLM_API_KEY or OPENAI_API_KEY"));
}

#[test]
fn endpoints_are_https_or_on_this_machine() {
    let of = |endpoint: &str| refused(&[(OWN, KEY), (ENDPOINT, endpoint)]);
    assert!(of("http://example.org/v1").contains("is http, which only an address of this machine"));
    assert!(of("http://127.0.0.1.example.org/v1").contains("is http"));
    assert!(of("http://localhost.example.org").contains("is http"));
    assert!(of("ftp://example.org").contains("another scheme than https"));
    assert!(of("file:///etc/passwd").contains("another scheme"));
    assert!(of("example").contains("is no URL"));
    assert!(of("https://me:pass@example.org/v1").contains("holds a user name or password"));
    assert!(of("https://example.org/v1?key=1").contains("has a query"));
    assert!(of(KEY).contains("is no URL"));
    for endpoint in [
        "http://127.0.0.1:1",
        "http://[::1]:1/v1",
        "http://localhost/v1/",
    ] {
        assert!(read(&[(ENDPOINT, endpoint)]).is_ok(), "{endpoint}");
    }
    let full = read(&[(ENDPOINT, "http://[::1]/v1/chat/completions/")]).unwrap();
    assert_eq!(format!("{full:?}").matches("chat/completions").count(), 1);
}

#[test]
fn keys_and_models_are_words() {
    assert!(refused(&[(OWN, "short")]).contains("has 5 characters, expected 8 to 512"));
    assert!(refused(&[(OWN, "with spaces in it")]).contains("has other characters"));
    assert!(refused(&[(OWN, "line\nbreak\r\nX: y")]).contains("has other characters"));
    assert!(refused(&[(OWN, KEY), (MODEL, "a b")]).contains("is no model's name"));
    assert!(refused(&[(OWN, KEY), (MODEL, &"m".repeat(201))]).contains("is no model's name"));
    assert!(refused(&[(OWN, KEY), (MODEL, KEY)]).contains("KERNELFORGE_LLM_MODEL holds the key"));
    let in_address = format!("https://example.org/{KEY}");
    assert!(refused(&[(OWN, KEY), (ENDPOINT, &in_address)]).contains("_ENDPOINT holds the key"));
}

#[test]
fn a_key_among_the_arguments_is_refused_with_the_ways_that_are_not() {
    let text = ConfigError::KeyArgument.to_string();
    for word in [
        "--api-key",
        "KERNELFORGE_LLM_API_KEY",
        "OPENAI_API_KEY",
        "--api-key-file",
        "0600",
    ] {
        assert!(text.contains(word), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let of = |mode: u32, text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Config::from_env(|_| None, Some(&path))
    };
    assert!(has_key(&of(0o600, &format!("{KEY}\n")).unwrap()));
    for mode in [0o640, 0o604, 0o644, 0o620, 0o666] {
        let error = of(mode, KEY).unwrap_err().to_string();
        assert!(
            error.contains(&format!("its mode is {mode:04o}")),
            "{error}"
        );
        assert!(
            error.contains("chmod 600") && !error.contains(KEY),
            "{error}"
        );
    }
    assert!(
        of(0o600, "")
            .unwrap_err()
            .to_string()
            .contains("has 0 characters")
    );
    let long = of(0o600, &"k".repeat(5000)).unwrap_err().to_string();
    assert!(long.contains("expected 8 to 512"), "{long}");
    let missing = Config::from_env(|_| None, Some(&folder.path().join("none"))).unwrap_err();
    assert!(
        missing.to_string().contains("is not used: No such file"),
        "{missing}"
    );
    let other = Config::from_env(|_| None, Some(folder.path())).unwrap_err();
    assert!(other.to_string().contains("no regular file"), "{other}");
}
