//! Schedules at which divisors vary or parts have nothing to do: groups of row tiles that leave
//! a rest, beside tiles that hang over the edge; products split and sliced on top; keys split
//! into more parts than there are blocks.

use kforge_tools::compile::{Session, Source as Text};
use kforge_verify::prove::{Finding, prove};

use crate::{
    emitted::launches,
    sources::{Attention, Source, attention, matmul},
};

/// Launches of a source under a schedule that are not proved.
fn open(source: &Source, schedule: &str) -> Vec<String> {
    let pipeline = format!(
        "builtin.module(kforge-keep-reference,kforge-attach-device{{target=gpu invocations=1024 \
         workgroup-memory=131072 features=subgroup subgroup-size=32}},{schedule},\
         convert-kforge-to-gpu,canonicalize,cse)"
    );
    let session = Session::default();
    let module = session.parse(&Text::of_text(&source.name, &source.text));
    let compiled = session.compile(module.unwrap(), &pipeline, 0).unwrap();
    let (mut count, mut open) = (0, Vec::new());
    launches(&source.name, &compiled.serialized.package, &mut |emitted| {
        count += 1;
        match prove(&emitted.code, &emitted.launch) {
            Finding::Proved(_) => {}
            other => open.push(format!("{} {schedule}: {other:?}", emitted.name)),
        }
    });
    assert!(count > 0, "{} has no kernels", source.name);
    open
}

#[test]
fn groups_with_a_rest_are_proved() {
    let sizes = [
        (512, 512, 512),
        (200, 72, 100),
        (1000, 1000, 1000),
        (2047, 2047, 2047),
        (4095, 64, 4095),
    ];
    let knobs = [
        "tile-m=48 thread-m=6 group-m=8",
        "tile-m=32 thread-m=4 group-m=3",
        "tile-m=64 tile-n=64 thread-m=8 group-m=8",
        "tile-m=96 tile-n=32 thread-m=6 group-m=5 prefetch=1",
        "tile-m=16 tile-n=16 thread-m=2 thread-n=4 tile-k=64 slice-k=4 split-k=3 group-m=8",
        "tile-m=32 tile-n=32 thread-m=4 thread-n=4 tile-k=64 slice-k=16 split-k=8 group-m=6",
    ];
    let sources = sizes.map(|(m, k, n)| matmul(m, k, n, "f32"));
    let open: Vec<String> = sources
        .iter()
        .flat_map(|source| {
            let schedules = knobs.map(|knobs| format!("kforge-tile-matmul{{{knobs}}}"));
            schedules.into_iter().flat_map(|it| open(source, &it))
        })
        .collect();
    assert!(open.is_empty(), "{}:\n{}", open.len(), open.join("\n"));
}

#[test]
fn parts_without_keys_are_proved() {
    let masks = |queries, keys| [vec![queries, keys], vec![2, 1, 1, keys]];
    let sizes = [(40, 50), (17, 100)];
    let knobs = [
        "block-kv=32 block-q=64 split-head=8 split-kv=32",
        "block-kv=32 block-q=256 split-head=4 split-kv=16",
        "block-kv=64 block-q=32 split-head=4 split-kv=8",
        "block-kv=8 block-q=32 split-head=2 split-kv=32",
    ];
    let sources = sizes.iter().flat_map(|&(queries, keys)| {
        masks(queries, keys).map(|mask| {
            attention(&Attention {
                heads: 4,
                kv_heads: 2,
                queries,
                keys,
                head: 16,
                causal: false,
                mask: Some(mask),
            })
        })
    });
    let open: Vec<String> = sources
        .flat_map(|source| {
            let schedules = knobs.map(|knobs| format!("kforge-tile-attention{{{knobs}}}"));
            let all = schedules.iter().flat_map(|it| open(&source, it));
            all.collect::<Vec<_>>()
        })
        .collect();
    assert!(open.is_empty(), "{}:\n{}", open.len(), open.join("\n"));
}
