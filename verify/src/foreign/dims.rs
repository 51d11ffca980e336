//! The names by which an interface speaks of an op: operands, results, sizes, attributes.
//!
//! | op | sizes |
//! |---|---|
//! | matmul | `m`, `n`, `k`, `batch` |
//! | softmax, layer_norm, rms_norm | `rows`, `n`, and for another axis than the last `outer`, `inner` |
//! | attention | `b`, `h`, `hkv`, `sq`, `sk`, `d`, `dv` |
//! | mlp | `m`, `k`, `hidden`, `n` |
//! | rope | `b`, `h`, `s`, `d` |
//! | all | `elements` of the result, and `NAME_I` for size I of operand or result NAME |
//!
//! `epsilon`, `scale` and `theta` are floats for `f32` fields. A result is called `out`;
//! of several, the first `out0`.

use std::collections::BTreeMap;

use kforge_oracle::{Op, Program, TensorType, ValueId};
use kforge_runtime::manifest::Symbols;

/// A tensor that a kernel can bind.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub name: String,
    pub what: Role,
    pub ty: TensorType,
}

/// What a tensor is to the op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Input of the program, by number.
    Operand(usize),
    /// Output of the program, by number.
    Result(usize),
}

/// A program in the words of an interface.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub tensors: Vec<Tensor>,
    pub sizes: Symbols,
    pub floats: BTreeMap<String, f32>,
}

/// The one op that a program is, all of whose operands are inputs.
pub(crate) fn single(program: &Program) -> Option<&Op> {
    let [node] = &program.nodes[..] else {
        return None;
    };
    let inputs = program.inputs.len();
    let operands = node.op.operands();
    let from_inputs = operands.iter().all(|(_, id)| (id.0 as usize) < inputs);
    let all = operands.len() == inputs;
    let returned = program.outputs == [ValueId(inputs as u32)];
    (from_inputs && all && returned).then_some(&node.op)
}

impl Problem {
    /// Reads a validated program.
    pub fn of(program: &Program) -> Self {
        let mut tensors: Vec<Tensor> = Vec::new();
        let op = single(program);
        let named: Vec<(String, usize)> = match op {
            Some(op) => op
                .operands()
                .iter()
                .map(|(name, id)| ((*name).to_owned(), id.0 as usize))
                .collect(),
            None => program
                .inputs
                .iter()
                .enumerate()
                .map(|(index, input)| (input.name.clone(), index))
                .collect(),
        };
        for (name, index) in named {
            let mut unique = name.clone();
            let mut next = 1;
            while tensors.iter().any(|it| it.name == unique) {
                unique = format!("{name}{next}");
                next += 1;
            }
            tensors.push(Tensor {
                name: unique,
                what: Role::Operand(index),
                ty: program.inputs[index].ty.clone(),
            });
        }
        let several = program.outputs.len() > 1;
        for (index, output) in program.outputs.iter().enumerate() {
            let Some(ty) = program.type_of(*output) else {
                continue;
            };
            tensors.push(Tensor {
                name: match several {
                    true => format!("out{index}"),
                    false => "out".into(),
                },
                what: Role::Result(index),
                ty: ty.clone(),
            });
        }
        let mut problem = Self {
            tensors,
            sizes: Symbols::new(),
            floats: BTreeMap::new(),
        };
        problem.add_sizes();
        if let Some(op) = op {
            problem.add_op(op);
        }
        problem
    }

    /// The names in `sizes`, for messages.
    pub fn size_names(&self) -> String {
        let names: Vec<&str> = self.sizes.keys().map(String::as_str).collect();
        names.join(", ")
    }

    fn set(&mut self, name: &str, value: usize) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.sizes.insert(name.to_owned(), value);
    }

    fn add_sizes(&mut self) {
        for tensor in self.tensors.clone() {
            for (index, size) in tensor.ty.shape.iter().enumerate() {
                self.set(&format!("{}_{index}", tensor.name), *size);
            }
            if matches!(tensor.what, Role::Result(0)) {
                self.set("elements", tensor.ty.elements());
            }
        }
    }

    fn shape(&self, name: &str) -> Vec<usize> {
        let tensor = self.tensors.iter().find(|tensor| tensor.name == name);
        tensor.map_or_else(Vec::new, |tensor| tensor.ty.shape.clone())
    }

    fn add_op(&mut self, op: &Op) {
        match op {
            Op::Matmul { transpose_a, .. } => {
                let (a, out) = (self.shape("a"), self.shape("out"));
                if let ([.., rows, columns], [batch @ .., m, n]) = (&a[..], &out[..]) {
                    self.set("m", *m);
                    self.set("n", *n);
                    self.set("k", if *transpose_a { *rows } else { *columns });
                    self.set("batch", batch.iter().product());
                }
            }
            Op::Softmax { axis, .. } => self.add_rows(*axis),
            Op::LayerNorm { axis, epsilon, .. } | Op::RmsNorm { axis, epsilon, .. } => {
                self.floats.insert("epsilon".into(), *epsilon);
                self.add_rows(*axis);
            }
            Op::Attention { scale, .. } => {
                let (q, k, v) = (self.shape("q"), self.shape("k"), self.shape("v"));
                if let ([b, h, sq, d], [_, hkv, sk, _], [.., dv]) = (&q[..], &k[..], &v[..]) {
                    let sizes = [("b", b), ("h", h), ("hkv", hkv), ("sq", sq), ("sk", sk)];
                    for (name, size) in sizes.into_iter().chain([("d", d), ("dv", dv)]) {
                        self.set(name, *size);
                    }
                    let default = (1.0 / (*d as f64).sqrt()) as f32;
                    self.floats.insert("scale".into(), scale.unwrap_or(default));
                }
            }
            Op::Mlp {
                transpose_weights, ..
            } => {
                let (x, up, out) = (self.shape("x"), self.shape("up"), self.shape("out"));
                if let ([rows @ .., k], [first, second], [.., n]) = (&x[..], &up[..], &out[..]) {
                    self.set("m", rows.iter().product());
                    self.set("k", *k);
                    self.set("hidden", if *transpose_weights { *first } else { *second });
                    self.set("n", *n);
                }
            }
            Op::Rope { theta, .. } => {
                self.floats.insert("theta".into(), *theta);
                let x = self.shape("x");
                for (name, size) in ["b", "h", "s", "d"].into_iter().zip(x) {
                    self.set(name, size);
                }
            }
            _ => {}
        }
    }

    fn add_rows(&mut self, axis: i64) {
        let x = self.shape("x");
        let axis = axis.rem_euclid(x.len().max(1) as i64) as usize;
        let outer: usize = x.iter().take(axis).product();
        let inner: usize = x.iter().skip(axis + 1).product();
        self.set("n", x.get(axis).copied().unwrap_or(1));
        self.set("rows", outer * inner);
        self.set("outer", outer);
        self.set("inner", inner);
    }
}
