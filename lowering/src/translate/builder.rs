//! Building a naga function: expressions, their emission, and blocks.
//!
//! naga wants every computed expression covered by an `Emit` statement in the
//! block where it is evaluated. [`Builder::place`] keeps one open range and
//! closes it before any other statement. Block 0 is a prologue that runs before
//! everything else: values placed there ([`Builder::hoist`]) can be used anywhere.

use naga::{
    AddressSpace, BinaryOperator, Block, BuiltIn, Expression, Function, FunctionArgument,
    GlobalVariable, Handle, Literal, LocalVariable, Module, Range, Scalar, ScalarKind, Span,
    Statement, Type, TypeInner, VectorSize,
};
use std::collections::HashMap;

use super::{
    depth::name_deep_expressions,
    types::{ScalarType, ValueType},
};

/// A module under construction with one entry function.
pub(super) struct Builder {
    pub(super) module: Module,
    pub(super) function: Function,
    blocks: Vec<Block>,
    open: Option<(Handle<Expression>, Handle<Expression>)>,
    literals: HashMap<String, Handle<Expression>>,
    globals: HashMap<Handle<GlobalVariable>, Handle<Expression>>,
    builtins: HashMap<(BuiltIn, u32), Handle<Expression>>,
    immediates: Option<Handle<GlobalVariable>>,
    members: HashMap<u32, Handle<Expression>>,
}

impl Builder {
    pub(super) fn new(module: Module) -> Self {
        Self {
            module,
            function: Function::default(),
            blocks: vec![Block::new(), Block::new()],
            open: None,
            literals: HashMap::new(),
            globals: HashMap::new(),
            builtins: HashMap::new(),
            immediates: None,
            members: HashMap::new(),
        }
    }

    /// Ends the function: prologue, then body. Returns module, function and the
    /// variable of the immediates, whose type the caller still has to set.
    pub(super) fn finish(mut self) -> (Module, Function, Option<Handle<GlobalVariable>>) {
        self.flush();
        let mut body = Block::new();
        for mut block in self.blocks {
            body.append(&mut block);
        }
        self.function.body = body;
        name_deep_expressions(&mut self.function);
        (self.module, self.function, self.immediates)
    }

    pub(super) fn ty(&mut self, inner: TypeInner) -> Handle<Type> {
        self.module
            .types
            .insert(Type { name: None, inner }, Span::UNDEFINED)
    }

    /// Appends an expression and has it evaluated here.
    pub(super) fn place(&mut self, expression: Expression) -> Handle<Expression> {
        if expression.needs_pre_emit() {
            return self.unplaced(expression);
        }
        let handle = self
            .function
            .expressions
            .append(expression, Span::UNDEFINED);
        self.open = match self.open {
            Some((first, _)) => Some((first, handle)),
            None => Some((handle, handle)),
        };
        handle
    }

    /// Has an expression written where it is evaluated. naga's text writers move a
    /// matrix load that is used once to its use, past stores and barriers, unless
    /// it has a name.
    pub(super) fn pin(&mut self, expression: Handle<Expression>, name: &str) {
        self.function
            .named_expressions
            .insert(expression, name.to_owned());
    }

    /// Appends an expression that a statement brings into being (a call's result)
    /// or that needs no evaluation.
    pub(super) fn unplaced(&mut self, expression: Expression) -> Handle<Expression> {
        self.flush();
        self.function
            .expressions
            .append(expression, Span::UNDEFINED)
    }

    fn flush(&mut self) {
        if let Some((first, last)) = self.open.take() {
            self.push(Statement::Emit(Range::new_from_bounds(first, last)));
        }
    }

    fn push(&mut self, statement: Statement) {
        if let Some(block) = self.blocks.last_mut() {
            block.push(statement, Span::UNDEFINED);
        }
    }

    pub(super) fn statement(&mut self, statement: Statement) {
        self.flush();
        self.push(statement);
    }

    pub(super) fn open_block(&mut self) {
        self.flush();
        self.blocks.push(Block::new());
    }

