//! Hides what a user named: ops become `op0`, `op1`, ..., symbols `k0`, `k1`, ...
//!
//! A prompt holds no name, string, path, comment or location of the user's program:
//! they say nothing about speed, may be confidential, and could be read as instructions.
//! Everything not known to be ours is replaced by `_`.

use kforge_dialect::pass::OptionKind;

use super::chat::printable;
use crate::{
    plan::{Step, catalog},
    problem::Problem,
};

/// Strings of the dialect itself.
const WORDS: &[&str] = &["none", "relu", "gelu", "gelu_tanh", "silu", "tanh"];
/// Dialects whose op names may stand in a message.
const DIALECTS: &[&str] = &[
    "kforge", "arith", "math", "func", "tensor", "linalg", "scf", "vector", "memref", "gpu",
];

/// Own names with those that are shown instead.
#[derive(Clone, Debug)]
pub(super) struct Names {
    ops: Vec<(String, String)>,
    symbols: Vec<(String, String)>,
}

impl Names {
    /// The ops of a problem and the symbols of its program.
    pub(super) fn of(problem: &Problem, program: Option<&str>) -> Self {
        let mut names = Self {
            ops: Vec::new(),
            symbols: Vec::new(),
        };
        for op in &problem.ops {
            if !names.ops.iter().any(|(own, _)| *own == op.name) {
                let shown = format!("op{}", names.ops.len());
                names.ops.push((op.name.clone(), shown));
            }
        }
        let mut rest = program.unwrap_or_default();
        while let Some(at) = rest.find('@') {
            let (symbol, after) = symbol(&rest[at + 1..]);
            if !symbol.is_empty() && !names.symbols.iter().any(|(own, _)| own == symbol) {
                let shown = format!("k{}", names.symbols.len());
                names.symbols.push((symbol.to_owned(), shown));
            }
            rest = after;
        }
        names
    }

    /// The problem under hidden names.
    pub(super) fn problem(&self, problem: &Problem) -> Problem {
        let mut hidden = problem.clone();
        for op in &mut hidden.ops {
            op.name = self.op(&op.name).to_owned();
        }
        let kept: Vec<_> = hidden
            .ops
            .iter()
            .filter(|it| it.gone_after.is_none())
            .collect();
        hidden.workload = match kept[..] {
            [op] => op.shape.to_string(),
            _ => format!("a program of {} ops", kept.len()),
        };
        hidden
    }

    fn op(&self, own: &str) -> &str {
        let found = self.ops.iter().find(|(it, _)| it == own);
        found.map_or("_", |(_, shown)| shown)
    }

    /// A step of a plan under hidden names.
    pub(super) fn hide_step<'n>(&'n self, step: &'n Step) -> Step {
        rename(step, |name| self.op(name))
    }

    /// A step that speaks of hidden names, as the program has them. Others stay.
    pub(super) fn own_step<'n>(&'n self, step: &'n Step) -> Step {
        rename(step, |name| {
            let found = self.ops.iter().find(|(_, shown)| shown == name);
            found.map_or(name, |(own, _)| own)
        })
    }

    /// A text that speaks of hidden names, for the user, who knows the own ones.
    pub(super) fn own_text(&self, text: &str) -> String {
        words(text, |word| {
            let found = self.ops.iter().find(|(_, shown)| shown == word);
            found.map(|(own, _)| own.clone())
        })
    }

    /// IR without names, strings, comments and resources.
    pub(super) fn program(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            if rest.starts_with("{-#") {
                break;
            } else if rest.starts_with("//") {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
            } else if c == '"' {
                let (text, after) = string(after);
                let named = shown.ends_with("kforge.name = ");
                let kept = if named { self.op(text) } else { known(text) };
                shown.push_str(&format!("\"{kept}\""));
                rest = after;
            } else if c == '@' {
                let (own, after) = symbol(after);
                shown.push('@');
                shown.push_str(self.symbol(own));
                rest = after;
            } else if let Some(after) = rest.strip_prefix("dense_resource<") {
                shown.push_str("dense_resource<_>");
                rest = after.find('>').map_or("", |end| &after[end + 1..]);
            } else {
                shown.push(c);
                rest = after;
            }
        }
        shown
    }

    fn symbol(&self, own: &str) -> &str {
        let found = self.symbols.iter().find(|(it, _)| it == own);
        found.map_or("_", |(_, shown)| shown)
    }

    /// A kernel's text without comments; names made from those of ops are hidden.
    pub(super) fn kernel(&self, text: &str) -> String {
        let code = text
            .lines()
            .map(|line| line.split("//").next().unwrap_or(""));
        let code: Vec<&str> = code
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
            .collect();
        words(&code.join("\n"), |word| self.derived(word))
    }

    /// A compiler's or verifier's message on one line, at most `most` characters.
    pub(super) fn message(&self, text: &str, most: usize) -> String {
        let tokens = text.split_whitespace().map(|token| match is_path(token) {
            true => "_",
            false => token,
        });
        let text = tokens.collect::<Vec<_>>().join(" ");
        let text = words(&self.quoted(&text), |word| self.derived(word));
        printable(&text, most)
    }

    /// The word for what a plan was refused at; anything but a word is hidden.
    pub(super) fn reason<'r>(&self, text: &'r str) -> &'r str {
        let plain = |c: char| c.is_ascii_lowercase() || c == '-';
        match text.len() <= 32 && text.chars().all(plain) {
            true => text,
            false => "_",
        }
    }

    /// Hides what stands in quotes, unless it is ours.
    fn quoted(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            // An apostrophe within a word quotes nothing.
            let opens = !shown.ends_with(char::is_alphanumeric);
            if c == '"' || (c == '\'' && opens && after.contains('\'')) {
                let (inner, after) = match c {
                    '"' => string(after),
                    _ => after.split_once('\'').unwrap_or((after, "")),
                };
                let is_own = self.ops.iter().any(|(own, _)| own == inner);
                // An own name is replaced afterwards, with the words outside quotes.
                let kept = if is_own { inner } else { known(inner) };
                shown.push_str(&format!("{c}{kept}{c}"));
                rest = after;
            } else if c == '@' {
                let (own, after) = symbol(after);
                shown.push('@');
                shown.push_str(self.symbol(own));
                rest = after;
            } else {
                shown.push(c);
                rest = after;
            }
        }
        shown
    }

    /// A name that is an op's or symbol's, or a kernel's made from one: `up_1` of `up`.
    fn derived(&self, word: &str) -> Option<String> {
        let all = self.ops.iter().chain(&self.symbols);
        let fits = all.filter_map(|(own, shown)| {
            let base = own.replace('.', "_");
            let rest = match word.strip_prefix(own.as_str()) {
                Some("") => Some(""),
                _ => word
                    .strip_prefix(base.as_str())
                    .filter(|rest| rest.is_empty() || rest.starts_with('_')),
            }?;
            Some((own.len(), format!("{shown}{rest}")))
        });
        fits.max_by_key(|(length, _)| *length)
            .map(|(_, shown)| shown)
    }
}

