//! Lowered modules as text, and edits of it.
//!
//! MLIR prints one op per line, so an edit names an op by a part of its line and
//! the parser and the verifiers check what became of it.

use std::sync::Once;

use melior::{Context, ir::Module, ir::operation::OperationLike, pass::PassManager};

/// A context with every pass registered.
pub fn context() -> Context {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(kforge_passes::register);
    kforge_dialect::context()
}

/// The text of `source` after a pipeline.
pub fn run(source: &str, pipeline: &str) -> String {
    let context = context();
    let mut module = Module::parse(&context, source).expect("the module parses");
    let manager = PassManager::new(&context);
    let text = format!("builtin.module({pipeline})");
    melior::utility::parse_pass_pipeline(manager.as_operation_pass_manager(), &text).unwrap();
    manager.run(&mut module).expect("the pipeline runs");
    assert!(module.as_operation().verify());
    module.as_operation().to_string()
}

/// One line of a module: an op, or the begin or end of a region.
#[derive(Clone, Debug)]
pub struct Op {
    line: String,
}

impl Op {
    /// The name of the op, without its dialect's blanks.
    pub fn is(&self, name: &str) -> bool {
        let text = self.line.trim_start();
        let text = text.split_once(" = ").map_or(text, |(_, op)| op);
        text.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '(']))
    }

    /// Whether the line has `part`.
    pub fn has(&self, part: &str) -> bool {
        self.line.contains(part)
    }

    /// Columns it is indented by: 6 in a kernel's body, 2 more per region.
    pub fn indent(&self) -> usize {
        self.line.len() - self.line.trim_start().len()
    }

    /// The value it defines, without the count of several.
    pub fn result(&self) -> &str {
        let name = self.line.trim_start().split([' ', ':']).next();
        name.expect("a line with a result")
    }

    /// Every value on the line but the results, in order.
    pub fn operands(&self) -> Vec<&str> {
        let text = self
            .line
            .split_once(" = ")
            .map_or(&*self.line, |(_, op)| op);
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '#';
        text.match_indices('%')
            .map(|(at, _)| {
                let rest = &text[at + 1..];
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                &text[at..at + 1 + end]
            })
            .collect()
    }

    /// The line with operand number `index` replaced.
    pub fn with_operand(&self, index: usize, value: &str) -> String {
        let old = self.operands()[index];
        let at = old.as_ptr() as usize - self.line.as_ptr() as usize;
        format!(
            "{}{value}{}",
            &self.line[..at],
            &self.line[at + old.len()..]
        )
    }

    /// The line with two operands exchanged.
    pub fn swapped(&self, first: usize, second: usize) -> String {
        let operands = self.operands();
        let (a, b) = (operands[first].to_owned(), operands[second].to_owned());
        let once = Op {
            line: self.with_operand(second, &a),
        };
        once.with_operand(first, &b)
    }

    /// The line with `from` replaced by `to`.
    pub fn replaced(&self, from: &str, to: &str) -> String {
        self.line.replacen(from, to, 1)
    }

    pub fn text(&self) -> String {
        self.line.clone()
    }
}

/// A module, line by line.
#[derive(Clone, Debug)]
pub struct Ir {
    lines: Vec<String>,
}

impl Ir {
    pub fn new(text: &str) -> Self {
        Self {
            lines: text.lines().map(ToOwned::to_owned).collect(),
        }
    }

    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// Replaces the lines of kernels' bodies for which `edit` gives new ones.
    /// Panics if there is none: the mutant does not exist here.
    pub fn kernel(&mut self, edit: impl FnMut(&Op) -> Option<Vec<String>>) {
        self.lines_of("gpu.func @", "gpu.return", edit);
    }

    /// The same for the body of the host function.
    pub fn host(&mut self, edit: impl FnMut(&Op) -> Option<Vec<String>>) {
        self.lines_of("func.func @", "return ", edit);
    }

