//! The proof against invocations that are followed one by one: what one proves, the other
//! must not refuse. Mistakes are made at random: a barrier left out, a number changed, a
//! comparison that also holds at equality.

use fastrand::Rng;
use kforge_verify::prove::{Code, Finding, prove_by_following, prove_symbolically};

use crate::{
    emitted::{Emitted, each},
    sources::{self, Attention},
};

/// Mistakes of each kernel.
const MISTAKES: usize = 6;

/// Places of an integer literal: its digits.
fn numbers(wgsl: &str) -> Vec<(usize, usize)> {
    let bytes = wgsl.as_bytes();
    let body = wgsl.find("fn ").unwrap_or(0);
    let mut found = Vec::new();
    let mut at = body;
    while at < bytes.len() {
        let digits = bytes[at..]
            .iter()
            .take_while(|it| it.is_ascii_digit())
            .count();
        let before = at.checked_sub(1).map(|at| bytes[at]);
        let free = before.is_none_or(|it| !it.is_ascii_alphanumeric() && !b"_.".contains(&it));
        if digits > 0 && free && matches!(bytes.get(at + digits), Some(b'i' | b'u')) {
            found.push((at, at + digits));
        }
        at += digits.max(1);
    }
    found
}

fn mistake(wgsl: &str, rng: &mut Rng) -> String {
    let mut text = wgsl.to_owned();
    let pick = |places: Vec<usize>, rng: &mut Rng| rng.choice(places);
    let places = |word: &str| {
        wgsl.match_indices(word)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    let barrier = "workgroupBarrier();";
    match rng.u8(..8) {
        0 | 1 => {
            if let Some(at) = pick(places(barrier), rng) {
                text.replace_range(at..at + barrier.len(), "");
            }
        }
        2 => {
            let (word, other) = *rng.choice(&[(" < ", " <= "), (" >= ", " > ")]).unwrap();
            if let Some(at) = pick(places(word), rng) {
                text.replace_range(at..at + word.len(), other);
            }
        }
        _ => {
            if let Some((from, to)) = rng.choice(numbers(wgsl)) {
                let value: u32 = wgsl[from..to].parse().unwrap_or(0);
                let other = match rng.u8(..4) {
                    0 => value + 1,
                    1 => value.saturating_sub(1),
                    2 => value * 2,
                    _ => value / 2,
                };
                text.replace_range(from..to, &other.to_string());
            }
        }
    }
    text
}

#[test]
fn what_is_proved_is_not_refused_by_following() {
    let mut small = vec![
        sources::matmul(10, 12, 9, "f32"),
        sources::matmul(8, 16, 16, "f32"),
        sources::batched(2, 5, 6, 8, "transpose_b,"),
        sources::epilogue(8, 5, 12),
        sources::softmax(&[2, 50], -1, "f32"),
        sources::softmax(&[2, 9, 8], 1, "f32"),
        sources::norm("layer_norm", 2, 40),
        sources::attention(&Attention {
            heads: 2,
            kv_heads: 1,
            queries: 5,
            keys: 7,
            head: 4,
            causal: true,
            mask: Some(vec![5, 7]),
        }),
    ];
    small.extend(
        sources::fixed()
            .into_iter()
            .filter(|source| {
                ["rope", "concat", "transpose"]
                    .iter()
                    .any(|it| source.name.starts_with(it))
            })
            .filter(|source| !source.name.contains("512")),
    );
    let mut rng = Rng::with_seed(11);
    let (mut proved, mut refused, mut both) = (0, 0, 0);
    for source in &small {
        each(source, 1, |emitted: &Emitted| {
            let right = prove_by_following(&emitted.code, &emitted.launch);
            assert!(
                !matches!(right, Finding::Wrong(_)),
                "{}: {right:?}",
                emitted.name
            );
            for _ in 0..MISTAKES {
                let text = mistake(&emitted.wgsl, &mut rng);
                let Ok(code) = Code::parse(&text, &emitted.entry_point) else {
                    continue;
                };
                let symbolic = prove_symbolically(&code, &emitted.launch);
                let followed = prove_by_following(&code, &emitted.launch);
                let shown = matches!(symbolic, Finding::Proved(_));
                proved += usize::from(shown);
                if let Finding::Wrong(defect) = &followed {
                    refused += 1;
                    assert!(!shown, "{}: {defect:?}\n{text}", emitted.name);
                }
                both += usize::from(shown && matches!(followed, Finding::Proved(_)));
            }
        });
    }
    println!("{proved} proved, {refused} refused, {both} proved in both ways");
    assert!(
        proved > 20 && refused > 50 && both > 10,
        "{proved} {refused} {both}"
    );
}