    pub(super) fn close_block(&mut self) -> Block {
        self.flush();
        self.blocks.pop().unwrap_or_default()
    }

    /// Runs `build` with its expressions evaluated in the prologue.
    pub(super) fn hoist<T>(&mut self, build: impl FnOnce(&mut Self) -> T) -> T {
        self.flush();
        let rest = self.blocks.split_off(1);
        let built = build(self);
        self.flush();
        self.blocks.extend(rest);
        built
    }

    pub(super) fn literal(&mut self, literal: Literal) -> Handle<Expression> {
        let text = format!("{literal:?}");
        if let Some(&handle) = self.literals.get(&text) {
            return handle;
        }
        let handle = self.place(Expression::Literal(literal));
        self.literals.insert(text, handle);
        handle
    }

    pub(super) fn i32(&mut self, value: i32) -> Handle<Expression> {
        self.literal(Literal::I32(value))
    }

    pub(super) fn literal_i32(&self, value: Handle<Expression>) -> Option<i32> {
        match self.function.expressions[value] {
            Expression::Literal(Literal::I32(value)) => Some(value),
            _ => None,
        }
    }

    /// `value` in every lane of `ty`.
    pub(super) fn splat(&mut self, ty: ValueType, value: Handle<Expression>) -> Handle<Expression> {
        match ty.size() {
            Some(size) => self.place(Expression::Splat { size, value }),
            None => value,
        }
    }

    /// A small integer as a value of `ty`, of whatever scalar type.
    pub(super) fn number(&mut self, ty: ValueType, value: i32) -> Handle<Expression> {
        let literal = match ty.scalar {
            ScalarType::Bool => Literal::Bool(value != 0),
            ScalarType::I32 => Literal::I32(value),
            ScalarType::I64 => Literal::I64(i64::from(value)),
            ScalarType::F16 => Literal::F16(half::f16::from_f32(value as f32)),
            ScalarType::F32 => Literal::F32(value as f32),
        };
        let scalar = self.literal(literal);
        self.splat(ty, scalar)
    }