    fn lines_of(
        &mut self,
        begin: &str,
        end: &str,
        mut edit: impl FnMut(&Op) -> Option<Vec<String>>,
    ) {
        let mut lines = Vec::new();
        let (mut inside, mut edits) = (false, 0);
        for line in std::mem::take(&mut self.lines) {
            let text = line.trim_start();
            let last = text.starts_with(end);
            let begins = text.starts_with(begin);
            let op = Op { line };
            match (inside && !begins).then(|| edit(&op)).flatten() {
                Some(new) => {
                    edits += 1;
                    // Names that end in _u are made unique.
                    let end = format!("_u{edits}");
                    lines.extend(new.iter().map(|line| line.replace("_u", &end)));
                }
                None => lines.push(op.line),
            }
            inside = (inside || begins) && !last;
        }
        assert!(edits > 0, "nothing to edit");
        self.lines = lines;
    }

    /// Adds ops at the start of every kernel.
    pub fn prologue(&mut self, ops: &[&str]) {
        self.insert_behind("gpu.func @", ops);
    }

    /// Adds ops at the start of the host function.
    pub fn host_prologue(&mut self, ops: &[&str]) {
        self.insert_behind("func.func @", ops);
    }

    fn insert_behind(&mut self, begin: &str, ops: &[&str]) {
        let lines = std::mem::take(&mut self.lines);
        for line in lines {
            let begins = line.trim_start().starts_with(begin);
            self.lines.push(line);
            if begins {
                self.lines.extend(ops.iter().map(|op| (*op).to_owned()));
            }
        }
    }

    /// The name of the constant whose line has `value`, in the first kernel.
    pub fn constant(&self, value: &str) -> String {
        let mut lines = self.lines.iter().map(|line| Op { line: line.clone() });
        let found = lines.find(|op| op.is("arith.constant") && op.has(value));
        found.expect("the constant").result().to_owned()
    }

    /// Every use of `value` in kernels becomes one of `new`.
    pub fn reuse(&mut self, value: &str, new: &str) {
        self.kernel(|op| {
            let uses: Vec<usize> = (0..op.operands().len())
                .filter(|index| op.operands()[*index] == value)
                .collect();
            let rewrite = |op: Op, index: &usize| Op {
                line: op.with_operand(*index, new),
            };
            (!uses.is_empty()).then(|| vec![uses.iter().fold(op.clone(), rewrite).text()])
        });
    }

    /// What `attribute` says, of every op that has it, in order.
    fn said(text: &str, attribute: &str) -> Vec<String> {
        let begin = format!("{attribute} = \"");
        let rest = text.split(&begin as &str).skip(1);
        // Quotes inside are written as \22.
        rest.map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
            .collect()
    }

    /// Makes the module claim to be what `other` is: its reference becomes that of
    /// `other`, and with `kernels` the specifications of its kernels, too.
    pub fn claim(&mut self, other: &str, kernels: bool) {
        let mut text = self.text();
        let attributes = ["kforge.reference", "kforge.spec"];
        for attribute in &attributes[..1 + usize::from(kernels)] {
            let (own, others) = (Self::said(&text, attribute), Self::said(other, attribute));
            assert_eq!(own.len(), others.len(), "{attribute} of both modules");
            for (own, other) in own.iter().zip(others) {
                text = text.replacen(&format!("\"{own}\""), &format!("\"{other}\""), 1);
            }
        }
        *self = Self::new(&text);
    }

    /// Replaces text in the lines that begin with `begin`.
    pub fn header(&mut self, begin: &str, from: &str, to: &str) {
        for line in &mut self.lines {
            if line.trim_start().starts_with(begin) {
                *line = line.replace(from, to);
            }
        }
    }

    /// Replaces text everywhere.
    pub fn everywhere(&mut self, from: &str, to: &str) {
        for line in &mut self.lines {
            *line = line.replace(from, to);
        }
    }
}

/// Only the edit of match number `wanted` of `matches`.
pub fn nth(
    wanted: usize,
    matches: impl Fn(&Op) -> bool,
    edit: impl Fn(&Op) -> Vec<String>,
) -> impl FnMut(&Op) -> Option<Vec<String>> {
    let mut seen = 0;
    move |op| {
        let here = matches(op);
        seen += usize::from(here);
        (here && seen == wanted + 1).then(|| edit(op))
    }
}
