//! Names for deeply nested expressions.
//!
//! naga's text writers put an expression that is used once where it is used, so
//! that a chain of a hundred sums becomes a hundred parentheses: more than WGSL
//! parsers and clang take (naga's stops at 200, clang's at 256). An expression
//! of depth 32 gets a name and thereby a line of its own.

use naga::{Expression, Function, Handle};

/// Operations inside one another.
const MOST: u32 = 32;

/// Names every expression of `function` that would nest too deeply.
pub(super) fn name_deep_expressions(function: &mut Function) {
    let mut depths: Vec<u32> = Vec::with_capacity(function.expressions.len());
    for (handle, expression) in function.expressions.iter() {
        let mut depth = 1 + deepest_operand(expression, &depths);
        if written_in_place(expression) || function.named_expressions.contains_key(&handle) {
            depth = 1;
        } else if depth >= MOST && !expression.needs_pre_emit() {
            function.named_expressions.insert(handle, "part".to_owned());
            depth = 1;
        }
        depths.push(depth);
    }
}

/// Loads and results of statements are lines of their own already.
fn written_in_place(expression: &Expression) -> bool {
    matches!(
        expression,
        Expression::Load { .. }
            | Expression::CallResult(_)
            | Expression::SubgroupBallotResult
            | Expression::SubgroupOperationResult { .. }
    )
}

fn deepest_operand(expression: &Expression, depths: &[u32]) -> u32 {
    let depth = |handle: &Handle<Expression>| depths.get(handle.index()).copied().unwrap_or(0);
    let deepest = |handles: &[Handle<Expression>]| handles.iter().map(depth).max().unwrap_or(0);
    match expression {
        Expression::Binary { left, right, .. } => deepest(&[*left, *right]),
        Expression::Unary { expr, .. } | Expression::As { expr, .. } => depth(expr),
        Expression::Select {
            condition,
            accept,
            reject,
        } => deepest(&[*condition, *accept, *reject]),
        Expression::Math {
            arg,
            arg1,
            arg2,
            arg3,
            ..
        } => [Some(*arg), *arg1, *arg2, *arg3]
            .iter()
            .flatten()
            .map(depth)
            .max()
            .unwrap_or(0),
        Expression::Compose { components, .. } => deepest(components),
        Expression::Splat { value, .. } => depth(value),
        Expression::Swizzle { vector, .. } => depth(vector),
        Expression::Access { base, index } => deepest(&[*base, *index]),
        Expression::AccessIndex { base, .. } => depth(base),
        Expression::Load { pointer } => depth(pointer),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naga::{BinaryOperator, Literal, Span};

    fn chain(length: usize) -> Function {
        let mut function = Function::default();
        let expressions = &mut function.expressions;
        let one = expressions.append(Expression::Literal(Literal::F32(1.0)), Span::UNDEFINED);
        let mut left = one;
        for _ in 0..length {
            let op = BinaryOperator::Add;
            let sum = Expression::Binary {
                op,
                left,
                right: one,
            };
            left = expressions.append(sum, Span::UNDEFINED);
        }
        function
    }

    #[test]
    fn short_chains_stay() {
        let mut function = chain(MOST as usize - 2);
        name_deep_expressions(&mut function);
        assert!(function.named_expressions.is_empty());
    }

    #[test]
    fn long_chains_are_cut() {
        let mut function = chain(1000);
        name_deep_expressions(&mut function);
        let names = function.named_expressions.len();
        assert!(
            (1000 / MOST as usize..=1000 / (MOST as usize - 2)).contains(&names),
            "{names}"
        );
    }
}
