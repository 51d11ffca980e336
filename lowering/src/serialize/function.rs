//! Host functions as entries: one pass over the body, op by op.

use std::collections::{BTreeSet, HashMap};

use kforge_dialect::{attributes, ir};
use kforge_runtime::manifest::{Buffer, BufferId, Entry, Expr, PackageError, Role, Step};
use melior::ir::{
    BlockLike, OperationRef, Value, ValueLike,
    attribute::{FloatAttribute, IntegerAttribute},
    operation::OperationLike,
};

use super::{
    Building, SerializeError, Unit, constants, launch, ports, read,
    units::{self, Launched},
    view::{Shape, View},
};

type Result<T> = std::result::Result<T, SerializeError>;

/// What stands in the message for any other op.
const SUPPORTED: &str = "gpu.launch_func, arith.constant, memref.alloc, alloca, dealloc, get_global, \
     cast, expand_shape, collapse_shape, reinterpret_cast, builtin.unrealized_conversion_cast and func.return";

/// A value of host code.
#[derive(Clone, Debug)]
pub(super) enum HostValue {
    View(View),
    Int(i64),
    Float(f64),
}

/// A function on its way to an entry.
pub(super) struct Host<'b> {
    pub(super) building: &'b mut Building,
    /// Put before the names of the function's own buffers.
    pub(super) prefix: String,
    pub(super) entry: Entry,
    pub(super) launches: Vec<Launched>,
    /// Buffers with contents before the first step.
    pub(super) filled: BTreeSet<BufferId>,
    values: HashMap<usize, HostValue>,
}

/// The functions that become entries: public, with a launch.
pub(super) fn entries<'c, 'a>(module: OperationRef<'c, 'a>) -> Vec<OperationRef<'c, 'a>> {
    read::body(module)
        .into_iter()
        .filter(|op| ir::name(*op) == "func.func")
        .filter(|op| read::text(*op, "sym_visibility").is_none_or(|it| it == "public"))
        .filter(|op| read::contains(*op, "gpu.launch_func"))
        .collect()
}

/// Adds `function` to the package and returns the names of its arguments and its
/// units. Of several functions each puts its name before those of its buffers.
pub(super) fn serialize<'c, 'a>(
    building: &mut Building,
    module: OperationRef<'c, 'a>,
    function: OperationRef<'c, 'a>,
    several: bool,
) -> Result<(Vec<String>, Vec<Unit>)> {
    let name = read::symbol(function);
    if read::block(function).is_some_and(|block| block.next_in_region().is_some()) {
        let message = "has several blocks; a package runs the same launches every time";
        return Err(SerializeError::at(function, message));
    }
    let mut host = Host {
        building,
        prefix: if several {
            format!("{name}.")
        } else {
            String::new()
        },
        entry: Entry::default(),
        launches: Vec::new(),
        filled: BTreeSet::new(),
        values: HashMap::new(),
    };
    let arguments = ports::arguments(&mut host, function)?;
    for op in read::body(function) {
        host.add(module, op)?;
        if ir::name(op) == "func.return" {
            ports::results(&mut host, op, &arguments)?;
        }
    }
    let units = units::of_entry(name, &host);
    let entry = std::mem::take(&mut host.entry);
    let entries = &mut building.package.manifest.entries;
    entries.insert(name.to_owned(), entry);
    let names = arguments.iter().enumerate().map(|(index, view)| {
        let buffer = building.buffer(view.buffer);
        match buffer.role {
            Role::Weight => buffer.name.clone(),
            _ => format!("arg{index}"),
        }
    });
    Ok((names.collect(), units))
}

