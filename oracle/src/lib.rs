//! The kforge oracle: what a transformer program must compute, to the last justified bit.
//!
//! A [`Program`] is plain data (also `program.json` of a package). [`evaluate`] computes it in
//! f64 and gives every element an upper bound of the error a correct device kernel may make;
//! [`compare()`] holds a device's output against it; [`compare_programs`] tells whether two
//! programs mean the same; [`generate`] makes the inputs that catch wrong kernels;
//! [`plain()`] is the yardstick where half precision leaves a bound without meaning;
//! [`freivalds()`] and [`check_rows`] check products too large to recompute.
//!
//! Knows no MLIR, no GPU and nothing of how kforge lowers: another algorithm and another loop
//! order than any kernel. The derivations of the bounds stand in the modules of `eval`,
//! the device's accuracy in [`model`].

pub mod array;
pub mod cases;
pub mod compare;
pub mod dtype;
pub mod equivalence;
pub mod eval;
pub mod field;
pub mod freivalds;
mod infer;
pub mod model;
pub mod op;
mod plain_check;
pub mod program;
pub mod validate;
mod work;

pub use array::Array;
pub use cases::{
    AttentionShape, CaseError, Level, RopeShape, Values, attention_shapes, cases_of, chain_shapes,
    generate, matmul_shapes, mlp_shapes, rope_shapes, row_shapes, standard_cases,
};
pub use compare::{CompareError, CompareOptions, Comparison, Outcome, Worst, compare};
pub use dtype::DType;
pub use equivalence::{Equivalence, EquivalenceError, compare_programs};
pub use eval::{EvalError, EvalOptions, Evaluation, Plain, evaluate, plain};
pub use field::{
    Field, FieldError, FieldTensor, Function, Number, error_bound, evaluate_in_field, field_inputs,
    field_work,
};
pub use freivalds::{FreivaldsError, FreivaldsReport, Product, check_rows, freivalds};
pub use model::{Rounding, SIN_COS_ABSOLUTE};
pub use op::{ActivationKind, BinaryKind, ConstantData, Op, Predicate, ReduceKind, UnaryKind};
pub use plain_check::{PlainComparison, compare_plain, is_smooth_half, is_vacuous};
pub use program::{Input, Node, Program, TensorType, ValueId};
pub use validate::ProgramError;
pub use work::multiply_adds;
