//! A function being written: values with their shapes, to which ops are appended as text.

use std::fmt::Write;

/// The bytes that say which op comes next, and how.
pub type Choice = [u8; 6];

/// A value of the function.
#[derive(Clone, Debug)]
pub struct Value {
    pub name: String,
    pub shape: Vec<u64>,
}

/// The function so far.
#[derive(Debug)]
pub struct Draft {
    pub element: &'static str,
    arguments: Vec<String>,
    body: String,
    pub values: Vec<Value>,
    next: usize,
}

pub fn ty(shape: &[u64], element: &str) -> String {
    let sizes: String = shape.iter().map(|size| format!("{size}x")).collect();
    format!("tensor<{sizes}{element}>")
}

impl Draft {
    pub fn new(element: &'static str) -> Self {
        Self {
            element,
            arguments: Vec::new(),
            body: String::new(),
            values: Vec::new(),
            next: 0,
        }
    }

    pub fn ty(&self, value: &Value) -> String {
        ty(&value.shape, self.element)
    }

    /// A new argument of the module's element type.
    pub fn argument(&mut self, shape: &[u64]) -> Value {
        self.argument_of(shape, self.element)
    }

    pub fn argument_of(&mut self, shape: &[u64], element: &str) -> Value {
        let name = format!("%a{}", self.arguments.len());
        self.arguments
            .push(format!("{name}: {}", ty(shape, element)));
        Value {
            name,
            shape: shape.to_vec(),
        }
    }

    /// A value that is there; the later ones are as likely as all before.
    pub fn value(&mut self, choice: u8) -> Value {
        let count = self.values.len();
        let back = usize::from(choice >> 1) % count;
        match choice & 1 {
            0 => self.values[count - 1].clone(),
            _ => self.values[back].clone(),
        }
    }

    /// A value of a shape: one that is there, a constant or a new argument.
    pub fn operand(&mut self, shape: &[u64], choice: u8) -> Value {
        let fits = self.values.iter().rev().find(|it| it.shape == shape);
        match (choice % 4, fits) {
            (0 | 1, Some(value)) => value.clone(),
            (2, _) => self.constant(shape, choice),
            _ => self.argument(shape),
        }
    }

    /// A constant: one number, or as many as elements.
    pub fn constant(&mut self, shape: &[u64], choice: u8) -> Value {
        const NUMBERS: [&str; 8] = ["0.5", "1.0", "0.0", "-2.0", "0.25", "3.0", "-0.0", "0.1"];
        let number = |index: usize| NUMBERS[(usize::from(choice / 4) + index) % NUMBERS.len()];
        let elements: u64 = shape.iter().product();
        let ty = ty(shape, self.element);
        if choice < 128 || elements > 64 {
            return self.splat(shape, number(0));
        }
        // Nested lists, innermost dimension first.
        let mut lists: Vec<String> = (0..elements as usize).map(|i| number(i).into()).collect();
        for size in shape.iter().rev() {
            let chunks = lists.chunks(*size as usize);
            lists = chunks.map(|it| format!("[{}]", it.join(", "))).collect();
        }
        self.op(
            shape,
            format!("arith.constant dense<{}> : {ty}", lists.concat()),
        )
    }

    pub fn splat(&mut self, shape: &[u64], number: &str) -> Value {
        let ty = ty(shape, self.element);
        self.op(shape, format!("arith.constant dense<{number}> : {ty}"))
    }

    /// Appends an op that gives a tensor of `shape`.
    pub fn op(&mut self, shape: &[u64], text: String) -> Value {
        let name = format!("%v{}", self.next);
        self.next += 1;
        writeln!(self.body, "  {name} = {text}").unwrap();
        Value {
            name,
            shape: shape.to_vec(),
        }
    }

    /// Appends an upstream op on values of one type.
    pub fn same(&mut self, op: &str, operands: &[&Value]) -> Value {
        let names: Vec<&str> = operands.iter().map(|it| it.name.as_str()).collect();
        let ty = self.ty(operands[0]);
        let text = format!("{op} {} : {ty}", names.join(", "));
        self.op(&operands[0].shape.clone(), text)
    }

    /// Appends a kforge op: required operands, optional ones with their names, attributes.
    pub fn kforge(
        &mut self,
        op: &str,
        required: &[&Value],
        optional: &[(&str, Option<&Value>)],
        attributes: &[String],
        shape: &[u64],
    ) -> Value {
        let names: Vec<&str> = required.iter().map(|it| it.name.as_str()).collect();
        let mut types: Vec<String> = required.iter().map(|it| self.ty(it)).collect();
        let mut text = format!("kforge.{op} {}", names.join(", "));
        for (name, value) in optional {
            if let Some(value) = value {
                write!(text, " {name} {}", value.name).unwrap();
                types.push(self.ty(value));
            }
        }
        let mut attributes: Vec<String> = attributes
            .iter()
            .filter(|it| !it.is_empty())
            .cloned()
            .collect();
        // Every other op has a name of its own; kforge-name-ops finds one for the rest.
        if self.next.is_multiple_of(2) {
            attributes.push(format!("kforge.name = \"op{}\"", self.next));
        }
        let result = ty(shape, self.element);
        let types = types.join(", ");
        write!(
            text,
            " {{{}}} : ({types}) -> {result}",
            attributes.join(", ")
        )
        .unwrap();
        self.op(shape, text)
    }

    /// The module, which returns the last value and, where asked, an earlier one.
    pub fn finish(mut self, also: Option<u8>) -> String {
        let mut results = vec![self.values[self.values.len() - 1].clone()];
        if let Some(choice) = also {
            results.push(self.value(choice | 1));
        }
        let names: Vec<&str> = results.iter().map(|it| it.name.as_str()).collect();
        let types: Vec<String> = results.iter().map(|it| self.ty(it)).collect();
        format!(
            "func.func @f({}) -> ({}) {{\n{}  return {} : {}\n}}\n",
            self.arguments.join(", "),
            types.join(", "),
            self.body,
            names.join(", "),
            types.join(", ")
        )
    }
}
