//! Rules about Rust files: headers, unwrap, unsafe, ignored tests, pass documentation.

use super::Finding;
use super::rust;

/// Lines above an `unsafe` in which its reason may stand.
const REASON_LINES: usize = 6;

/// Checks one Rust file.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let code = rust::code_only(text);
    let mut found = Vec::new();
    let mut add = |line: usize, rule, message: &str| {
        found.push(Finding {
            path: path.to_string(),
            line,
            rule,
            message: message.to_string(),
        });
    };
    if !text.starts_with("//!") {
        add(
            1,
            "header",
            "begins with no `//!` that says what the file is",
        );
    }
    for line in lines_with(&code, "#[ignore") {
        add(
            line,
            "ignored-test",
            "a test that does not run: make it run or remove it",
        );
    }
    for line in words(&code, "unsafe") {
        if let Some(message) = refuse_unsafe(path, text, line) {
            add(line, "unsafe", message);
        }
    }
    if !is_test_file(path) {
        let shipped = rust::without_tests(&code);
        for line in lines_with(&shipped, ".unwrap(") {
            add(
                line,
                "unwrap",
                "return an error, or `expect` with the reason it cannot fail",
            );
        }
        if is_compiler_source(path) {
            for name in ["println!", "eprintln!", "print!", "eprint!"] {
                for line in words(&shipped, name) {
                    add(
                        line,
                        "print",
                        "compiler crates speak through diagnostics only",
                    );
                }
            }
        }
    }
    if is_pass_file(path) {
        let header: String = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        for word in ["Before", "After"] {
            if !header.contains(word) {
                add(1, "pass-docs", &format!("its header shows no `{word}` IR"));
            }
        }
    }
    found
}

fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches" | "test" | "fuzz"))
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

fn is_compiler_source(path: &str) -> bool {
    ["dialect/src/", "passes/src/", "lowering/src/"]
        .iter()
        .any(|folder| path.starts_with(folder))
}

fn is_pass_file(path: &str) -> bool {
    path.strip_prefix("passes/src/passes/")
        .is_some_and(|name| !name.contains('/') && name != "mod.rs" && name.ends_with(".rs"))
}

/// Why this `unsafe` is refused; `None` where it may stand.
fn refuse_unsafe(path: &str, text: &str, line: usize) -> Option<&'static str> {
    let boundary = path.ends_with("/ffi.rs") || path.starts_with("dialect/src/bridge");
    if boundary {
        return None;
    }
    // wgpu and dlopen in the runtime, the exported entry points of the plugin.
    let with_reason = path.starts_with("runtime/") || path.starts_with("tools/plugin/");
    if !with_reason {
        return Some("unsafe belongs into an ffi.rs with a safe function around it");
    }
    let above = line.saturating_sub(REASON_LINES + 1);
    let reasoned = text
        .lines()
        .skip(above)
        .take(line - above)
        .any(|line| line.contains("SAFETY:") || line.contains("# Safety"));
    (!reasoned).then_some("has no `// SAFETY:` above it")
}

fn lines_with(code: &str, pattern: &str) -> Vec<usize> {
    code.lines()
        .enumerate()
        .filter(|(_, line)| line.contains(pattern))
        .map(|(number, _)| number + 1)
        .collect()
}

/// Lines with `word` standing alone, not as a part of a longer name.
fn words(code: &str, word: &str) -> Vec<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.match_indices(word).any(|(at, _)| {
                !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part)
            })
        })
        .map(|(number, _)| number + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(path, text).iter().map(|found| found.rule).collect()
    }

    #[test]
    fn header_is_required() {
        assert_eq!(rules("oracle/src/a.rs", "use std::fmt;\n"), ["header"]);
        assert!(rules("oracle/src/a.rs", "//! A.\n").is_empty());
    }

    #[test]
    fn unwrap_counts_outside_tests_only() {
        let text =
            "//! A.\nfn f() { g().unwrap(); }\n#[cfg(test)]\nmod t { fn h() { g().unwrap(); } }\n";
        let found = check("oracle/src/a.rs", text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].rule), (2, "unwrap"));
        assert!(rules("oracle/tests/a.rs", text).is_empty());
        assert!(
            rules(
                "oracle/src/a.rs",
                "//! A.\n/// `x.unwrap()`\nfn f() { g().unwrap_or(1); }\n"
            )
            .is_empty()
        );
    }

    #[test]
    fn unsafe_has_its_places() {
        let text = "//! A.\nfn f() { unsafe { g() } }\n";
        assert_eq!(rules("passes/src/a.rs", text), ["unsafe"]);
        assert_eq!(rules("runtime/src/a.rs", text), ["unsafe"]);
        assert!(rules("passes/src/ffi.rs", text).is_empty());
        assert!(rules("dialect/src/bridge/mod.rs", text).is_empty());
        let reasoned = "//! A.\n// SAFETY: g has no conditions.\nfn f() { unsafe { g() } }\n";
        assert!(rules("runtime/src/a.rs", reasoned).is_empty());
        assert_eq!(rules("passes/src/a.rs", reasoned), ["unsafe"]);
        assert!(rules("oracle/src/a.rs", "//! A.\n#![forbid(unsafe_code)]\n").is_empty());
    }

    #[test]
    fn pass_files_show_before_and_after() {
        let path = "passes/src/passes/tile_matmul.rs";
        assert_eq!(rules(path, "//! Tiles.\n"), ["pass-docs", "pass-docs"]);
        assert!(rules(path, "//! Tiles.\n//! Before: a\n//! After: b\n").is_empty());
        assert!(rules("passes/src/passes/mod.rs", "//! All passes.\n").is_empty());
    }

    #[test]
    fn compiler_crates_do_not_print() {
        let text = "//! A.\nfn f() { eprintln!(); }\n";
        assert_eq!(rules("lowering/src/a.rs", text), ["print"]);
        assert!(rules("tools/src/a.rs", text).is_empty());
    }

    #[test]
    fn ignored_tests_are_found_anywhere() {
        assert_eq!(
            rules("oracle/tests/a.rs", "//! A.\n#[ignore]\nfn f() {}\n"),
            ["ignored-test"]
        );
    }
}