fn rename<'n>(step: &'n Step, name: impl Fn(&'n str) -> &'n str) -> Step {
    let op = step.op.as_deref();
    Step {
        pass: step.pass.clone(),
        op: op.map(|ops| ops.split('+').map(name).collect::<Vec<_>>().join("+")),
        knobs: step.knobs.clone(),
    }
}

/// `text` if it is ours, else `_`.
fn known(text: &str) -> &str {
    let is_op = DIALECTS.iter().any(|dialect| {
        let rest = text.strip_prefix(dialect);
        let part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        rest.is_some_and(|rest| rest.starts_with(['.', '-']) && rest.chars().all(part))
    });
    let is_pass = catalog::names().any(|name| name == text);
    let knobs = catalog::names().filter_map(catalog::find);
    let is_knob = knobs.flat_map(options).any(|it| it == text);
    let is_plain = text.len() <= 24 && text.chars().all(|c| c.is_ascii_digit() || c == '-');
    match WORDS.contains(&text) || is_op || is_pass || is_knob || is_plain {
        true => text,
        false => "_",
    }
}

/// A pass's options, and the names they may have as values.
fn options(pass: catalog::Known) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (name, _) in pass.knobs() {
        names.push(name);
        if let Some(OptionKind::Choice(values)) = pass.option(name).map(|option| option.kind) {
            names.extend(values);
        }
    }
    names
}

/// A string's content and what follows it, given the text after its first quote.
fn string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

/// A symbol's name and what follows it, given the text after the `@`.
fn symbol(text: &str) -> (&str, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        return string(quoted);
    }
    let part = |c: char| c.is_ascii_alphanumeric() || "_$.-".contains(c);
    let end = text.find(|c| !part(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// `text` with its words replaced where `replacement` has one.
fn words(text: &str, replacement: impl Fn(&str) -> Option<String>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    while let Some(start) = rest.find(part) {
        shown.push_str(&rest[..start]);
        let end = rest[start..]
            .find(|c| !part(c))
            .map_or(rest.len(), |it| start + it);
        let word = rest[start..end].trim_end_matches('.');
        let after = start + word.len().max(1);
        let word = if word.is_empty() {
            &rest[start..after]
        } else {
            word
        };
        shown.push_str(&replacement(word).unwrap_or_else(|| word.to_owned()));
        rest = &rest[after..];
    }
    shown + rest
}

/// Whether a word names a file, or a place in one. Ratios of numbers do not.
fn is_path(word: &str) -> bool {
    let separates = |c: char| c == '/' || c == '\\';
    let number = |c: char| c.is_ascii_digit() || "./-+ex".contains(c);
    let is_place = word.split_once(':').is_some_and(|(file, place)| {
        let named = file.contains('.') && file.contains(char::is_alphabetic);
        named && place.starts_with(|c: char| c.is_ascii_digit())
    });
    let ends = [".mlir", ".rs", ".wgsl", ".json"];
    is_place
        || (word.contains(separates) && !word.chars().all(number))
        || ends.iter().any(|end| word.contains(end))
}
