//! Writes the registration table, the signatures the rules are checked on, the
//! borrowing views and the builders, one set per op of KForgeOps.td.

use std::{collections::BTreeMap, fmt::Write};

use crate::ops::{Attribute, Kind, Op};

pub fn module(ops: &[Op]) -> String {
    let mut out = String::new();
    choices(&mut out, ops);
    table(&mut out, ops);
    for (index, op) in ops.iter().enumerate() {
        signature(&mut out, op);
        view(&mut out, op);
        builder(&mut out, index, op);
    }
    dispatch(&mut out, ops);
    out
}

fn pascal(name: &str) -> String {
    name.split('_')
        .map(|part| {
            let mut letters = part.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        })
        .collect()
}

fn choices(out: &mut String, ops: &[Op]) {
    let mut types = BTreeMap::new();
    for attribute in ops.iter().flat_map(|op| &op.attributes) {
        if let Kind::Choice {
            type_name, choices, ..
        } = &attribute.kind
        {
            types.insert(type_name, choices);
        }
    }
    for (name, choices) in types {
        let _ = writeln!(
            out,
            "/// One of: {}.\n#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\npub enum {name} {{",
            choices.join(", ")
        );
        for choice in choices {
            let _ = writeln!(out, "/// `{choice}`\n{},", pascal(choice));
        }
        let _ = writeln!(
            out,
            "}}\nimpl {name} {{\n/// Every value, in the order of the definition.\npub const ALL: &'static [{name}] = &["
        );
        for choice in choices {
            let _ = writeln!(out, "{name}::{},", pascal(choice));
        }
        let _ = writeln!(
            out,
            "];\n/// The value's spelling in IR.\npub fn as_str(self) -> &'static str {{ match self {{"
        );
        for choice in choices {
            let _ = writeln!(out, "{name}::{} => \"{choice}\",", pascal(choice));
        }
        let _ = writeln!(
            out,
            "}} }}\n/// The value spelt `text`.\npub fn parse(text: &str) -> Option<Self> {{ Self::ALL.iter().copied().find(|value| value.as_str() == text) }}\n}}"
        );
    }
}

fn kind_text(kind: &Kind) -> String {
    match kind {
        Kind::Unit => "AttributeKind::Unit".into(),
        Kind::I64 { .. } => "AttributeKind::I64".into(),
        Kind::F32 { .. } | Kind::OptionalF32 => "AttributeKind::F32".into(),
        Kind::Choice { choices, .. } => format!("AttributeKind::Choice(&{choices:?})"),
    }
}

fn table(out: &mut String, ops: &[Op]) {
    let _ = writeln!(
        out,
        "/// Every op of the dialect, in the order of their indices.\npub static OPS: &[OpDef] = &["
    );
    for op in ops {
        let _ = write!(
            out,
            "OpDef {{ name: \"kforge.{}\", summary: {:?}, operands: &[",
            op.name, op.summary
        );
        for operand in &op.operands {
            let elements: Vec<String> = operand
                .elements
                .iter()
                .map(|e| format!("Element::{e}"))
                .collect();
            let _ = write!(
                out,
                "OperandDef {{ name: \"{}\", optional: {}, elements: &[{}] }},",
                operand.name,
                operand.optional,
                elements.join(", ")
            );
        }
        let _ = write!(out, "], attributes: &[");
        for attribute in &op.attributes {
            let _ = write!(
                out,
                "AttributeDef {{ name: \"{}\", kind: {} }},",
                attribute.name,
                kind_text(&attribute.kind)
            );
        }
        let _ = writeln!(out, "] }},");
    }
    let _ = writeln!(out, "];");
}

fn rust_type(attribute: &Attribute) -> String {
    match &attribute.kind {
        Kind::Unit => "bool".into(),
        Kind::I64 { .. } => "i64".into(),
        Kind::F32 { .. } => "f32".into(),
        Kind::OptionalF32 => "Option<f32>".into(),
        Kind::Choice { type_name, .. } => type_name.clone(),
    }
}

fn read_attribute(attribute: &Attribute) -> String {
    let name = &attribute.name;
    match &attribute.kind {
        Kind::Unit => format!("attributes.unit(\"{name}\")"),
        Kind::I64 { default } => format!("attributes.integer(\"{name}\").unwrap_or({default})"),
        Kind::F32 { default } => format!("attributes.float(\"{name}\").unwrap_or({default:?})"),
        Kind::OptionalF32 => format!("attributes.float(\"{name}\")"),
        Kind::Choice {
            type_name, default, ..
        } => format!(
            "attributes.text(\"{name}\").and_then({type_name}::parse).unwrap_or({type_name}::{})",
            pascal(default)
        ),
    }
}

