//! Just enough of Rust's grammar to tell code from comments, strings and tests.
//!
//! Both functions keep every line where it was, so that line numbers stay
//! true. Limits: macros are read as plain tokens, and a test item is found by
//! its attribute, `#[cfg(test)]`, `#[cfg(all(test, ..))]` or `#[test]`.

/// The text with comments, string and character literals replaced by spaces.
pub fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match literal_end(&chars, at) {
            Some(end) => end.min(chars.len()),
            None => {
                out.push(chars[at]);
                at += 1;
                continue;
            }
        };
        out.extend(chars[at..end].iter().map(|&c| blank(c)));
        at = end;
    }
    out
}

fn blank(c: char) -> char {
    if c == '\n' { '\n' } else { ' ' }
}

/// Where the comment or literal that starts at `at` ends; `None` for code.
fn literal_end(chars: &[char], at: usize) -> Option<usize> {
    let next = |offset: usize| chars.get(at + offset).copied();
    match chars[at] {
        '/' if next(1) == Some('/') => Some(find(chars, at, |c| c == '\n')),
        '/' if next(1) == Some('*') => Some(block_comment_end(chars, at)),
        '"' => Some(string_end(chars, at + 1)),
        '\'' => char_end(chars, at),
        'r' if !follows_word(chars, at, "bc") => raw_string_end(chars, at),
        _ => None,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    chars[from..]
        .iter()
        .position(|&c| wanted(c))
        .map_or(chars.len(), |offset| from + offset)
}

/// Block comments nest.
fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut here) = (0usize, at);
    while here + 1 < chars.len() {
        match (chars[here], chars[here + 1]) {
            ('/', '*') => (depth, here) = (depth + 1, here + 2),
            ('*', '/') => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
        if depth == 0 {
            return here;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// A quote opens a character only when it closes again; otherwise it is a lifetime.
fn char_end(chars: &[char], at: usize) -> Option<usize> {
    match chars.get(at + 1)? {
        '\\' => Some(find(chars, at + 3, |c| c == '\'') + 1),
        _ if chars.get(at + 2) == Some(&'\'') => Some(at + 3),
        _ => None,
    }
}

/// Whether `at` continues an identifier, other than one of the literal prefixes.
fn follows_word(chars: &[char], at: usize, prefixes: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let Some(before) = at.checked_sub(1).map(|i| chars[i]) else {
        return false;
    };
    let starts_word = at < 2 || !word(chars[at - 2]);
    word(before) && !(prefixes.contains(before) && starts_word)
}

fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let quote = find(chars, at + 1, |c| c != '#');
    let hashes = quote - at - 1;
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let mut here = quote + 1;
    while here < chars.len() {
        here = find(chars, here, |c| c == '"') + 1;
        let closing = chars.get(here..here + hashes);
        if closing.is_some_and(|closing| closing.iter().all(|&c| c == '#')) {
            return Some(here + hashes);
        }
    }
    Some(chars.len())
}

/// The code with every test item replaced by spaces. Takes what `code_only` returns.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_string();
    for marker in ["#[cfg(test)]", "#[cfg(all(test", "#[test]"] {
        while let Some(start) = out.find(marker) {
            let end = item_end(&out, start + marker.len());
            let blanked: String = out[start..end].chars().map(blank).collect();
            out.replace_range(start..end, &blanked);
        }
    }
    out
}

/// End of the item after an attribute: its closing brace, or the `;` of one without a body.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0usize;
    for (offset, c) in code[from..].char_indices() {
        match c {
            ';' if depth == 0 => return from + offset + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return from + offset + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_vanish_and_lines_stay() {
        let text = "let a = \"unsafe \\\" x\"; // unsafe\n/* unsafe /* in */ unsafe */ b();\n";
        let code = code_only(text);
        assert!(!code.contains("unsafe"), "{code}");
        assert!(code.contains("let a =") && code.contains("b();"));
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let code = code_only(r###"f(r#"un"safe"#, br"unsafe", r##"a"#b"##); g()"###);
        assert!(!code.contains("safe") && code.ends_with("); g()"), "{code}");
    }

    #[test]
    fn identifiers_ending_in_r_are_code() {
        assert_eq!(code_only("for x in iter {}"), "for x in iter {}");
        assert_eq!(code_only("var\"x\""), "var   ");
    }

    #[test]
    fn lifetimes_are_code_and_characters_are_not() {
        let code = code_only("fn f<'a>(x: &'a str) { g('\"', '\\'', 'b'); h(\"x\") }");
        assert!(code.contains("fn f<'a>(x: &'a str) { g("), "{code}");
        assert!(code.contains("h(") && !code.contains('b') && !code.contains('"'));
    }

    #[test]
    fn test_items_vanish_and_code_behind_them_stays() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn t() { x.unwrap(); } }\nfn b() {}\n#[cfg(test)]\nmod more;\nfn c() {}";
        let rest = without_tests(code);
        assert!(!rest.contains("unwrap") && !rest.contains("more"), "{rest}");
        assert!(rest.contains("fn a()") && rest.contains("fn b()") && rest.contains("fn c()"));
        assert_eq!(rest.lines().count(), code.lines().count());
    }
}
