//! The key of a model's server: from the environment or a private file, never from
//! the command line.
//!
//! A key is 8 to 512 characters of `[A-Za-z0-9._~+/=:-]`, as bearer tokens are. Shorter
//! ones are refused because a reply that holds the key is cut up to hide it.

use std::{fs::File, io::Read, path::Path};

use base64::{
    Engine,
    prelude::{
        BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD,
    },
};
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

    /// `text` with every occurrence of the key replaced: as it is, escaped as JSON or a URL
    /// allows, and in Base64, at whatever place of a longer text it was encoded.
    pub fn hide(&self, text: &str) -> String {
        // What takes the key's place is ASCII, as is what it takes the place of.
        String::from_utf8_lossy(&self.hide_bytes(text.into())).into_owned()
    }

    /// As [`Key::hide`], for bytes that may be no text.
    pub(super) fn hide_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let key = self.expose().as_bytes();
        let encoded = base64_forms(self.expose());
        let mut begins = [false; 256];
        let forms = encoded.iter().map(|it| it.as_bytes().first());
        for byte in [Some(&b'\\'), Some(&b'%'), key.first()]
            .into_iter()
            .chain(forms)
            .flatten()
        {
            begins[usize::from(*byte)] = true;
        }
        let mut hidden = Vec::with_capacity(bytes.len());
        let mut rest = &bytes[..];
        while let Some(first) = rest.first() {
            if !begins[usize::from(*first)] {
                hidden.push(*first);
                rest = &rest[1..];
                continue;
            }
            let encoded = || encoded.iter().find(|it| rest.starts_with(it.as_bytes()));
            let length = escaped_prefix(rest, key);
            if let Some(length) = length.or_else(|| Some(encoded()?.len())) {
                hidden.extend_from_slice(HIDDEN.as_bytes());
                rest = &rest[length..];
                continue;
            }
            // Behind one backslash less there is no key either: each is looked at once.
            let backslashes = rest.iter().take_while(|it| **it == b'\\').count();
            let (kept, others) = rest.split_at(backslashes.max(1));
            hidden.extend_from_slice(kept);
            rest = others;
        }
        hidden
    }
}

/// How many bytes at the beginning of `text` are the key, each character of it as it is,
/// behind backslashes, as `\u0061` or as `%61`.
fn escaped_prefix(text: &[u8], key: &[u8]) -> Option<usize> {
    let mut rest = text;
    for wanted in key {
        let plain = rest.iter().position(|it| *it != b'\\')?;
        let (backslashes, after) = rest.split_at(plain);
        let code = match after {
            [b'u', b'0', b'0', code @ ..] if !backslashes.is_empty() => Some(code),
            [b'%', code @ ..] => Some(code),
            _ => None,
        };
        let code = code
            .and_then(|it| it.split_at_checked(2))
            .filter(|(digits, _)| {
                let digits = std::str::from_utf8(digits).ok();
                digits.and_then(|it| u8::from_str_radix(it, 16).ok()) == Some(*wanted)
            });
        rest = match (code, after) {
            (Some((_, rest)), _) => rest,
            (None, [first, rest @ ..]) if first == wanted => rest,
            _ => return None,
        };
    }
    Some(text.len() - rest.len())
}

/// What of the key's Base64 does not depend on what stands around it, for each of the three
/// places at which it may begin, in both alphabets.
fn base64_forms(key: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let text = [&[0; 2][..before], key.as_bytes()].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&text);
            // The first and last digits hold bits of a neighbour.
            let form = text.get([0, 2, 3][before]..text.len().saturating_sub(1));
            // A short one is no secret, and may be anything.
            forms.extend(form.filter(|it| it.len() >= 10).map(str::to_owned));
        }
    }
    forms
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
        // As long as a reply may be: each backslash is looked at once.
        let many = "\\".repeat(1 << 20) + "sk";
        assert_eq!(key.hide(&many), many);
        assert!(!format!("{key:?}").contains("sk-abc"));
    }

    #[test]
    fn a_key_is_hidden_however_a_server_spells_it() {
        let text = "sk-abc/def+1";
        let key = Key::new(text, "a test").unwrap();
        let unicode: String = text.bytes().map(|it| format!("\\u{it:04x}")).collect();
        let percent: String = text.bytes().map(|it| format!("%{it:02X}")).collect();
        let twice = text.replace('/', "\\\\/");
        for spelt in [unicode.as_str(), &percent, "sk-abc%2fdef%2B1", &twice] {
            assert_eq!(key.hide(&format!("<{spelt}>")), "<[key]>", "{spelt}");
        }
        for before in ["", "a", "ab", "user:", "Bearer "] {
            for after in ["", "x", "yz", ":more"] {
                let encoded = STANDARD_NO_PAD.encode(format!("{before}{text}{after}"));
                let hidden = key.hide(&encoded);
                assert!(hidden.contains("[key]"), "{before}{after}: {hidden}");
            }
        }
        for other in [
            "sk-abc/def+2",
            "sk-abc",
            "\\u0073k-abc",
            "%73",
            "é\\",
            "c2st",
        ] {
            assert_eq!(key.hide(other), other);
        }
    }
}
