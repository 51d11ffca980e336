//! The header of a pass's file as a part of its reference page.

/// Words that begin a paragraph of their own in a header.
const PARTS: [&str; 4] = ["Requires:", "Ensures:", "Does nothing when:", "Limits:"];

/// The file of a pass: `kforge-tile-matmul` is `tile_matmul.rs`.
pub fn file_name(argument: &str) -> String {
    let name = argument.strip_prefix("kforge-").unwrap_or(argument);
    name.replace('-', "_") + ".rs"
}

/// The `//!` lines of `source` after the first sentence, which says what the
/// summary says: paragraphs set apart, the four parts as a list.
pub fn markdown(source: &str) -> String {
    let lines = source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line));
    let mut text = String::new();
    let (mut in_code, mut in_list) = (false, false);
    for line in lines.skip_while(|line| !line.is_empty()).skip(1) {
        let part = PARTS.iter().find(|part| line.starts_with(*part));
        if line.starts_with("```") {
            in_code = !in_code;
            text += if in_code { "\n" } else { "" };
            text = text + line + "\n";
            text += if in_code { "" } else { "\n" };
        } else if let (Some(part), false) = (part, in_code) {
            text += if in_list { "" } else { "\n" };
            text += &format!(
                "- **{}**{}\n",
                part.trim_end_matches(':'),
                &line[part.len() - 1..]
            );
            in_list = true;
        } else {
            text += if in_list && !line.is_empty() {
                "  "
            } else {
                ""
            };
            text = text + line + "\n";
        }
    }
    single_gaps(&text)
}

fn single_gaps(text: &str) -> String {
    let mut result = String::new();
    let mut gap = true;
    for line in text.lines() {
        if !(gap && line.is_empty()) {
            result = result + line + "\n";
        }
        gap = line.is_empty();
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_as_their_flags() {
        assert_eq!(file_name("kforge-tile-matmul"), "tile_matmul.rs");
        assert_eq!(
            file_name("convert-kforge-to-gpu"),
            "convert_kforge_to_gpu.rs"
        );
    }

    #[test]
    fn code_stands_apart_and_parts_are_a_list() {
        let source = "//! `kforge-x`: does x.\n//!\n//! Before:\n//! ```mlir\n//! a\n//! ```\n//! After:\n//! ```mlir\n//! b\n//! ```\n//! Requires: c\n//! d.\n//! Limits: e.\n\nuse f;\n//! g\n";
        assert_eq!(
            markdown(source),
            "Before:\n\n```mlir\na\n```\n\nAfter:\n\n```mlir\nb\n```\n\n- **Requires**: c\n  d.\n- **Limits**: e.\n"
        );
    }
}
