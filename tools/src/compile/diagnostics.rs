//! What MLIR reports, kept instead of printed.

use std::{cell::RefCell, rc::Rc};

use melior::{
    Context,
    diagnostic::{Diagnostic, DiagnosticSeverity},
};

/// Diagnostics since the last look.
#[derive(Clone, Debug, Default)]
pub(super) struct Collected(Rc<RefCell<Vec<String>>>);

impl Collected {
    /// Collects those of `context`.
    pub(super) fn of(context: &Context) -> Self {
        let collected = Self::default();
        let sink = collected.clone();
        context.attach_diagnostic_handler(move |diagnostic| {
            sink.0.borrow_mut().extend(message(&diagnostic));
            true
        });
        collected
    }

    /// All of them, a line each.
    pub(super) fn take(&self) -> String {
        self.0.take().join("\n")
    }
}

/// `file:line:column: error: text`, with notes; nothing for remarks.
fn message(diagnostic: &Diagnostic) -> Option<String> {
    let severity = match diagnostic.severity() {
        DiagnosticSeverity::Error => "error",
        DiagnosticSeverity::Warning => "warning",
        DiagnosticSeverity::Note => "note",
        DiagnosticSeverity::Remark => return None,
    };
    let location = diagnostic.location().to_string();
    let place = location
        .trim_start_matches("loc(")
        .trim_end_matches(')')
        .replace('"', "");
    let mut text = format!("{place}: {severity}: {diagnostic}");
    for index in 0..diagnostic.note_count() {
        let note = diagnostic.note(index).ok().as_ref().and_then(message);
        text.extend(note.iter().flat_map(|note| ["\n", note]));
    }
    Some(text)
}
