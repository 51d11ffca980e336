//! Rules about any text file: its length and what it may name.

use super::Finding;

/// Longest source file, in lines. Files of one idea have 150 to 300.
const LONGEST: usize = 500;

/// Endings of files that people write line by line.
const SOURCES: [&str; 7] = [".rs", ".cpp", ".cc", ".h", ".hpp", ".py", ".td"];

/// Folders of single machines. Spelled in two parts, or this file would break its own rule.
const MACHINE_FOLDERS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
];

/// Checks one text file.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST && SOURCES.iter().any(|ending| path.ends_with(ending)) {
        findings.push(Finding {
            path: path.to_string(),
            line: 0,
            rule: "length",
            message: format!("{lines} lines, at most {LONGEST}: split it by idea"),
        });
    }
    for (number, line) in text.lines().enumerate() {
        if let Some(folder) = machine_folder(line) {
            findings.push(Finding {
                path: path.to_string(),
                line: number + 1,
                rule: "machine-path",
                message: format!("names {folder}, a folder of one machine: use a relative path"),
            });
        }
    }
    findings
}

/// The machine folder that a path in this line starts with.
///
/// A folder of that name inside a relative path or a URL is somebody's own and
/// allowed, so the slash must begin the path.
fn machine_folder(line: &str) -> Option<&'static str> {
    MACHINE_FOLDERS.into_iter().find(|folder| {
        line.match_indices(folder).any(|(at, _)| {
            !line[..at].ends_with(|c: char| {
                c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '}' | '*' | '~' | '>')
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sources_are_found_and_data_is_not() {
        let long = "x\n".repeat(LONGEST + 1);
        assert_eq!(check("a/b.rs", &long)[0].rule, "length");
        assert!(check("a/b.rs", &"x\n".repeat(LONGEST)).is_empty());
        assert!(check("Cargo.lock", &long).is_empty());
    }

    #[test]
    fn absolute_machine_paths_are_found() {
        for folder in MACHINE_FOLDERS {
            let text = format!("fine\nopen({folder}main)\n");
            let findings = check("a.md", &text);
            assert_eq!(findings.len(), 1);
            assert_eq!((findings[0].line, findings[0].rule), (2, "machine-path"));
        }
    }

    #[test]
    fn relative_paths_and_urls_are_not() {
        let inside = concat!("https://example.org/ho", "me/page and src/wo", "rk/x.rs");
        assert!(check("a.md", inside).is_empty());
    }
}
