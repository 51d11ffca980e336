//! A function on tensors as a [`Program`], the plain data that the oracle
//! evaluates and a package carries.
//!
//! Taken: functions of one block over ranked tensors of static shape with
//! elements f32, f16, bf16, i32, i64 or i1, made of the ops that an error of
//! this module lists. Calls are inlined, 64 deep at most; recursion is refused.
//! A scalar inside a function is a tensor of rank 0. Every refusal names the op,
//! its place in the source, and what would be accepted.

mod constant;
mod elementwise;
mod import;
mod linalg;
mod structured;
mod tensor;
mod transformer;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use kforge_oracle::Program;
use melior::{
    Context,
    diagnostic::DiagnosticSeverity,
    ir::{
        BlockLike, Location, Module, OperationRef, RegionLike, attribute::StringAttribute,
        operation::OperationLike,
    },
};

use crate::{attributes, ir, scan};

/// Why there is no program for a module or a function.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProgramError {
    /// The text is too large, too deep, or claims too many elements.
    #[error("{refused}")]
    Refused {
        /// What the scan found.
        refused: scan::Refused,
    },
    /// The text is no valid module.
    #[error("{diagnostics}")]
    Parse {
        /// MLIR's errors, one per line.
        diagnostics: String,
    },
    /// The function cannot be told.
    #[error("{wanted}; the module has {found}")]
    Function {
        /// Which function was looked for.
        wanted: String,
        /// The functions that are there.
        found: String,
    },
    /// An op outside the supported set.
    #[error("{place}: '{op}' cannot be part of a program; supported are {supported}")]
    Unsupported {
        /// `file:line:column`.
        place: String,
        /// The op's name.
        op: String,
        /// Every op that can be.
        supported: String,
    },
    /// A supported op in a form that is not.
    #[error("{place}: '{op}' op {message}")]
    Op {
        /// `file:line:column`.
        place: String,
        /// The op's name.
        op: String,
        /// What is wrong, with the value and what to do.
        message: String,
    },
    /// The finished program breaks a rule of the oracle.
    #[error("function '{function}': {error}")]
    Invalid {
        /// The function.
        function: String,
        /// The rule.
        error: kforge_oracle::ProgramError,
    },
}

/// The program of the function called `name`; without a name, of the only
/// function, else of the only public one, else of `main`.
pub fn of_function(module: OperationRef, name: Option<&str>) -> Result<Program, ProgramError> {
    let functions = functions(module);
    let entry = choose(&functions, name)?;
    let program = import::function(&functions, entry)?;
    program.validate().map_err(|error| ProgramError::Invalid {
        function: entry.to_owned(),
        error,
    })?;
    Ok(program)
}

/// The program of a module's text. Bounded by [`scan::Limits`]; parsed in a
/// context of its own.
pub fn of_text(text: &str) -> Result<Program, ProgramError> {
    of_text_in(&crate::context(), text)
}

/// As [`of_text`], parsed in `context`: making one costs about 1 ms.
pub fn of_text_in(context: &Context, text: &str) -> Result<Program, ProgramError> {
    scan::check(text.as_bytes(), &scan::Limits::default())
        .map_err(|refused| ProgramError::Refused { refused })?;
    if let Some(at) = text.bytes().position(|byte| byte == 0) {
        // MLIR's C API takes the source as a C string.
        return Err(ProgramError::Parse {
            diagnostics: format!("the text has a NUL character at byte {at}"),
        });
    }
    let errors = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&errors);
    let handler = context.attach_diagnostic_handler(move |diagnostic| {
        if matches!(diagnostic.severity(), DiagnosticSeverity::Error) {
            let place = place(diagnostic.location());
            sink.borrow_mut().push(format!("{place}: {diagnostic}"));
        }
        true
    });
    let module = Module::parse(context, text);
    context.detach_diagnostic_handler(handler);
    match module {
        Some(module) => of_function(module.as_operation(), None),
        None => Err(ProgramError::Parse {
            diagnostics: errors.borrow().join("\n"),
        }),
    }
}

pub(crate) type Functions<'c, 'a> = BTreeMap<String, OperationRef<'c, 'a>>;

fn functions<'c, 'a>(module: OperationRef<'c, 'a>) -> Functions<'c, 'a> {
    let mut functions = BTreeMap::new();
    let mut next = module
        .first_region()
        .and_then(|region| region.first_block())
        .and_then(|block| block.first_operation());
    while let Some(operation) = next {
        next = operation.next_in_block();
        let symbol = operation.attribute("sym_name").ok();
        if let ("func.func", Some(name)) = (ir::name(operation), symbol.and_then(attributes::text))
        {
            functions.insert(name.to_owned(), operation);
        }
    }
    functions
}

fn choose<'f>(functions: &'f Functions, name: Option<&str>) -> Result<&'f str, ProgramError> {
    let all: Vec<&'f str> = functions.keys().map(String::as_str).collect();
    let public: Vec<&'f str> = functions
        .iter()
        .filter(|(_, function)| !is_private(**function))
        .map(|(name, _)| name.as_str())
        .collect();
    let wanted = match name {
        Some(name) => match functions.get_key_value(name) {
            Some((found, _)) => return Ok(found),
            None => format!("there is no function '{name}'"),
        },
        None => match (all.as_slice(), public.as_slice()) {
            ([only], _) | (_, [only]) => return Ok(only),
            _ => match functions.get_key_value("main") {
                Some((main, _)) => return Ok(main),
                None => "which function is meant? name it, or make it the only public one, or call it 'main'".into(),
            },
        },
    };
    let found = if all.is_empty() {
        "no function".into()
    } else {
        all.join(", ")
    };
    Err(ProgramError::Function { wanted, found })
}

fn is_private(function: OperationRef) -> bool {
    function.attribute("sym_visibility").is_ok_and(|value| {
        StringAttribute::try_from(value).is_ok() && attributes::text(value) == Some("private")
    })
}

/// `file:line:column`, or the location as MLIR prints it.
fn place(location: Location) -> String {
    let text = location.to_string();
    let inner = text
        .strip_prefix("loc(")
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(&text);
    // Only a plain file location starts with a quoted name before a colon.
    match inner
        .strip_prefix('"')
        .and_then(|text| text.split_once("\":"))
    {
        Some((file, position)) if !position.contains(['"', ' ']) => format!("{file}:{position}"),
        _ => inner.to_owned(),
    }
}

#[cfg(test)]
mod tests;