impl Host<'_> {
    fn add<'c, 'a>(
        &mut self,
        module: OperationRef<'c, 'a>,
        op: OperationRef<'c, 'a>,
    ) -> Result<()> {
        match ir::name(op) {
            "arith.constant" => self.constant(op),
            "gpu.launch_func" => {
                let launched = launch::dispatch(self, op)?;
                self.entry
                    .steps
                    .push(Step::Dispatch(launched.dispatch.clone()));
                self.launches.push(launched);
                Ok(())
            }
            "memref.alloc" | "memref.alloca" => {
                let result = read::result(op, 0)?;
                let shape = Shape::of(op, result, "allocates a buffer")?;
                let buffer = self.new_buffer("scratch", &shape, Role::Scratch);
                self.define(result, HostValue::View(View { buffer, shape }));
                Ok(())
            }
            "memref.get_global" => self.global(module, op),
            "memref.cast" => {
                // Sizes that the new type hides are still known.
                let view = self.view(op, read::operand(op, 0)?)?;
                self.define(read::result(op, 0)?, HostValue::View(view));
                Ok(())
            }
            "memref.expand_shape"
            | "memref.collapse_shape"
            | "memref.reinterpret_cast"
            | "builtin.unrealized_conversion_cast" => self.reshape(op),
            "memref.dealloc" | "func.return" => Ok(()),
            "memref.copy" => Err(SerializeError::at(
                op,
                "cannot be part of a package; write the copy as a kernel, or avoid it",
            )),
            _ => Err(SerializeError::at(
                op,
                format!("cannot be part of a package; host code may hold {SUPPORTED}"),
            )),
        }
    }

    fn constant(&mut self, op: OperationRef) -> Result<()> {
        let result = read::result(op, 0)?;
        let Ok(value) = op.attribute("value") else {
            return Ok(());
        };
        if let Ok(float) = FloatAttribute::try_from(value) {
            self.define(result, HostValue::Float(float.value()));
        } else if let Ok(integer) = IntegerAttribute::try_from(value) {
            let boolean = result.r#type().to_string() == "i1";
            let value = integer.value();
            let value = if boolean {
                i64::from(value != 0)
            } else {
                value
            };
            self.define(result, HostValue::Int(value));
        }
        Ok(())
    }

    fn global<'c>(&mut self, module: OperationRef<'c, '_>, op: OperationRef<'c, '_>) -> Result<()> {
        let result = read::result(op, 0)?;
        let shape = Shape::of(op, result, "gets a constant")?;
        let (name, tensor) = constants::value(module, op, &shape)?;
        let key = format!("constant {name}");
        let buffer = match self.building.shared.get(&key) {
            Some(known) => *known,
            None => {
                let buffer = self
                    .building
                    .add_buffer(&read::clean(name), &shape, Role::Constant);
                let unique = self.building.buffer(buffer).name.clone();
                self.building.package.constants.insert(unique, tensor);
                self.building.shared.insert(key, buffer);
                buffer
            }
        };
        self.filled.insert(buffer);
        self.define(result, HostValue::View(View { buffer, shape }));
        Ok(())
    }

    /// A view of the whole buffer under another shape.
    fn reshape(&mut self, op: OperationRef) -> Result<()> {
        if op.result_count() != 1 || op.operand_count() == 0 {
            return Err(SerializeError::at(
                op,
                "must have one operand and one result",
            ));
        }
        let (operand, result) = (read::operand(op, 0)?, read::result(op, 0)?);
        let view = self.view(op, operand)?;
        let shape = Shape::of(op, result, "makes a view")?;
        if shape.dtype != view.shape.dtype || shape.scalars() != view.shape.scalars() {
            return Err(SerializeError::at(
                op,
                format!(
                    "views {} {} as {} {}; a view must be of the whole buffer and keep its element type",
                    view.shape.scalars(),
                    view.shape.dtype,
                    shape.scalars(),
                    shape.dtype
                ),
            ));
        }
        self.define(
            result,
            HostValue::View(View {
                buffer: view.buffer,
                shape,
            }),
        );
        Ok(())
    }

    /// A buffer of this function alone, named `base` and a number.
    pub(super) fn new_buffer(&mut self, base: &str, shape: &Shape, role: Role) -> BufferId {
        let count = self.building.package.manifest.buffers.len();
        let name = format!("{}{base}{count}", self.prefix);
        self.building.add_buffer(&name, shape, role)
    }

    pub(super) fn define(&mut self, value: Value, is: HostValue) {
        self.values.insert(read::key(value), is);
    }

    pub(super) fn value(&self, value: Value) -> Option<&HostValue> {
        self.values.get(&read::key(value))
    }

    /// The buffer behind a memref.
    pub(super) fn view(&self, user: OperationRef, value: Value) -> Result<View> {
        match self.value(value) {
            Some(HostValue::View(view)) => Ok(view.clone()),
            _ => Err(SerializeError::at(
                user,
                format!("uses a value of type {} that is no buffer", value.r#type()),
            )),
        }
    }
}

impl Building {
    /// Adds a buffer, whose name gets a number if it is taken.
    pub(super) fn add_buffer(&mut self, name: &str, shape: &Shape, role: Role) -> BufferId {
        let buffers = &mut self.package.manifest.buffers;
        let id = BufferId(buffers.len() as u32);
        let taken = |name: &str| buffers.iter().any(|buffer| buffer.name == name);
        let mut unique = name.to_owned();
        while taken(&unique) {
            unique = format!("{unique}.{}", id.0);
        }
        let sizes = shape.scalar_sizes().into_iter().map(Expr::from);
        buffers.push(Buffer::dense(unique, shape.dtype, sizes, role));
        id
    }

    pub(super) fn buffer(&mut self, id: BufferId) -> &mut Buffer {
        &mut self.package.manifest.buffers[id.0 as usize]
    }

    /// The buffer of a weight, which all uses share.
    pub(super) fn weight(
        &mut self,
        function: OperationRef,
        name: &str,
        shape: &Shape,
    ) -> Result<BufferId> {
        let key = format!("{} {name}", attributes::WEIGHT);
        let Some(known) = self.shared.get(&key).copied() else {
            if self
                .package
                .manifest
                .buffers
                .iter()
                .any(|buffer| buffer.name == name)
            {
                let problem = format!("name '{name}' is used twice");
                return Err(PackageError::Invalid {
                    place: "weight".into(),
                    problem,
                }
                .into());
            }
            let buffer = self.add_buffer(name, shape, Role::Weight);
            self.shared.insert(key, buffer);
            return Ok(buffer);
        };
        let sizes: Vec<Expr> = shape.scalar_sizes().into_iter().map(Expr::from).collect();
        let buffer = self.buffer(known);
        if buffer.dtype != shape.dtype || buffer.shape != sizes {
            let message = format!("takes weight '{name}' under two types");
            return Err(SerializeError::at(function, message));
        }
        Ok(known)
    }
}
