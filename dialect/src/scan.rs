//! One look at a whole input text before MLIR parses it.
//!
//! MLIR is not hardened: some thousands of nested regions overflow its stack,
//! and a type may claim more elements than memory can hold. Refused here: a text
//! over the size limit, brackets nested deeper than the limit outside strings and
//! comments (an alias counts with the depth of its definition), as many minus
//! signs in a row, a shape of more than the limit of elements, and a list of a linalg
//! op that is none. Bytecode is only bounded in size. An alias used before its
//! definition, as locations may be, counts as flat, and how far aliases expand in
//! print is not bounded.

mod list;

use std::collections::HashMap;

use list::Lists;

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
    let (mut aliases, mut lists) = (Aliases::default(), Lists::default());
    let (mut line, mut depth, mut signs, mut at) = (1, 0usize, 0usize, 0);
    while at < bytes.len() {
        let (byte, next) = (bytes[at], bytes.get(at + 1).copied());
        let mut deepest = depth;
        match (byte, next) {
            (b'\n', _) => {
                line += 1;
                if depth == 0 {
                    aliases.end();
                }
            }
            (b'"', _) => at = skip_string(bytes, at),
            (b'/', Some(b'/')) => {
                while at + 1 < bytes.len() && bytes[at + 1] != b'\n' {
                    at += 1;
                }
            }
            // No brackets: arrows and comparisons.
            (b'-', Some(b'>')) | (b'<' | b'>', Some(b'=')) => at += 1,
            (b'-', _) => {
                signs += 1;
                deepest = signs;
            }
            (b'(' | b'[' | b'{' | b'<', _) => {
                depth += 1;
                deepest = depth;
                if byte == b'<' {
                    check_shape(&bytes[at + 1..], line, limits)?;
                }
            }
            (b')' | b']' | b'}' | b'>', _) => depth = depth.saturating_sub(1),
            (b'!' | b'#', _) => {
                let name = alias_name(&bytes[at..]);
                at += name.len() - 1;
                deepest = depth.saturating_add(aliases.read(name, &bytes[at + 1..], depth));
            }
            (b'%' | b'@' | b'^' | b'a'..=b'z' | b'A'..=b'Z' | b'_', _) => {
                if let Some(name) = lists.word(&bytes[at..]) {
                    let message = format!("'{name}' is no list of integers such as [0, 1]");
                    return Err(Refused { line, message });
                }
                at += list::length(&bytes[at + 1..]);
            }
            _ => {}
        }
        // Comments do not end a row of signs either.
        if !byte.is_ascii_whitespace() && !b"-/".contains(&byte) {
            signs = 0;
        }
        aliases.reach(deepest);
        if deepest > limits.depth {
            let what = if signs > 0 { "minus signs" } else { "brackets" };
            let message = format!("{what} nest deeper than the limit of {}", limits.depth);
            return Err(Refused { line, message });
        }
        at += 1;
    }
    Ok(())
}

/// How deep the brackets of each alias nest, those of the aliases in it included.
#[derive(Default)]
struct Aliases<'t> {
    depths: HashMap<&'t [u8], usize>,
    defining: Option<&'t [u8]>,
}

impl<'t> Aliases<'t> {
    /// Takes note of `name`, with what follows it: a definition begins at depth
    /// 0 before an equals sign. Gives the depth that a use stands for.
    fn read(&mut self, name: &'t [u8], rest: &[u8], depth: usize) -> usize {
        if depth == 0 && rest.trim_ascii_start().starts_with(b"=") {
            self.depths.insert(name, 0);
            self.defining = Some(name);
            return 0;
        }
        // One more than the definition: a chain of aliases without brackets nests, too.
        self.depths.get(name).map_or(0, |depth| depth + 1)
    }

    /// The text has reached `depth` inside the definition, if in one.
    fn reach(&mut self, depth: usize) {
        if let Some(known) = self.defining.and_then(|name| self.depths.get_mut(name)) {
            *known = (*known).max(depth);
        }
    }

    fn end(&mut self) {
        self.defining = None;
    }
}

/// The `!name` or `#name` at the start of `text`.
fn alias_name(text: &[u8]) -> &[u8] {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$.".contains(byte);
    let length = text[1..].iter().take_while(|byte| is_part(byte)).count();
    &text[..=length]
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
    fn comparisons_are_no_brackets() {
        assert_eq!(line(&"(d0 <= 4, d0 >= 2)\n".repeat(5000)), None);
        assert_eq!(line(&"( >= ".repeat(2000)), Some(1));
    }

    #[test]
    fn minus_signs() {
        assert_eq!(line(&"- ".repeat(1000)), None);
        assert_eq!(line(&format!("\n{}", "- \n".repeat(1001))), Some(1002));
        assert_eq!(line(&"-1 ".repeat(5000)), None);
    }

    #[test]
    fn aliases_count_with_their_definition() {
        let chain = |length: usize| {
            let next = |i: usize| format!("!t{} = tuple<!t{i}>\n", i + 1);
            format!("!t0 = i1\n{}", (0..length).map(next).collect::<String>())
        };
        assert_eq!(line(&chain(400)), None);
        assert_eq!(line(&chain(20_000)), Some(502));
        let flat = |i: usize| format!("#map{i} = affine_map<(d0) -> (d0)>\n");
        assert_eq!(line(&(0..5000).map(flat).collect::<String>()), None);
        let uses = "func.func private @f(!llvm.ptr, memref<4xf32, #map0>)\n".repeat(5000);
        assert_eq!(line(&(flat(0) + &uses)), None);
    }

    #[test]
    fn lists_of_linalg_ops() {
        let broadcast = |list: &str| {
            line(&format!(
                "\n%2 = linalg.broadcast ins(%0 : tensor<4xf32>) outs(%1 : tensor<2x4xf32>) dimensions = {list}\n"
            ))
        };
        assert_eq!(broadcast("[0]"), None);
        assert_eq!(broadcast("[0,r1]"), Some(2));
        assert_eq!(broadcast("[99999999999999999999]"), Some(2));
        assert_eq!(line("linalg.transpose permutation = [1, a]"), Some(1));
        // Names of other things are free.
        assert_eq!(line("%permutation = foo.dimensions {dimensions = a}"), None);
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
