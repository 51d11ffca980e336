//! Lists of integers behind `permutation =` and `dimensions =` of linalg ops.
//!
//! MLIR 22 reads a list that is none (`[0, r1]`, a number over 64 bits) as a missing
//! attribute, reports it, goes on, and crashes. So what these ops have there must be a list.

/// The ops whose assembly has such a list.
const OPS: [&[u8]; 3] = [b"linalg.transpose", b"linalg.broadcast", b"linalg.reduce"];

/// Follows a text from word to word: the list of an op is the next one behind its name.
#[derive(Default)]
pub(super) struct Lists {
    expected: bool,
}

impl Lists {
    /// Looks at the word at the start of `text`; the name in front of a list that is none.
    pub(super) fn word(&mut self, text: &[u8]) -> Option<&'static str> {
        let word = &text[..length(text)];
        if OPS.contains(&word) {
            self.expected = true;
            return None;
        }
        let names = ["permutation", "dimensions"];
        let name = names.into_iter().find(|name| name.as_bytes() == word)?;
        let list = skip_blanks(&text[word.len()..]).strip_prefix(b"=")?;
        (std::mem::take(&mut self.expected) && !is_list(list)).then_some(name)
    }
}

/// Bytes of the word at the start of `text`.
pub(super) fn length(text: &[u8]) -> usize {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$.".contains(byte);
    text.iter().take_while(|byte| part(byte)).count()
}

fn is_list(text: &[u8]) -> bool {
    let Some(mut rest) = skip_blanks(text).strip_prefix(b"[") else {
        return false;
    };
    rest = skip_blanks(rest);
    if rest.starts_with(b"]") {
        return true;
    }
    loop {
        let digits = rest.strip_prefix(b"-").unwrap_or(rest);
        let word = &digits[..length(digits)];
        let value = std::str::from_utf8(word).ok().and_then(integer);
        if value.is_none() {
            return false;
        }
        rest = skip_blanks(&digits[word.len()..]);
        match rest {
            [b']', ..] => return true,
            [b',', after @ ..] => rest = skip_blanks(after),
            _ => return false,
        }
    }
}

fn integer(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// `text` from its first byte that is neither blank nor in a comment.
fn skip_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        if !text.starts_with(b"//") {
            return text;
        }
        let end = text.iter().position(|byte| *byte == b'\n');
        text = &text[end.unwrap_or(text.len())..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_integers() {
        for list in ["[]", " [ 0 , 1]", "[-1, 0x1F] x", "[0, // comment\n 1]"] {
            assert!(is_list(list.as_bytes()), "{list}");
        }
        for none in [
            "",
            "[",
            "[0",
            "[0,]",
            "[r1]",
            "[0 1]",
            "array<i64: 0>",
            "[1.5]",
            "[0,99999999999999999999]",
        ] {
            assert!(!is_list(none.as_bytes()), "{none}");
        }
    }
}
