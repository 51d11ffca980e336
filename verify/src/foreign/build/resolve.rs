//! An entry point with values for its `override` constants.

use std::collections::BTreeMap;

use kforge_runtime::manifest::{Immediate, Symbols};
use naga::{AddressSpace, proc::Layouter};

use crate::foreign::shader::Shader;

/// An entry point with values for its `override` constants.
pub(super) struct Resolved {
    pub workgroup: [u32; 3],
    pub workgroup_memory: u64,
}

impl Resolved {
    /// Resolves them, or says in a sentence what is missing.
    pub fn of(
        shader: &Shader,
        entry: usize,
        constants: &BTreeMap<String, Immediate>,
    ) -> Result<Self, String> {
        let mut given = naga::back::PipelineConstants::default();
        for (name, value) in constants {
            let value = match value {
                Immediate::F32(value) => f64::from(value.0),
                Immediate::Integer(expr) => expr.evaluate(&Symbols::new()).unwrap_or(0) as f64,
            };
            given.insert(name.clone(), value);
        }
        let name = &shader.module.entry_points[entry].name;
        let (module, info) = naga::back::pipeline_constants::process_overrides(
            &shader.module,
            &shader.info,
            Some((naga::ShaderStage::Compute, name)),
            &given,
        )
        .map_err(|error| {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                text = format!("{text}: {inner}");
                source = inner.source();
            }
            format!(
                "override constants: {text}; the WGSL has {}",
                shader.describe()
            )
        })?;
        let position = module.entry_points.iter().position(|it| it.name == *name);
        let position = position.ok_or("has lost its entry point")?;
        let mut layouter = Layouter::default();
        layouter
            .update(module.to_ctx())
            .map_err(|error| error.to_string())?;
        let uses = info.get_entry_point(position);
        let globals = module.global_variables.iter();
        let memory = globals
            .filter(|(variable, global)| {
                global.space == AddressSpace::WorkGroup && !uses[*variable].is_empty()
            })
            .map(|(_, global)| u64::from(layouter[global.ty].size));
        Ok(Self {
            workgroup: module.entry_points[position].workgroup_size,
            workgroup_memory: memory.fold(0, u64::saturating_add),
        })
    }
}
