//! The kforge ops, appended to a function under a `kforge.name`.

use melior::ir::Value;

use super::FunctionBuilder;
use crate::{
    ActivationArgs, AttentionArgs, Error, LayerNormArgs, MatmulArgs, MlpArgs, RmsNormArgs,
    RopeArgs, SoftmaxArgs,
};

macro_rules! ops {
    ($($op:ident: $args:ident,)*) => { $(
        #[doc = concat!("Appends a `kforge.", stringify!($op), "` called `name`.")]
        pub fn $op<'c, 'a>(
            function: &FunctionBuilder<'c, 'a>,
            name: &str,
            args: $args<'c, 'a>,
        ) -> Result<Value<'c, 'a>, Error> {
            let operation = args.build(function.context(), function.location())?;
            function.name(function.insert(operation)?, name)
        }
    )* };
}

ops! {
    matmul: MatmulArgs,
    attention: AttentionArgs,
    mlp: MlpArgs,
    layer_norm: LayerNormArgs,
    rms_norm: RmsNormArgs,
    softmax: SoftmaxArgs,
    rope: RopeArgs,
    activation: ActivationArgs,
}
