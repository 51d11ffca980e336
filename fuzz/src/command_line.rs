//! Command lines, read and never obeyed.

use std::ffi::OsString;

/// Arguments on a line each, the tool's name first: they are understood, or what is wrong is
/// said.
pub fn command_line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let arguments: Vec<OsString> = text.lines().map(OsString::from).collect();
    let result = match arguments.first().and_then(|it| it.to_str()) {
        Some("kforge") => kforge_tools::workbench::read(arguments),
        Some("kforge-run") => kforge_tools::run::read(arguments),
        Some("kforge-opt") => kforge_tools::opt::read(arguments).map_err(|error| error.to_string()),
        _ => return,
    };
    if let Err(message) = result {
        assert!(!message.is_empty());
    }
}
