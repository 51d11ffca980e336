//! One look at a whole input text before MLIR parses it.
//!
//! MLIR is not hardened: some thousands of nested regions overflow its stack,
//! and a type may claim more elements than memory can hold. Refused here: a text
//! over the size limit, brackets nested deeper than the limit outside strings and
//! comments, and a shape of more than the limit of elements. Bytecode is only
//! bounded in size.

/// What an input may have at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Size in MiB.
    pub mib: u64,
    /// Bracket depth.
    pub depth: usize,
    /// Elements of one shape.
    pub elements: u128,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mib: 512,
            depth: 1000,
            elements: 1 << 40,
        }
    }
}

/// Why a text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Line, counted from 1; 0 where no line is to blame.
    pub line: usize,
    /// What is wrong, with value and limit.
    pub message: String,
}

impl Refused {
    /// The message as compilers write it.
    pub fn located(&self, file: &str) -> String {
        match self.line {
            0 => format!("{file}: error: {}", self.message),
            line => format!("{file}:{line}:1: error: {}", self.message),
        }
    }
}

/// Checks a text against the limits.
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), Refused> {
    let size = bytes.len() as u64;
    if size > limits.mib.saturating_mul(1 << 20) {
        let mib = size.div_ceil(1 << 20);
        let message = format!(
            "input is {mib} MiB, the limit is {} MiB (--max-input-mib)",
            limits.mib
        );
        return Err(Refused { line: 0, message });
    }
    if bytes.starts_with(b"ML\xefR") {
        return Ok(());
    }
    let (mut line, mut depth, mut at) = (1, 0usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => line += 1,
            b'"' => at = skip_string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while at + 1 < bytes.len() && bytes[at + 1] != b'\n' {
                    at += 1;
                }
            }
            b'(' | b'[' | b'{' | b'<' => {
                depth += 1;
                if depth > limits.depth {
                    let message =
                        format!("brackets nest deeper than the limit of {}", limits.depth);
                    return Err(Refused { line, message });
                }
                if bytes[at] == b'<' {
                    check_shape(&bytes[at + 1..], line, limits)?;
                }
            }
            b'-' if bytes.get(at + 1) == Some(&b'>') => at += 1,
            b')' | b']' | b'}' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The index of the closing quote (or the last byte of the line: MLIR refuses
/// a string that does not end on it).
fn skip_string(bytes: &[u8], mut at: usize) -> usize {
    while at + 1 < bytes.len() && bytes[at + 1] != b'\n' {
        at += 1;
        match bytes[at] {
            b'\\' if at + 1 < bytes.len() && bytes[at + 1] != b'\n' => at += 1,
            b'"' => break,
            _ => {}
        }
    }
    at
}

/// Checks `4x?x8xf32...`, the text behind a `<`.
fn check_shape(text: &[u8], line: usize, limits: &Limits) -> Result<(), Refused> {
    let mut elements: u128 = 1;
    let mut rest = text;
    loop {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let dynamic = rest.first() == Some(&b'?');
        let length = if dynamic { 1 } else { digits };
        if length == 0 || rest.get(length) != Some(&b'x') {
            return Ok(());
        }
        if !dynamic {
            let size = std::str::from_utf8(&rest[..digits])
                .ok()
                .and_then(|text| text.parse::<u128>().ok());
            elements = size
                .and_then(|size| elements.checked_mul(size))
                .unwrap_or(u128::MAX);
            if elements > limits.elements {
                let message = format!(
                    "a shape has more elements than the limit of {}",
                    limits.elements
                );
                return Err(Refused { line, message });
            }
        }
        rest = &rest[length + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<usize> {
        check(text.as_bytes(), &Limits::default())
            .err()
            .map(|refused| refused.line)
    }

    #[test]
    fn nesting() {
        assert_eq!(line(&"{".repeat(1000)), None);
        assert_eq!(line(&format!("\n{}", "{\n".repeat(1001))), Some(1002));
        assert_eq!(line(&"{}".repeat(5000)), None);
        assert_eq!(line(&"() -> ()\n".repeat(5000)), None);
    }

    #[test]
    fn strings_and_comments_do_not_nest() {
        assert_eq!(
            line(&format!("\"{}\\\"{}\"", "{".repeat(2000), "(".repeat(2000))),
            None
        );
        assert_eq!(line(&format!("// {}\n", "{".repeat(2000))), None);
        // An unterminated string must not hide what follows on later lines.
        assert_eq!(line(&format!("\"\n{}", "{".repeat(2000))), Some(2));
    }

    #[test]
    fn element_counts() {
        assert_eq!(line("tensor<4x?x8xf32>"), None);
        assert_eq!(line("tensor<1048576x1048576xf32>"), None);
        assert_eq!(line("tensor<1048577x1048576xf32>"), Some(1));
        assert_eq!(
            line("\ntensor<9200000000000000000x9200000000000000000xf32>"),
            Some(2)
        );
        assert_eq!(
            line("tensor<99999999999999999999999999999999999999999999x1xf32>"),
            Some(1)
        );
    }

    #[test]
    fn size() {
        let limits = Limits {
            mib: 1,
            ..Limits::default()
        };
        assert!(check(&vec![b' '; 1 << 20], &limits).is_ok());
        assert!(check(&vec![b' '; (1 << 20) + 1], &limits).is_err());
    }
}
