//! Both provers against brute force: kernels of a few invocations with one store, at an address
//! that is any integer of the ids, under any condition.

use std::collections::HashMap;

use kforge_runtime::manifest::Place;

use super::{
    Code, Finding, Launch, Slot,
    expr::{DATA, Var},
    prove_by_following, prove_symbolically,
    trace::Item,
    walk::Walk,
};
use crate::drawn::{Check, Draw, Ids, Term, Ty, two};

/// Three workgroups of 4 by 3, and three iterations.
const COUNTS: Ids = [3, 4, 3, 3];

/// Kernels that are drawn.
const SEEDS: u64 = 1000;

/// A kernel with one store.
struct Kernel {
    ty: Ty,
    index: Term,
    check: Check,
}

impl Kernel {
    fn draw(draw: &mut Draw) -> Self {
        let ty = [Ty::I32, Ty::U32][draw.below(2)];
        let index = match draw.below(3) {
            0 => Term::draw(draw, ty, 4),
            _ => address(draw),
        };
        let check = Check::draw(draw, 2);
        Self { ty, index, check }
    }

    fn text(&self) -> String {
        format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
            @compute @workgroup_size(4, 3)
            fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(local_invocation_id) l: vec3<u32>) {{
                for (var i = 0u; i < 3u; i++) {{
                    if ({}) {{ y[{}] = 0.0; }}
                }}
            }}",
            self.check.text(),
            self.index.text(self.ty)
        )
    }

    /// Elements that are stored to, each with who does.
    fn stores(&self) -> Vec<(Ids, i64)> {
        let inside = every().filter(|ids| self.check.holds(*ids));
        inside
            .map(|ids| (ids, self.index.value(self.ty, ids)))
            .collect()
    }
}

fn every() -> impl Iterator<Item = Ids> {
    (0..COUNTS.iter().product::<u32>()).map(|mut number| {
        COUNTS.map(|count| {
            let own = number % count;
            number /= count;
            own
        })
    })
}

/// An address as kernels have them: the digits of a number in some order, with room between.
fn address(draw: &mut Draw) -> Term {
    let mut order = [0, 1, 2, 3];
    for last in (1..4).rev() {
        order.swap(last, draw.below(last + 1));
    }
    let (mut sum, mut factor) = (Term::Number(draw.below(3) as u32), 1);
    for id in order {
        let digit = match draw.below(6) {
            0 => two("-", Term::Number(COUNTS[id] - 1), Term::Id(id)),
            1 => two("min", Term::Id(id), Term::Number(COUNTS[id] - 1)),
            2 => two("^", Term::Id(id), Term::Number(1)),
            3 => two(
                "%",
                two("+", Term::Id(id), Term::Number(1)),
                Term::Number(COUNTS[id]),
            ),
            _ => Term::Id(id),
        };
        sum = two("+", sum, two("*", digit, Term::Number(factor)));
        factor *= COUNTS[id] + draw.below(2) as u32;
    }
    // Taken apart and put together again.
    let by = 1 + draw.below(6) as u32;
    let (whole, rest) = (
        two("/", sum.clone(), Term::Number(by)),
        two("%", sum.clone(), Term::Number(by)),
    );
    match draw.below(5) {
        0 => two("+", two("*", whole, Term::Number(by)), rest),
        1 => two("+", whole, two("*", rest, Term::Number(factor / by + 1))),
        2 => two("/", two("*", sum, Term::Number(by)), Term::Number(by)),
        3 => Term::Other(Box::new(sum)),
        _ => sum,
    }
}

fn launch(elements: i64) -> Launch {
    Launch {
        workgroups: [COUNTS[0], 1, 1],
        slots: vec![Slot {
            place: Place {
                group: 0,
                binding: 0,
            },
            buffer: 0,
            offset: 0,
            bytes: 4 * elements as u64,
        }],
        immediates: Vec::new(),
        uniform: None,
        subgroup_size: 0,
    }
}

/// Whether two invocations store to one element.
fn races(stores: &[(Ids, i64)]) -> bool {
    let mut by: HashMap<i64, [u32; 3]> = HashMap::new();
    stores
        .iter()
        .any(|([w, x, y, _], element)| *by.entry(*element).or_insert([*w, *x, *y]) != [*w, *x, *y])
}

