//! The text of a pipeline, taken apart and put together: passes, and their options.

/// The passes in `builtin.module(...)`, or those of a bare list.
pub(super) fn passes(text: &str) -> Vec<String> {
    let text = text.trim();
    let inner = text
        .strip_prefix("builtin.module(")
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or(text);
    split(inner, ',')
}

/// The pipeline of some passes.
pub(super) fn text(passes: &[String]) -> String {
    format!("builtin.module({})", passes.join(","))
}

/// The name of a pass.
pub(super) fn name(pass: &str) -> &str {
    pass.split_once('{').map_or(pass, |(name, _)| name).trim()
}

/// Its options, `name=value` each.
pub(super) fn options(pass: &str) -> Vec<String> {
    let options = pass.split_once('{').map_or("", |(_, options)| options);
    let options = options.trim_end().strip_suffix('}').unwrap_or(options);
    split(options, ' ')
}

/// A pass with options.
pub(super) fn pass(name: &str, options: &[String]) -> String {
    match options {
        [] => name.to_owned(),
        options => format!("{name}{{{}}}", options.join(" ")),
    }
}

/// Parts between separators outside of brackets.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut depth = 0_i32;
    text.split(|c: char| {
        depth += i32::from("({[<".contains(c)) - i32::from(")}]>".contains(c));
        c == separator && depth == 0
    })
    .map(|part| part.trim().to_owned())
    .filter(|part| !part.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_comes_apart_and_together() {
        let whole = "builtin.module(a,b{op=q tile-m=3},func.func(c,d{x={y z}}))";
        let parts = passes(whole);
        assert_eq!(parts, ["a", "b{op=q tile-m=3}", "func.func(c,d{x={y z}})"]);
        assert_eq!(text(&parts), whole);
        assert_eq!(
            (name(&parts[1]), options(&parts[1])),
            ("b", vec!["op=q".into(), "tile-m=3".into()])
        );
        assert_eq!(options("d{x={y z} u=1}"), ["x={y z}", "u=1"]);
        assert_eq!(pass("b", &options(&parts[1])[..1]), "b{op=q}");
        assert_eq!((options("a"), pass("a", &[])), (Vec::new(), "a".to_owned()));
    }
}