    /// A binary operation. `i32` literals are folded, because WGSL refuses
    /// constant expressions that overflow and because addresses are full of them.
    pub(super) fn binary(
        &mut self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Handle<Expression> {
        if let (Some(a), Some(b)) = (self.literal_i32(left), self.literal_i32(right)) {
            match op {
                BinaryOperator::Add => return self.i32(a.wrapping_add(b)),
                BinaryOperator::Subtract => return self.i32(a.wrapping_sub(b)),
                BinaryOperator::Multiply => return self.i32(a.wrapping_mul(b)),
                _ => {}
            }
        }
        match (op, self.literal_i32(left), self.literal_i32(right)) {
            (BinaryOperator::Add, Some(0), _) | (BinaryOperator::Multiply, Some(1), _) => right,
            (BinaryOperator::Add | BinaryOperator::Subtract, _, Some(0))
            | (BinaryOperator::Multiply | BinaryOperator::Divide, _, Some(1)) => left,
            _ => self.place(Expression::Binary { op, left, right }),
        }
    }

    pub(super) fn select(
        &mut self,
        condition: Handle<Expression>,
        accept: Handle<Expression>,
        reject: Handle<Expression>,
    ) -> Handle<Expression> {
        self.place(Expression::Select {
            condition,
            accept,
            reject,
        })
    }

    /// Converts lanes to another scalar; between integers of one width, the bits stay.
    pub(super) fn convert(&mut self, expr: Handle<Expression>, to: Scalar) -> Handle<Expression> {
        if let Some(value) = self.literal_i32(expr) {
            match to {
                Scalar::U32 => return self.literal(Literal::U32(value as u32)),
                Scalar::I32 => return expr,
                _ => {}
            }
        }
        self.place(Expression::As {
            expr,
            kind: to.kind,
            convert: Some(to.width),
        })
    }

    pub(super) fn component(&mut self, base: Handle<Expression>, index: u32) -> Handle<Expression> {
        self.place(Expression::AccessIndex { base, index })
    }

    pub(super) fn load(&mut self, pointer: Handle<Expression>) -> Handle<Expression> {
        self.place(Expression::Load { pointer })
    }

    pub(super) fn store(&mut self, pointer: Handle<Expression>, value: Handle<Expression>) {
        self.statement(Statement::Store { pointer, value });
    }

    /// A function-local variable; returns its pointer.
    pub(super) fn local(&mut self, name: &str, ty: Handle<Type>) -> Handle<Expression> {
        let variable = self.function.local_variables.append(
            LocalVariable {
                name: Some(name.to_owned()),
                ty,
                init: None,
            },
            Span::UNDEFINED,
        );
        self.place(Expression::LocalVariable(variable))
    }

    pub(super) fn global(&mut self, variable: Handle<GlobalVariable>) -> Handle<Expression> {
        if let Some(&handle) = self.globals.get(&variable) {
            return handle;
        }
        let handle = self.place(Expression::GlobalVariable(variable));
        self.globals.insert(variable, handle);
        handle
    }

    /// A builtin as `i32`; `component` picks from the three-dimensional ones.
    pub(super) fn builtin(&mut self, builtin: BuiltIn, component: u32) -> Handle<Expression> {
        if let Some(&handle) = self.builtins.get(&(builtin, component)) {
            return handle;
        }
        let (name, vector) = match builtin {
            BuiltIn::LocalInvocationId => ("thread_id", true),
            BuiltIn::WorkGroupId => ("block_id", true),
            BuiltIn::NumWorkGroups => ("grid_dim", true),
            BuiltIn::GlobalInvocationId => ("global_id", true),
            BuiltIn::SubgroupId => ("subgroup_id", false),
            BuiltIn::SubgroupSize => ("subgroup_size", false),
            BuiltIn::NumSubgroups => ("num_subgroups", false),
            _ => ("lane_id", false),
        };
        let binding = naga::Binding::BuiltIn(builtin);
        let found = self
            .function
            .arguments
            .iter()
            .position(|argument| argument.binding.as_ref() == Some(&binding));
        let position = found.unwrap_or_else(|| {
            let ty = self.ty(if vector {
                TypeInner::Vector {
                    size: VectorSize::Tri,
                    scalar: Scalar::U32,
                }
            } else {
                TypeInner::Scalar(Scalar::U32)
            });
            self.function.arguments.push(FunctionArgument {
                name: Some(name.to_owned()),
                ty,
                binding: Some(binding),
            });
            self.function.arguments.len() - 1
        });
        let handle = self.hoist(|b| {
            let argument = b.place(Expression::FunctionArgument(position as u32));
            let value = if vector {
                b.component(argument, component)
            } else {
                argument
            };
            b.place(Expression::As {
                expr: value,
                kind: ScalarKind::Sint,
                convert: Some(4),
            })
        });
        self.builtins.insert((builtin, component), handle);
        handle
    }

    /// Loads a member of the immediates, once, in the prologue.
    pub(super) fn immediate(&mut self, member: u32) -> Handle<Expression> {
        if let Some(&handle) = self.members.get(&member) {
            return handle;
        }
        let variable = self.immediates();
        let base = self.global(variable);
        let handle = self.hoist(|b| {
            let pointer = b.component(base, member);
            b.load(pointer)
        });
        self.members.insert(member, handle);
        handle
    }

    /// The variable of the immediates. Its type is a placeholder until all
    /// members are known.
    pub(super) fn immediates(&mut self) -> Handle<GlobalVariable> {
        if let Some(variable) = self.immediates {
            return variable;
        }
        let ty = self.ty(TypeInner::Scalar(Scalar::I32));
        let variable = self.module.global_variables.append(
            GlobalVariable {
                name: Some("immediates".to_owned()),
                space: AddressSpace::Immediate,
                binding: None,
                ty,
                init: None,
                memory_decorations: naga::MemoryDecorations::empty(),
            },
            Span::UNDEFINED,
        );
        self.immediates = Some(variable);
        variable
    }
}