#[test]
fn stores_are_proved_where_they_are_inside_and_apart_and_nowhere_else() {
    let (mut right, mut proved) = (0, 0);
    for seed in 0..SEEDS {
        let kernel = Kernel::draw(&mut Draw(seed));
        let text = kernel.text();
        let stores = kernel.stores();
        let most = stores
            .iter()
            .map(|(_, element)| *element)
            .max()
            .unwrap_or(0);
        let elements = match seed % 3 {
            0 => most,
            _ => most + 1,
        };
        let elements = elements.clamp(1, 1 << 20);
        let inside = |(_, element): &(Ids, i64)| (0..elements).contains(element);
        let is_right = stores.iter().all(inside) && !races(&stores);
        let code = Code::parse(&text, "main").unwrap();
        let launch = launch(elements);
        let followed = prove_by_following(&code, &launch);
        match is_right {
            true => assert!(
                matches!(followed, Finding::Proved(_)),
                "{seed}: {followed:?}\n{text}"
            ),
            false => assert!(
                matches!(followed, Finding::Wrong(_)),
                "{seed}: {followed:?}\n{text}"
            ),
        }
        let symbolic = matches!(prove_symbolically(&code, &launch), Finding::Proved(_));
        assert!(is_right || !symbolic, "{seed}: {text}");
        right += usize::from(is_right);
        proved += usize::from(symbolic);
    }
    // What the symbols alone prove is not to become less.
    assert!(right == 604 && proved >= 434, "{proved} of {right}");
}

/// The number of an iteration is the variable of its loop.
fn loop_variable(items: &[Item]) -> Option<Var> {
    items.iter().find_map(|item| match item {
        Item::Loop(inner) => Some(inner.var),
        _ => None,
    })
}

#[test]
fn what_is_said_of_an_index_holds_at_every_value_of_the_ids() {
    for seed in 0..SEEDS {
        let kernel = Kernel::draw(&mut Draw(seed));
        let text = kernel.text();
        let code = Code::parse(&text, "main").unwrap();
        let launch = launch(1);
        let (trace, mut terrain) = Walk::run(&code, &launch).map_err(|it| it.why).unwrap();
        let number = loop_variable(&trace.items).unwrap();
        let Some(bound) = trace.bounds.last() else {
            assert!(kernel.stores().is_empty(), "{seed}: {text}");
            continue;
        };
        let (place, index) = (bound.place, bound.index);
        let coarse = terrain.range(place, index);
        let exact = terrain.exact(index, &bound.path, 1 << 16);
        let everywhere = terrain.exact(index, &[], 1 << 16);
        let (up, down) = (
            terrain.reaches_up_to(place, index),
            terrain.reaches_down_to(place, index),
        );
        let simple = terrain.simplified(place, index);
        let stores: HashMap<Ids, i64> = kernel.stores().into_iter().collect();
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for ids in every() {
            let mut env = vec![0; terrain.pool.var_count()];
            (env[0], env[3], env[4]) = (ids[0].into(), ids[1].into(), ids[2].into());
            env[number as usize] = ids[3].into();
            let value = terrain.pool.eval(index, &env);
            if let Some(value) = value {
                (least, most) = (least.min(value), most.max(value));
            }
            let reached = bound
                .path
                .iter()
                .map(|cond| terrain.pool.eval_cond(*cond, &env));
            let Some(expected) = stores.get(&ids) else {
                let decided = bound
                    .path
                    .iter()
                    .all(|it| terrain.pool.cond_vars(*it) & DATA == 0);
                assert!(
                    !decided || reached.into_iter().any(|it| it == Some(false)),
                    "{seed}: {text}"
                );
                continue;
            };
            assert!(
                reached.into_iter().all(|it| it != Some(false)),
                "{seed}: {text}"
            );
            assert!(!terrain.is_impossible(place), "{seed}: {text}");
            let known = terrain.pool.vars(index) & DATA == 0;
            assert_eq!(value, known.then_some(*expected), "{seed}: {text}");
            if terrain.pool.vars(simple) & DATA == 0 {
                assert_eq!(
                    terrain.pool.eval(simple, &env),
                    Some(*expected),
                    "{seed}: {text}"
                );
            }
            for range in [Some(coarse), exact].into_iter().flatten() {
                assert!(
                    (range.lo..=range.hi).contains(expected),
                    "{seed}: {range:?}\n{text}"
                );
            }
            assert!(
                (down..=up).contains(expected),
                "{seed}: {down}..={up}\n{text}"
            );
        }
        assert!(up <= coarse.hi, "{seed}: {text}");
        if let Some(everywhere) = everywhere {
            assert_eq!(
                (everywhere.lo, everywhere.hi),
                (least, most),
                "{seed}: {text}"
            );
        }
    }
}