fn signature(out: &mut String, op: &Op) {
    let (name, type_name) = (&op.name, pascal(&op.name));
    let _ = writeln!(
        out,
        "/// Operand types and attributes of a `kforge.{name}`: what its rules are about.\n#[derive(Clone, Debug, PartialEq)]\npub struct {type_name}Signature {{"
    );
    for operand in &op.operands {
        let ty = if operand.optional {
            "Option<TensorType>"
        } else {
            "TensorType"
        };
        let _ = writeln!(
            out,
            "/// Type of the operand `{0}`.\npub {0}: {ty},",
            operand.name
        );
    }
    for attribute in &op.attributes {
        let _ = writeln!(
            out,
            "/// The attribute `{0}`.\npub {0}: {1},",
            attribute.name,
            rust_type(attribute)
        );
    }
    let _ = writeln!(
        out,
        "}}\nimpl {type_name}Signature {{\npub(crate) fn read(operands: &[Option<TensorType>], attributes: &Attributes) -> Option<Self> {{ Some(Self {{"
    );
    for (slot, operand) in op.operands.iter().enumerate() {
        let get = match slot {
            0 => "first()".into(),
            _ => format!("get({slot})"),
        };
        let _ = writeln!(
            out,
            "{}: operands.{get}?.clone(){},",
            operand.name,
            if operand.optional { "" } else { "?" }
        );
    }
    for attribute in &op.attributes {
        let _ = writeln!(out, "{}: {},", attribute.name, read_attribute(attribute));
    }
    let _ = writeln!(out, "}}) }}\n}}");
}

fn view(out: &mut String, op: &Op) {
    let (name, type_name) = (&op.name, pascal(&op.name));
    let _ = writeln!(
        out,
        "/// A `kforge.{name}` in the IR: {}.\n#[derive(Clone, Copy, Debug)]\npub struct {type_name}<'c, 'a> {{ operation: OperationRef<'c, 'a> }}\nimpl<'c, 'a> {type_name}<'c, 'a> {{\n/// The op's full name.\npub const NAME: &'static str = \"kforge.{name}\";\n/// Views `operation` as this op, if it is one.\npub fn cast(operation: OperationRef<'c, 'a>) -> Option<Self> {{ is_op(operation, Self::NAME).then_some(Self {{ operation }}) }}\n/// The operation itself.\npub fn operation(self) -> OperationRef<'c, 'a> {{ self.operation }}\n/// The one result.\npub fn result(self) -> Result<Value<'c, 'a>, Error> {{ Ok(self.operation.result(0)?.into()) }}\n/// The rules' view of the op.\npub fn signature(self) -> Option<{type_name}Signature> {{ {type_name}Signature::read(&operand_types(self.operation, {}), &Attributes::of(self.operation)) }}",
        op.summary.trim_end_matches('.'),
        op.operands.len(),
    );
    for (slot, operand) in op.operands.iter().enumerate() {
        if operand.optional {
            let _ = writeln!(
                out,
                "/// The operand `{0}`, if given.\npub fn {0}(self) -> Option<Value<'c, 'a>> {{ operand_at(self.operation, {slot}) }}",
                operand.name
            );
        } else {
            let _ = writeln!(
                out,
                "/// The operand `{0}`.\npub fn {0}(self) -> Result<Value<'c, 'a>, Error> {{ Ok(self.operation.operand({slot})?) }}",
                operand.name
            );
        }
    }
    for attribute in &op.attributes {
        let _ = writeln!(
            out,
            "/// The attribute `{0}`, or its default.\npub fn {0}(self) -> {1} {{ let attributes = Attributes::of(self.operation); {2} }}",
            attribute.name,
            rust_type(attribute),
            read_attribute(attribute)
        );
    }
    let _ = writeln!(out, "}}");
}

