//! Reads KForgeOps.td into plain data. Constraints are known by their def
//! names; an unknown one is an error, so nothing is silently unchecked.

use std::{collections::BTreeSet, error::Error, path::Path};

use tblgen::{TableGenParser, record::Record};

pub struct Op {
    /// Without the dialect prefix.
    pub name: String,
    pub summary: String,
    pub operands: Vec<Operand>,
    pub attributes: Vec<Attribute>,
}

pub struct Operand {
    pub name: String,
    pub optional: bool,
    pub elements: &'static [&'static str],
}

pub struct Attribute {
    pub name: String,
    pub kind: Kind,
}

pub enum Kind {
    Unit,
    I64 {
        default: i64,
    },
    F32 {
        default: f32,
    },
    OptionalF32,
    Choice {
        type_name: String,
        choices: Vec<String>,
        default: String,
    },
}

pub fn read(include: &Path, file: &str) -> Result<Vec<Op>, Box<dyn Error>> {
    let include = include.display().to_string();
    let keeper = TableGenParser::new()
        .add_include_directory(&include)
        .add_source_file(file)
        .parse()?;
    let mut ops = Vec::new();
    for record in keeper.all_derived_definitions("KForge_Op") {
        ops.push(read_op(record)?);
    }
    ops.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ops)
}

fn read_op(record: Record) -> Result<Op, Box<dyn Error>> {
    let name = record.str_value("opName")?.to_owned();
    let (mut operands, mut attributes) = (Vec::new(), Vec::new());
    for (argument, init) in record.dag_value("arguments")?.args() {
        let argument = argument.ok_or_else(|| format!("{name}: an argument has no name"))?;
        let constraint: Record = init.try_into()?;
        if constraint.subclass_of("Attr") {
            attributes.push(Attribute {
                name: argument.to_owned(),
                kind: attribute_kind(constraint)
                    .map_err(|error| format!("{name}: attribute '{argument}': {error}"))?,
            });
        } else {
            let optional = constraint.subclass_of("Optional");
            let base = if optional {
                constraint.def_value("baseType")?
            } else {
                constraint
            };
            operands.push(Operand {
                name: argument.to_owned(),
                optional,
                elements: elements(base)
                    .map_err(|error| format!("{name}: operand '{argument}': {error}"))?,
            });
        }
    }
    let traits: BTreeSet<String> = record
        .list_of_defs_value("traits")?
        .into_iter()
        .filter_map(|def| def.name().ok().map(str::to_owned))
        .collect();
    let optional = operands.iter().any(|operand| operand.optional);
    if optional != traits.contains("AttrSizedOperandSegments") {
        return Err(format!(
            "{name}: AttrSizedOperandSegments goes with optional operands, and only with them"
        )
        .into());
    }
    if operands
        .windows(2)
        .any(|pair| pair[0].optional && !pair[1].optional)
    {
        return Err(format!("{name}: required operands come before optional ones").into());
    }
    Ok(Op {
        name,
        summary: record.str_value("summary")?.to_owned(),
        operands,
        attributes,
    })
}

fn elements(constraint: Record) -> Result<&'static [&'static str], String> {
    match constraint.name().unwrap_or_default() {
        "KForge_FloatTensor" => Ok(&["F32", "F16"]),
        "KForge_F32Tensor" => Ok(&["F32"]),
        "KForge_PositionTensor" => Ok(&["I32"]),
        other => Err(format!(
            "unknown type constraint '{other}'; add it to dialect/build/ops.rs"
        )),
    }
}

fn attribute_kind(constraint: Record) -> Result<Kind, Box<dyn Error>> {
    let name = constraint.name()?;
    if name == "UnitAttr" {
        return Ok(Kind::Unit);
    }
    let base = constraint
        .optional_def_value("baseAttr")
        .unwrap_or(constraint);
    let base_name = base.name()?;
    let default = constraint
        .optional_str_value("defaultValue")?
        .unwrap_or_default();
    if base.subclass_of("KForge_Choice") {
        let type_name = base_name.trim_start_matches("KForge_").to_owned();
        let choices = base
            .list_of_strings_value("choices")?
            .into_iter()
            .map(str::to_owned)
            .collect();
        return Ok(Kind::Choice {
            type_name,
            choices,
            default: default.to_owned(),
        });
    }
    match base_name {
        "I64Attr" => Ok(Kind::I64 {
            default: default.parse()?,
        }),
        "F32Attr" if constraint.subclass_of("OptionalAttr") => Ok(Kind::OptionalF32),
        "F32Attr" => Ok(Kind::F32 {
            default: default.parse()?,
        }),
        other => Err(format!(
            "unknown attribute constraint '{other}'; add it to dialect/build/ops.rs"
        )
        .into()),
    }
}
