//! Whole transformer blocks: every op of them has a kernel, and together they
//! compute the block.

use kforge_dialect::build::{self, BlockConfig, BlockInputs};
use kforge_oracle::Values;

use crate::{numeric::check_all, units::check_units};

/// The block as text, its weights as plain arguments.
fn text(config: &BlockConfig) -> String {
    let context = kforge_dialect::context();
    let module = build::module(&context, "main", |f| {
        let x = f.argument(&config.activations());
        let inputs = BlockInputs::arguments(f, config);
        Ok(vec![build::transformer_block(f, config, x, inputs)?])
    })
    .expect("a block");
    let text = module.as_operation().to_string();
    let mut plain = String::new();
    for (index, part) in text.split(" {kforge.weight = ").enumerate() {
        let rest = if index == 0 {
            Some(part)
        } else {
            part.split_once('}').map(|it| it.1)
        };
        plain += rest.expect("the attribute ends");
    }
    plain
}

fn configs() -> [BlockConfig; 2] {
    [
        BlockConfig::bert(2, 6, 16, 2, 40),
        BlockConfig::llama(1, 7, 24, 4, 2, 20),
    ]
}

#[test]
fn blocks() {
    let modules: Vec<_> = configs()
        .iter()
        .map(|config| (format!("{config:?}"), text(config)))
        .collect();
    // Of other values the composed bound of a whole block says nothing.
    check_all(&modules, &[(Values::Normal, 0), (Values::Normal, 1)]);
}

#[test]
fn units_of_blocks() {
    for config in configs() {
        check_units(&text(&config));
    }
}
