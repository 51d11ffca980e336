//! Builders of kforge IR: a function on tensors, op by op.
//!
//! Arguments, constants and the movement of elements are methods of
//! [`FunctionBuilder`]; the kforge ops are functions over the generated `*Args`,
//! and [`transformer_block`] writes a whole BERT or Llama block. Values cannot
//! leave the closure that builds the function, so none outlives its module.
//! Shapes are static.
//!
//! ```
//! use kforge_dialect::{ActivationKind, Element, MatmulArgs, TensorType, build};
//!
//! let context = kforge_dialect::context();
//! let module = build::module(&context, "main", |f| {
//!     let x = f.argument(&TensorType::fixed(&[128, 256], Element::F32));
//!     let w = f.weight("w", &TensorType::fixed(&[512, 256], Element::F32));
//!     let y = build::matmul(
//!         f,
//!         "up",
//!         MatmulArgs { transpose_b: true, activation: ActivationKind::Gelu, ..MatmulArgs::new(x, w) },
//!     )?;
//!     Ok(vec![y])
//! })?;
//! let text = module.as_operation().to_string();
//! assert!(text.contains(r#"%arg1: tensor<512x256xf32> {kforge.weight = "w"}"#));
//! assert!(text.contains(r#"{activation = "gelu", kforge.name = "up", transpose_b}"#));
//! # Ok::<(), kforge_dialect::Error>(())
//! ```

mod block;
mod function;
mod ops;
mod shape;

pub use block::{BlockConfig, BlockInputs, BlockKind, transformer_block};
pub use function::FunctionBuilder;
pub use ops::{activation, attention, layer_norm, matmul, mlp, rms_norm, rope, softmax};

use melior::{
    Context,
    ir::{BlockLike, Location, Module, Operation, Value, operation::OperationLike},
};

use crate::Error;

/// A module with one public function; it is verified.
///
/// `body` gets the builder and gives what the function returns. A broken rule
/// is its error; an invalid module is reported to the context's handler, too.
pub fn module<'c, F>(context: &'c Context, name: &str, body: F) -> Result<Module<'c>, Error>
where
    F: for<'a> FnOnce(&mut FunctionBuilder<'c, 'a>) -> Result<Vec<Value<'c, 'a>>, Error>,
{
    of_functions(context, [function(context, name, body)?])
}

/// A function, for a module of several.
pub fn function<'c, F>(context: &'c Context, name: &str, body: F) -> Result<Operation<'c>, Error>
where
    F: for<'a> FnOnce(&mut FunctionBuilder<'c, 'a>) -> Result<Vec<Value<'c, 'a>>, Error>,
{
    function::build(context, name, body)
}

/// A verified module of functions.
///
/// ```
/// use kforge_dialect::{Element, TensorType, build};
///
/// let context = kforge_dialect::context();
/// let ty = TensorType::fixed(&[4], Element::F32);
/// let double = build::function(&context, "double", |f| {
///     let x = f.argument(&ty);
///     Ok(vec![f.add(x, x)?])
/// })?;
/// let square = build::function(&context, "square", |f| {
///     let x = f.argument(&ty);
///     Ok(vec![f.mul(x, x)?])
/// })?;
/// assert!(build::of_functions(&context, [double, square]).is_ok());
/// # Ok::<(), kforge_dialect::Error>(())
/// ```
pub fn of_functions<'c>(
    context: &'c Context,
    functions: impl IntoIterator<Item = Operation<'c>>,
) -> Result<Module<'c>, Error> {
    let module = Module::new(Location::unknown(context));
    for function in functions {
        module.body().append_operation(function);
    }
    if module.as_operation().verify() {
        Ok(module)
    } else {
        Err(Error::Message(
            "the built module does not verify; the diagnostics say why".into(),
        ))
    }
}

#[cfg(test)]
mod tests;
