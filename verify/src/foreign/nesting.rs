//! How deep an expression nests, before a parser descends into it.
//!
//! naga descends on the stack, and a stack that overflows ends the process. Counted are open brackets,
//! operators before one operand, members and indices behind one operand, operators of one
//! expression, and branches of one file. Comments are left out.
//! Limits: 128 brackets and prefixes, 64 members, 1,000 operators, 1,000 `else`.

const MAX_DEPTH: usize = 128;
const MAX_CHAIN: usize = 64;
const MAX_OPERATORS: usize = 1000;
const MAX_ELSES: usize = 1000;

/// Counts within one pair of brackets.
#[derive(Clone, Copy, Default)]
struct Level {
    prefixes: usize,
    chain: usize,
    operators: usize,
}

/// Refuses, in a sentence with the line.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut levels = vec![Level::default()];
    let (mut level, mut comments, mut elses) = (Level::default(), 0_usize, 0_usize);
    for (number, line) in text.lines().enumerate() {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        elses += words.filter(|word| *word == "else").count();
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            match (c, rest.peek(), comments) {
                ('/', Some('*'), _) => comments += 1,
                ('*', Some('/'), 1..) => comments -= 1,
                ('/', Some('/'), 0) => break,
                _ => {}
            }
            if comments == 0 {
                step(c, &mut level, &mut levels);
            }
            for (count, limit, what) in [
                (levels.len(), MAX_DEPTH, "open brackets"),
                (level.prefixes, MAX_DEPTH, "operators before one operand"),
                (level.chain, MAX_CHAIN, "members of one operand"),
                (
                    level.operators,
                    MAX_OPERATORS,
                    "operators of one expression",
                ),
                (elses, MAX_ELSES, "'else'"),
            ] {
                if count > limit {
                    let line = number + 1;
                    return Err(format!(
                        "line {line}: more than {limit} {what}; use more statements"
                    ));
                }
            }
        }
    }
    Ok(())
}

fn step(c: char, level: &mut Level, levels: &mut Vec<Level>) {
    match c {
        '(' | '[' | '{' => {
            level.chain += usize::from(c == '[');
            levels.push(std::mem::take(level));
        }
        ')' | ']' | '}' => {
            *level = match levels.len() {
                0 | 1 => Level::default(),
                _ => levels.pop().unwrap_or_default(),
            };
            level.prefixes = 0;
            if c == '}' {
                *level = Level::default();
            }
        }
        ',' | ';' => *level = Level::default(),
        '.' => level.chain += 1,
        '-' | '!' | '~' | '&' | '*' => {
            level.prefixes += 1;
            level.operators += 1;
            level.chain = 0;
        }
        '+' | '/' | '%' | '|' | '^' | '=' => {
            level.operators += 1;
            level.chain = 0;
            level.prefixes = 0;
        }
        c if c.is_whitespace() => {}
        _ => level.prefixes = 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_ordinary_code_pass() {
        let banner = "-".repeat(500);
        let stars = "*".repeat(500);
        for fine in [
            format!("// {banner}\n/* {stars}\n {banner} */\nfn f() {{ if a < b {{ }} }}"),
            "a = -b; (c) ".repeat(5000),
            format!("var a = array({});", "-0.5, ".repeat(5000)),
            "a.x[i].y = b.x[j] + c[k][l].z;\n".repeat(5000),
            format!("a = {}d;", "b[i] * c.x + ".repeat(400)),
        ] {
            assert_eq!(check(&fine), Ok(()), "{}", &fine[..40]);
        }
    }

    #[test]
    fn limits_are_reached_and_not_passed() {
        for fine in [
            format!("{}{}", "(".repeat(127), ")".repeat(127)),
            format!("a = {}b;", "-".repeat(128)),
            format!("a{} = b;", ".x".repeat(64)),
            "if a {} else ".repeat(1000),
            // Comments inside of comments, of which all end.
            format!("/* /* {0} */ {0} */ a = b;", "(".repeat(200)),
            format!("a = b{};", " - c".repeat(200)),
            // Brackets that close what nothing opened.
            format!("{}{}", ")".repeat(300), "(".repeat(100)),
        ] {
            assert_eq!(check(&fine), Ok(()), "{fine}");
        }
        for deep in [
            format!("/* /* */ */ {}", "(".repeat(129)),
            format!("/* a */ /* b */ {}", "(".repeat(129)),
            format!("a = {}b;", "- + ".repeat(501)),
            format!("a = {}b;", "- - ".repeat(65)),
            format!("){}", "(".repeat(128)),
        ] {
            assert!(check(&deep).is_err(), "{deep}");
        }
    }

    #[test]
    fn what_is_too_deep_is_refused_with_its_line() {
        for (deep, words) in [
            (
                format!("\n{}", "(".repeat(129)),
                "line 2: more than 128 open brackets",
            ),
            (
                format!("a = {}b;", "-".repeat(129)),
                "operators before one operand",
            ),
            (
                format!("a = {}b;", "- ".repeat(129)),
                "operators before one operand",
            ),
            (
                format!("a{} = b;", "[0]".repeat(65)),
                "members of one operand",
            ),
            (
                format!("a{} = b;", ".x".repeat(65)),
                "members of one operand",
            ),
            (
                format!("a = {}b;", "b + ".repeat(1001)),
                "operators of one expression",
            ),
            ("if a {} else ".repeat(1001), "'else'"),
        ] {
            let error = check(&deep).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