fn builder(out: &mut String, index: usize, op: &Op) {
    let (name, type_name) = (&op.name, pascal(&op.name));
    let _ = writeln!(
        out,
        "/// What a `kforge.{name}` is built from; attributes start at their defaults.\n#[derive(Clone, Copy, Debug)]\npub struct {type_name}Args<'c, 'a> {{"
    );
    for operand in &op.operands {
        let ty = if operand.optional {
            "Option<Value<'c, 'a>>"
        } else {
            "Value<'c, 'a>"
        };
        let _ = writeln!(out, "/// The operand `{0}`.\npub {0}: {ty},", operand.name);
    }
    for attribute in &op.attributes {
        let _ = writeln!(
            out,
            "/// The attribute `{0}`.\npub {0}: {1},",
            attribute.name,
            rust_type(attribute)
        );
    }
    let required: Vec<&str> = op
        .operands
        .iter()
        .filter(|o| !o.optional)
        .map(|o| o.name.as_str())
        .collect();
    let parameters: Vec<String> = required
        .iter()
        .map(|name| format!("{name}: Value<'c, 'a>"))
        .collect();
    let _ = writeln!(
        out,
        "}}\nimpl<'c, 'a> {type_name}Args<'c, 'a> {{\n/// Only the required operands.\npub fn new({}) -> Self {{ Self {{ {},",
        parameters.join(", "),
        required.join(", ")
    );
    for operand in op.operands.iter().filter(|operand| operand.optional) {
        let _ = writeln!(out, "{}: None,", operand.name);
    }
    for attribute in &op.attributes {
        let value = match &attribute.kind {
            Kind::Unit => "false".into(),
            Kind::I64 { default } => default.to_string(),
            Kind::F32 { default } => format!("{default:?}"),
            Kind::OptionalF32 => "None".into(),
            Kind::Choice {
                type_name, default, ..
            } => format!("{type_name}::{}", pascal(default)),
        };
        let _ = writeln!(out, "{}: {value},", attribute.name);
    }
    let _ = writeln!(
        out,
        "}} }}\n/// Builds the op; its result type is inferred. A broken rule is the error.\npub fn build(self, context: &'c Context, location: Location<'c>) -> Result<Operation<'c>, Error> {{\nlet operands = ["
    );
    for operand in &op.operands {
        let _ = if operand.optional {
            write!(out, "self.{},", operand.name)
        } else {
            write!(out, "Some(self.{}),", operand.name)
        };
    }
    let _ = writeln!(
        out,
        "];\n#[allow(unused_mut)]\nlet mut attributes: Vec<(&str, Attribute<'c>)> = Vec::new();"
    );
    for attribute in &op.attributes {
        let n = &attribute.name;
        let _ = match &attribute.kind {
            Kind::Unit => writeln!(
                out,
                "if self.{n} {{ attributes.push((\"{n}\", Attribute::unit(context))); }}"
            ),
            Kind::I64 { default } => writeln!(
                out,
                "if self.{n} != {default} {{ attributes.push((\"{n}\", integer_attribute(context, self.{n}))); }}"
            ),
            Kind::F32 { default } => writeln!(
                out,
                "if self.{n}.to_bits() != {default:?}_f32.to_bits() {{ attributes.push((\"{n}\", float_attribute(context, self.{n}))); }}"
            ),
            Kind::OptionalF32 => writeln!(
                out,
                "if let Some(value) = self.{n} {{ attributes.push((\"{n}\", float_attribute(context, value))); }}"
            ),
            Kind::Choice {
                type_name, default, ..
            } => writeln!(
                out,
                "if self.{n} != {type_name}::{} {{ attributes.push((\"{n}\", StringAttribute::new(context, self.{n}.as_str()).into())); }}",
                pascal(default)
            ),
        };
    }
    let _ = writeln!(
        out,
        "build_op(context, location, {index}, &operands, &attributes)\n}}\n}}"
    );
}

fn dispatch(out: &mut String, ops: &[Op]) {
    let _ = writeln!(
        out,
        "/// Checks the rules of op number `op` and gives its result type.\npub(crate) fn infer_result(op: usize, operands: &[Option<TensorType>], attributes: &Attributes) -> Option<Result<TensorType, Violation>> {{ match op {{"
    );
    for (index, op) in ops.iter().enumerate() {
        let _ = writeln!(
            out,
            "{index} => {}Signature::read(operands, attributes).map(|signature| crate::ops::{}::infer(&signature)),",
            pascal(&op.name),
            op.name
        );
    }
    let _ = writeln!(out, "_ => None,\n}} }}");
}
