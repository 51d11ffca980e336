//! Values of the sizes that a package leaves open, from `--size NAME=VALUE` and
//! from the shapes of the tensors that are given.
//!
//! A shape expression is solved where it has one unknown size and is made of sums,
//! differences and products; of `ceildiv` and the like nothing is learnt. What was
//! learnt twice must agree. Does nothing for a package without open sizes.

use std::collections::BTreeMap;

use kforge_runtime::{
    HostTensor,
    manifest::{Expr, ExprOp, Manifest, Port, Symbols},
};

use super::Failure;

/// A size, and who said so.
type Known = BTreeMap<String, (i64, String)>;

/// A value for every size of `manifest`.
pub(super) fn bind(
    manifest: &Manifest,
    given: &BTreeMap<String, i64>,
    tensors: &[(&Port, &HostTensor)],
) -> Result<Symbols, Failure> {
    let mut known = Known::new();
    for (name, range) in &manifest.symbols {
        if range.min == range.max {
            learn(&mut known, name, range.min, || "the package".into())?;
        }
    }
    for (name, value) in given {
        if !manifest.symbols.contains_key(name) {
            let name = name.escape_default();
            let open: Vec<&str> = manifest.symbols.keys().map(String::as_str).collect();
            let open = match open.is_empty() {
                true => "none".to_owned(),
                false => open.join(", "),
            };
            return Err(Failure::Input(format!(
                "--size {name}={value}: the package has no such size; its open sizes are: {open}"
            )));
        }
        learn(&mut known, name, *value, || {
            format!("--size {name}={value}")
        })?;
    }
    // An expression may become solvable by what a later one teaches.
    let mut before = None;
    while before != Some(known.len()) {
        before = Some(known.len());
        for (port, tensor) in tensors {
            for (axis, (expr, size)) in port.shape.iter().zip(tensor.shape()).enumerate() {
                let Ok(size) = i64::try_from(*size) else {
                    continue;
                };
                let values = values(&known);
                if let Some((name, value)) = solve(expr, size, &values) {
                    let origin = || {
                        let argument = port.name.escape_default();
                        format!("axis {axis} of argument '{argument}'")
                    };
                    learn(&mut known, name, value, origin)?;
                }
            }
        }
    }
    for (name, range) in &manifest.symbols {
        let problem = match known.get(name) {
            Some((value, _)) if (range.min..=range.max).contains(value) => continue,
            Some((value, origin)) => format!("is {value} by {origin}"),
            None => format!(
                "has no value; give --size {name}=VALUE or a file for an argument that has it"
            ),
        };
        return Err(Failure::Input(format!(
            "size '{name}' {problem}; the package takes {} to {}",
            range.min, range.max
        )));
    }
    let sizes = values(&known);
    for (port, tensor) in tensors {
        for (axis, (expr, size)) in port.shape.iter().zip(tensor.shape()).enumerate() {
            agree(&known, &sizes, port, axis, expr, *size)?;
        }
    }
    Ok(sizes)
}

/// Whether a size made of known ones is that of the tensor. Where nothing was
/// learnt of the expression, only this finds a contradiction.
fn agree(
    known: &Known,
    sizes: &Symbols,
    port: &Port,
    axis: usize,
    expr: &Expr,
    given: usize,
) -> Result<(), Failure> {
    let mut reasons = Vec::new();
    expr.for_each_symbol(&mut |name| {
        if let Some((value, origin)) = known.get(name) {
            let reason = format!("{name} is {value} by {origin}");
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    });
    let problem = match expr.evaluate(sizes) {
        // Fixed sizes are compared with the whole shape.
        _ if reasons.is_empty() => return Ok(()),
        Ok(value) if usize::try_from(value) == Ok(given) => return Ok(()),
        Ok(value) => format!("{expr} is {value}"),
        Err(error) => error.to_string(),
    };
    Err(Failure::Input(format!(
        "axis {axis} of argument '{}' is {given}, but {problem}: {}",
        port.name.escape_default(),
        reasons.join(", ")
    )))
}

fn values(known: &Known) -> Symbols {
    let value = |(name, (value, _)): (&String, &(i64, String))| (name.clone(), *value);
    known.iter().map(value).collect()
}

fn learn(
    known: &mut Known,
    name: &str,
    value: i64,
    origin: impl Fn() -> String,
) -> Result<(), Failure> {
    match known.get(name) {
        Some((other, first)) if *other != value => Err(Failure::Input(format!(
            "size '{name}' is {other} by {first} and {value} by {}",
            origin()
        ))),
        Some(_) => Ok(()),
        None => {
            known.insert(name.to_owned(), (value, origin()));
            Ok(())
        }
    }
}

/// The size, and its value, for which `expr` is `wanted`; `None` if it has several
/// unknown sizes or none, or an operation that has no inverse.
fn solve<'e>(expr: &'e Expr, wanted: i64, known: &Symbols) -> Option<(&'e str, i64)> {
    let op = match expr {
        Expr::Constant(_) => return None,
        // A known one is learnt again, so that two values are noticed.
        Expr::Symbol(name) => return Some((name, wanted)),
        Expr::Op(op) => op.as_ref(),
    };
    let value = |expr: &Expr| expr.evaluate(known).ok();
    match op {
        ExprOp::Add(a, b) => match (value(a), value(b)) {
            (None, Some(b)) => solve(a, wanted.checked_sub(b)?, known),
            (Some(a), None) => solve(b, wanted.checked_sub(a)?, known),
            _ => None,
        },
        ExprOp::Sub(a, b) => match (value(a), value(b)) {
            (None, Some(b)) => solve(a, wanted.checked_add(b)?, known),
            (Some(a), None) => solve(b, a.checked_sub(wanted)?, known),
            _ => None,
        },
        ExprOp::Mul(a, b) => {
            let (unknown, factor) = match (value(a), value(b)) {
                (None, Some(b)) => (a, b),
                (Some(a), None) => (b, a),
                _ => return None,
            };
            let exact = factor != 0 && wanted.checked_rem(factor)? == 0;
            exact.then(|| solve(unknown, wanted / factor, known))?
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solved(expr: Expr, wanted: i64) -> Option<(String, i64)> {
        let known = Symbols::from([("k".into(), 3), ("z".into(), 0)]);
        solve(&expr, wanted, &known).map(|(name, value)| (name.to_owned(), value))
    }

    fn n() -> Expr {
        Expr::symbol("n")
    }

    #[test]
    fn sums_differences_and_products_are_solved() {
        let is = |value| Some(("n".to_owned(), value));
        assert_eq!(solved(n(), 7), is(7));
        assert_eq!(solved(n() + 2, 7), is(5));
        assert_eq!(solved(Expr::from(2) + n(), 7), is(5));
        assert_eq!(solved(n() - 2, 7), is(9));
        assert_eq!(solved(Expr::from(10) - n(), 7), is(3));
        assert_eq!(solved((n() * 4 + 2) * "k", 66), is(5));
        // A known size alone is said again, for conflicts to be seen.
        assert_eq!(solved(Expr::symbol("k"), 4), Some(("k".into(), 4)));
    }

    #[test]
    fn what_cannot_be_solved_teaches_nothing() {
        for expr in [
            Expr::from(7),
            n() * 4,
            n() * "z",
            n() + "m",
            n().ceil_div(4),
            n().modulo(4),
        ] {
            assert_eq!(solved(expr.clone(), 7), None, "{expr}");
        }
        assert_eq!(solved(n() - 1, i64::MAX), None);
        assert_eq!(solved(n() * -1, i64::MIN), None);
    }
}
