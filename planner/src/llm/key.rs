//! The key of a model's server: from the environment or a private file, never from
//! the command line.
//!
//! A key is 8 to 512 characters of `[A-Za-z0-9._~+/=:-]`, as bearer tokens are. Shorter
//! ones are refused because a reply that holds the key is cut up to hide it.

use std::{fs::File, io::Read, path::Path};

use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;

/// What stands in the place of a key.
const HIDDEN: &str = "[key]";
/// Characters of a key.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=512;

/// A secret. It is wiped from memory when dropped, and its `Debug` shows nothing.
#[derive(Clone, Debug)]
pub struct Key(SecretString);

impl Key {
    /// A key from text; `origin` says in errors where the text was.
    pub fn new(text: &str, origin: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._~+/=:-".contains(c);
        let origin = || origin.to_owned();
        if !text.chars().all(plain) {
            return Err(ConfigError::KeyCharacters { origin: origin() });
        }
        if !LENGTH.contains(&text.len()) {
            return Err(ConfigError::KeyLength {
                origin: origin(),
                length: text.len(),
            });
        }
        Ok(Self(text.into()))
    }

    /// A key from a file that only its owner can read (mode 0600 or less).
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |reason: String| ConfigError::KeyFile {
            path: path.display().to_string(),
            reason,
        };
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        // Asked of the open file, so that it cannot be exchanged in between.
        let metadata = file.metadata().map_err(|it| unreadable(it.to_string()))?;
        if !metadata.is_file() {
            return Err(unreadable("it is no regular file".into()));
        }
        private(&metadata).map_err(unreadable)?;
        let mut text = String::new();
        let limit = *LENGTH.end() as u64 + 64;
        file.take(limit)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(error.to_string()))?;
        Self::new(&text, &format!("the file '{}'", path.display()))
    }

    /// For the one place that sends it.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// `text` with every occurrence of the key replaced, as it is or with any of its
    /// characters escaped as JSON allows.
    pub fn hide(&self, text: &str) -> String {
        let hidden = replaced(text.as_bytes(), self.expose().as_bytes());
        // Whole characters were replaced, so it still is text.
        String::from_utf8(hidden).unwrap_or_else(|_| HIDDEN.to_owned())
    }

    /// As [`Key::hide`], for bytes that may be no text.
    pub(super) fn hide_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        replaced(&bytes, self.expose().as_bytes())
    }
}

fn replaced(bytes: &[u8], key: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match occurrence(&bytes[at..], key) {
            Some(length) => {
                result.extend_from_slice(HIDDEN.as_bytes());
                at += length;
            }
            None => {
                result.push(bytes[at]);
                at += 1;
            }
        }
    }
    result
}

/// The length of the key at the start of `bytes`: each character as it is, or behind
/// backslashes (a JSON text in a JSON string has several) as itself or by its number.
fn occurrence(bytes: &[u8], key: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    for wanted in key {
        if let Some(after) = rest.strip_prefix(&[*wanted]) {
            rest = after;
            continue;
        }
        let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
        let (escape, after) = rest[slashes..].split_first()?;
        rest = match (slashes, escape) {
            (1.., escape) if escape == wanted => after,
            (1.., b'u') => {
                let (digits, after) = after.split_at_checked(4)?;
                let digits = std::str::from_utf8(digits).ok()?;
                let number = u32::from_str_radix(digits, 16).ok()?;
                (number == u32::from(*wanted)).then_some(after)?
            }
            _ => return None,
        };
    }
    Some(bytes.len() - rest.len())
}

#[cfg(unix)]
fn private(metadata: &std::fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(format!(
            "its mode is {mode:04o} and others can read or change it; run `chmod 600` on it"
        )),
    }
}

/// Elsewhere the user's folder keeps others out; there is no mode to ask for.
#[cfg(not(unix))]
fn private(_: &std::fs::Metadata) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hidden_in_text_and_in_bytes() {
        let key = Key::new("sk-abc/def+1", "a test").unwrap();
        assert_eq!(key.hide("no sk-abc/def+1."), "no [key].");
        assert_eq!(key.hide(r#"{"m":"sk-abc\/def+1"}"#), r#"{"m":"[key]"}"#);
        let numbers = r#"{"m":"\u0073k-abc\/de\u0066+1"}"#;
        assert_eq!(key.hide(numbers), r#"{"m":"[key]"}"#);
        // JSON in a string of JSON.
        let nested = r#"{"m":"{\"p\":\"s\\u006B-abc\\\/def+1\"}"}"#;
        assert_eq!(key.hide(nested), r#"{"m":"{\"p\":\"[key]\"}"}"#);
        assert_eq!(key.hide(r"sk-abc\\/de"), r"sk-abc\\/de");
        let mut bytes = vec![0xff];
        bytes.extend_from_slice(b"sk-abc/def+1!");
        assert_eq!(key.hide_bytes(bytes), b"\xff[key]!");
        assert!(!format!("{key:?}").contains("sk-abc"));
    }
}
