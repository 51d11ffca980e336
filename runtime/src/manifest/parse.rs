//! Integer expressions as people write them: `ceildiv(n, 64) * 2`.
//!
//! `+ - *` and `floordiv`, `ceildiv`, `mod` between operands, with the usual precedence and
//! parentheses; `floordiv`, `ceildiv`, `mod`, `min` and `max` also as functions of two.
//! What [`Expr`]'s `Display` prints reads back as the same expression.
//! Limits: those of [`Expr::check_size`], and parentheses 32 deep.

use std::str::FromStr;

use thiserror::Error;

use super::{
    Expr,
    expr::{MAX_DEPTH, MAX_NODES},
};

/// Longest text read.
const MAX_TEXT: usize = 4096;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{text}', column {column}: {problem}")]
pub struct ParseExprError {
    /// The text, control bytes escaped.
    pub text: String,
    /// Where, from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub problem: String,
}

impl FromStr for Expr {
    type Err = ParseExprError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parser = Parser { text, at: 0 };
        let failed = |at: usize, problem: String| ParseExprError {
            text: text
                .chars()
                .take(80)
                .collect::<String>()
                .escape_default()
                .to_string(),
            column: at + 1,
            problem,
        };
        if text.len() > MAX_TEXT {
            let problem = format!("{} bytes exceed the limit of {MAX_TEXT}", text.len());
            return Err(failed(0, problem));
        }
        let parsed = parser.sum(0).and_then(|expr| match parser.peek() {
            None => Ok(expr),
            Some(_) => Err(parser.expected("an operator or the end")),
        });
        let expr = parsed.map_err(|problem| failed(parser.at, problem))?;
        expr.check_size()
            .map_err(|error| failed(0, error.to_string()))?;
        Ok(expr)
    }
}

struct Parser<'t> {
    text: &'t str,
    /// Byte of the next token, or of the blanks before it.
    at: usize,
}

impl<'t> Parser<'t> {
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expected(&mut self, what: &str) -> String {
        match self.peek() {
            Some(found) => format!("expected {what}, found '{}'", found.escape_default()),
            None => format!("expected {what}, found the end"),
        }
    }

    /// The word ahead, which is not consumed.
    fn word(&mut self) -> &'t str {
        self.peek();
        let rest = &self.text[self.at..];
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        match rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            true => &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())],
            false => "",
        }
    }

    fn sum(&mut self, depth: usize) -> Result<Expr, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH}"));
        }
        let mut left = self.product(depth)?;
        for _ in 0..MAX_NODES {
            if self.accept('+') {
                left = left + self.product(depth)?;
            } else if self.accept('-') {
                left = left - self.product(depth)?;
            } else {
                return Ok(left);
            }
        }
        Err(format!("more than {MAX_NODES} terms"))
    }

    fn product(&mut self, depth: usize) -> Result<Expr, String> {
        let mut left = self.atom(depth)?;
        for _ in 0..MAX_NODES {
            if self.accept('*') {
                left = left * self.atom(depth)?;
                continue;
            }
            let word = self.word();
            if !matches!(word, "floordiv" | "ceildiv" | "mod") {
                return Ok(left);
            }
            self.at += word.len();
            let right = self.atom(depth)?;
            left = apply(word, left, right).ok_or_else(|| format!("'{word}' is no operator"))?;
        }
        Err(format!("more than {MAX_NODES} factors"))
    }

    fn atom(&mut self, depth: usize) -> Result<Expr, String> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let inner = self.sum(depth + 1)?;
                self.close()?;
                Ok(inner)
            }
            Some('-') => {
                self.at += 1;
                let digits = self.number()?;
                let value = format!("-{digits}")
                    .parse()
                    .map_err(|_| "integer is below -2^63")?;
                Ok(Expr::Constant(value))
            }
            Some(c) if c.is_ascii_digit() => {
                let value = self
                    .number()?
                    .parse()
                    .map_err(|_| "integer exceeds 2^63 - 1")?;
                Ok(Expr::Constant(value))
            }
            _ => self.named(depth),
        }
    }

    fn number(&mut self) -> Result<&'t str, String> {
        self.peek();
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("an integer"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn named(&mut self, depth: usize) -> Result<Expr, String> {
        let word = self.word();
        if word.is_empty() {
            return Err(self.expected("an integer, a name or '('"));
        }
        let start = self.at;
        self.at += word.len();
        if !self.accept('(') {
            return Ok(Expr::symbol(word));
        }
        let first = self.sum(depth + 1)?;
        if !self.accept(',') {
            return Err(self.expected("',' and a second argument"));
        }
        let second = self.sum(depth + 1)?;
        self.close()?;
        apply(word, first, second).ok_or_else(|| {
            self.at = start;
            format!("unknown function '{word}'; there are floordiv, ceildiv, mod, min and max")
        })
    }

    fn close(&mut self) -> Result<(), String> {
        match self.accept(')') {
            true => Ok(()),
            false => Err(self.expected("')'")),
        }
    }
}

/// The operation of a name.
fn apply(name: &str, a: Expr, b: Expr) -> Option<Expr> {
    Some(match name {
        "floordiv" => a.floor_div(b),
        "ceildiv" => a.ceil_div(b),
        "mod" => a.modulo(b),
        "min" => a.min(b),
        "max" => a.max(b),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Symbols;

    fn value(text: &str) -> i64 {
        let symbols = Symbols::from([("m".to_owned(), 130), ("x_0".to_owned(), 7)]);
        text.parse::<Expr>().unwrap().evaluate(&symbols).unwrap()
    }

    #[test]
    fn operators_bind_as_usual() {
        for (text, expected) in [
            ("2 + 3 * 4", 14),
            ("10 - 2 - 3", 5),
            ("(2 + 3) * 4", 20),
            ("ceildiv(m, 64)", 3),
            ("m ceildiv 64 * 2", 6),
            ("m floordiv 64 + m mod 64", 4),
            ("min(m, max(x_0, 9))", 9),
            ("-3 + 5", 2),
            ("-9223372036854775808 + 1", i64::MIN + 1),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in [
            "ceildiv(m + 1, 64) * 2",
            "max(m mod 4, x_0) - 1",
            "m floordiv x_0",
        ] {
            let expr: Expr = text.parse().unwrap();
            assert_eq!(expr.to_string().parse::<Expr>().unwrap(), expr, "{text}");
        }
    }

    #[test]
    fn errors_have_a_column_and_what_was_expected() {
        for (text, column, words) in [
            ("", 1, "an integer, a name or '('"),
            ("m +", 4, "found the end"),
            ("m / 2", 3, "an operator or the end, found '/'"),
            ("ceil(m, 2)", 1, "unknown function 'ceil'"),
            ("min(m)", 6, "second argument"),
            ("(m", 3, "')'"),
            ("99999999999999999999", 21, "exceeds 2^63"),
        ] {
            let error = text.parse::<Expr>().unwrap_err();
            assert_eq!(error.column, column, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        let deep = "(".repeat(100) + "m";
        assert!(deep.parse::<Expr>().unwrap_err().problem.contains("32"));
        let long = "m+".repeat(5000);
        assert!(long.parse::<Expr>().unwrap_err().problem.contains("4096"));
    }
}
